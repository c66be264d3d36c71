"""ResNet-50 and deeper, with batch norms that learn or that are frozen.

Paper: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385,
table 1. The stride is in the 3x3 convolution, as torchvision and detectron2 train it.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.conv import ConvNorm
from maskwright.layers.norm import FrozenBatchNorm

STEM = 64
CHANNELS = (256, 512, 1024, 2048)  # at 1/4, 1/8, 1/16, 1/32


class Bottleneck(nn.Module):
    """Reduce by 1x1, filter by 3x3, expand by 1x1; added to the input.

    Args:
        channels: Channels of the input.
        channels_out: Channels of the output; a quarter of them is filtered.
        stride: Of the filter, and of the shortcut.
        frozen: Whether norms are frozen.
    """

    def __init__(self, channels: int, channels_out: int, *, stride: int, frozen: bool) -> None:
        super().__init__()
        inner, changes = channels_out // 4, stride > 1 or channels != channels_out
        self.reduce = _conv(channels, inner, 1, frozen=frozen, relu=True)
        self.filter = _conv(inner, inner, 3, stride=stride, frozen=frozen, relu=True)
        self.expand = _conv(inner, channels_out, 1, frozen=frozen)
        self.shortcut = (
            _conv(channels, channels_out, 1, stride=stride, frozen=frozen) if changes else None
        )

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel_out height_out width_out"]:
        """Return the block's output."""
        y = self.expand(self.filter(self.reduce(x)))
        return F.relu(y.add_(x if self.shortcut is None else self.shortcut(x)), inplace=True)


class ResNet(nn.Module):
    """Return feature maps at strides 4, 8, 16 and 32.

    Args:
        depths: Blocks of the four stages: 3, 4, 6, 3 is ResNet-50, 3, 4, 23, 3 is ResNet-101.
        frozen: Whether batch norms keep the statistics, scales and shifts that they are given;
            else they learn.
    """

    def __init__(self, depths: Sequence[int], *, frozen: bool) -> None:
        super().__init__()
        self.stem = _conv(3, STEM, 7, stride=2, frozen=frozen, relu=True)
        self.stages, width = nn.ModuleList(), STEM
        for stage, (depth, channels) in enumerate(zip(depths, CHANNELS, strict=True)):
            blocks = nn.Sequential()
            for index in range(depth):
                stride = 2 if stage and not index else 1
                blocks.append(Bottleneck(width, channels, stride=stride, frozen=frozen))
                width = channels
            self.stages.append(blocks)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Return the maps, the largest first.

        Args:
            image: RGB, normalised with ImageNet's mean and deviation.
        """
        maps, x = [], F.max_pool2d(self.stem(image), 3, stride=2, padding=1)
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def _conv(
    channels: int,
    channels_out: int,
    size: int,
    *,
    stride: int = 1,
    frozen: bool,
    relu: bool = False,
) -> ConvNorm:
    conv = nn.Conv2d(channels, channels_out, size, stride, size // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    norm = FrozenBatchNorm(channels_out) if frozen else nn.BatchNorm2d(channels_out)
    return ConvNorm(conv, norm, nn.ReLU(inplace=True) if relu else None)
