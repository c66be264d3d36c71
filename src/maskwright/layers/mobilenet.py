"""MobileNetV2, the backbone of the small embedded networks.

Paper: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018,
arXiv:1801.04381, table 2. Padding follows TensorFlow ("SAME": a stride of two pads right and
bottom only), as the converted ImageNet weights expect; parameter names follow this file.
"""

import re
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maskwright.layers.conv import ConvNorm

# (expansion, channels, blocks, stride of the first block), Table 2.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
CHANNELS = tuple(STAGES[row][1] for row in (1, 2, 4, 6))  # at 1/4, 1/8, 1/16, 1/32
MEAN = (123.675, 116.28, 103.53)  # of the input's normalisation, of 0 to 255
DEVIATION = (58.395, 57.12, 57.375)


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter depth-wise by 3x3, project by 1x1; a residual where shapes agree."""

    def __init__(
        self,
        channels: int,
        channels_out: int,
        *,
        expansion: int,
        stride: int,
        dilation: int,
        normed: bool,
    ) -> None:
        super().__init__()
        hidden = channels * expansion
        self.expand = conv_relu6(channels, hidden, 1, normed=normed) if expansion > 1 else None
        self.filter = conv_relu6(
            hidden, hidden, 3, stride=stride, dilation=dilation, groups=hidden, normed=normed
        )
        self.project = ConvNorm(
            nn.Conv2d(hidden, channels_out, 1, bias=not normed),
            nn.BatchNorm2d(channels_out) if normed else None,
        )
        self.is_residual = stride == 1 and channels == channels_out

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel_out height_out width_out"]:
        """Return the block's output."""
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.filter(y))
        return x + y if self.is_residual else y


class MobileNetV2(nn.Module):
    """Return feature maps at 1/2, 1/4, 1/8, … of an RGB image in [-1, 1].

    Args:
        stages: How many rows of Table 2 to build: 5 ends with 96 channels, 7 with 320.
        channels: Channels of the input; the first three are RGB.
        output_stride: No map is smaller than this; later strides become dilations.
        normed: With batch norms, or with their effect folded into the convolutions.
    """

    def __init__(
        self, *, stages: int = 7, channels: int = 3, output_stride: int = 32, normed: bool = True
    ) -> None:
        super().__init__()
        self.stem = conv_relu6(channels, 32, 3, stride=2, normed=normed)
        width, reached, dilation = 32, 2, 1
        self.stages = nn.ModuleList()
        for expansion, channels_out, blocks, stride in STAGES[:stages]:
            stage, first_dilation = nn.Sequential(), dilation
            if reached * stride > output_stride:
                dilation, stride = dilation * stride, 1
            reached *= stride
            for index in range(blocks):
                block = InvertedResidual(
                    width,
                    channels_out,
                    expansion=expansion,
                    stride=1 if index else stride,
                    dilation=dilation if index else first_dilation,
                    normed=normed,
                )
                stage.append(block)
                width = channels_out
            self.stages.append(stage)

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Return the last map of each size, the largest first."""
        maps: list[Tensor] = []
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
            if maps and maps[-1].shape[2:] == x.shape[2:]:
                maps[-1] = x
            else:
                maps.append(x)
        return maps


class MobileEncoder(nn.Module):
    """Return MobileNetV2's maps at strides 4, 8, 16 and 32."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.backbone = MobileNetV2()
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Return the maps, the largest first.

        Args:
            image: RGB, normalised with ImageNet's mean and deviation.
        """
        rgb = (image * self.deviation + self.mean) / 127.5 - 1
        maps: list[Tensor] = self.backbone(rgb)
        return maps[1:]


def conv_relu6(
    channels: int,
    channels_out: int,
    size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    normed: bool = True,
) -> ConvNorm:
    """Return a convolution with batch norm and ReLU6, padded as TensorFlow pads."""
    padding = size // 2 * dilation if stride == 1 else 0
    conv = nn.Conv2d(
        channels, channels_out, size, stride, padding, dilation, groups, bias=not normed
    )
    norm = nn.BatchNorm2d(channels_out) if normed else None
    return ConvNorm(conv, norm, nn.ReLU6(inplace=True), pad_end=1 if stride == 2 else 0)


def convert_imagenet(state: Mapping[str, Tensor], *, stages: int = 7) -> dict[str, Tensor]:
    """Return this file's parameter names for a state dict in torchvision's names."""
    blocks = [(row, at) for row in range(stages) for at in range(STAGES[row][2])]
    converted = {}
    for name, value in state.items():
        match = re.fullmatch(r"features\.(\d+)\.(.+)", name)
        if not match or int(match[1]) > len(blocks):
            continue
        index, rest = int(match[1]), match[2]
        if index == 0:
            converted[f"stem.{_LEAF[rest[:1]]}.{rest[2:]}"] = value
            continue
        row, at = blocks[index - 1]
        part, leaf = _block_part(rest.removeprefix("conv."), expands=STAGES[row][0] > 1)
        converted[f"stages.{row}.{at}.{part}.{leaf}"] = value
    return converted


def calibrate_norms(
    model: nn.Module, batches: list[Float[Tensor, "batch channel height width"]]
) -> None:
    """Measure each batch norm's statistics on real inputs and rewrite it as the same function.

    Weights with folded norms (mean 0, variance 1) would jump as soon as training normalises with
    the statistics of a batch. Afterwards every norm gives what it gave before, at inference, and
    about the same in training.

    Args:
        model: The network; its batch norms must all be reached by `model(batch)`.
        batches: Inputs like those it will be trained on.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    sums: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}

    def record(norm: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        x = inputs[0].double()
        sums[norm].append(torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))]))

    hooks = [norm.register_forward_hook(record) for norm in norms]
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for batch in batches:
            model(batch)
        for norm in norms:
            _rewrite(norm, *torch.stack(sums[norm]).mean(0))
    for hook in hooks:
        hook.remove()
    model.train(was_training)


def _rewrite(norm: nn.BatchNorm2d, mean: Tensor, square: Tensor) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    variance = (square - mean.square()).clamp_min(1e-6)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * scale
    norm.weight.copy_(scale * (variance + norm.eps).sqrt())
    norm.bias.copy_(shift + mean * scale)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)


_LEAF = {"0": "conv", "1": "norm"}


def _block_part(rest: str, *, expands: bool) -> tuple[str, str]:
    parts = ["expand", "filter"] if expands else ["filter"]
    at, leaf = rest.split(".", 1)
    if int(at) < len(parts):
        inner, leaf = leaf.split(".", 1)
        return parts[int(at)], f"{_LEAF[inner]}.{leaf}"
    return "project", f"{'conv' if int(at) == len(parts) else 'norm'}.{leaf}"
