"""The straightforward form of the A2U matting network: the baseline of `benchmarks/a2u.py`.

Written once, layer by layer, on the parameter names of the official checkpoints, and left alone
since: reassembly by unfold, kernel generation image by image (and, where the filters are shared,
channel by channel), norms not folded. Do not speed it up.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

State = Mapping[str, Tensor]


def forward(state: State, x: Tensor) -> Tensor:
    """Return the raw alpha (batch, 1, h, w) of the normalised RGB and trimap (batch, 4, h, w)."""
    full = _abn(state, "layer0.1", _conv(state, "layer0.0", x, padding=3))
    down, up_0 = _kernels(state, "bilinear0", full)
    half = _reassemble_down(full, down)
    down, up_1 = _kernels(state, "bilinear1", half)
    quarter = _blocks(state, "layer1", _reassemble_down(half, down))
    eighth, up_2 = _down_block(state, "layer2_1", quarter)
    eighth = _blocks(state, "layer2_2", eighth)
    sixteenth, up_3 = _down_block(state, "layer3_1", eighth)
    sixteenth = _aspp(state, "dconv_pp", _blocks(state, "layer3_2", sixteenth))

    y = _decode(state, "decoder_layer4", _reassemble_up(sixteenth, up_3), _short(state, 3, eighth))
    y = _decode(state, "decoder_layer3", _reassemble_up(y, up_2), _short(state, 2, quarter))
    y = _decode(state, "decoder_layer2", _reassemble_up(y, up_1), _short(state, 1, half))
    y = _decode(state, "decoder_layer1", _reassemble_up(y, up_0), _short(state, 0, x))
    y = _abn(state, "pred.0.1", _conv(state, "pred.0.0", y, padding=1))
    return _conv(state, "pred.1", y, padding=1)


def _conv(
    state: State, name: str, x: Tensor, *, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    weight = state[f"{name}.weight"]
    groups = x.shape[1] // weight.shape[1]
    return F.conv2d(x, weight, state.get(f"{name}.bias"), stride, padding, dilation, groups)


def _abn(state: State, name: str, x: Tensor, *, activate: bool = True) -> Tensor:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    scale = state[f"{name}.weight"].abs() + 1e-5
    y = F.batch_norm(x, mean, variance, scale, state[f"{name}.bias"], eps=1e-5)
    return F.leaky_relu(y, 0.01) if activate else y


def _short(state: State, level: int, x: Tensor) -> Tensor:
    return _abn(state, f"short{level}.1", _conv(state, f"short{level}.0", x, padding=1))


def _residual(state: State, name: str, x: Tensor, shortcut: Tensor) -> Tensor:
    y = _abn(state, f"{name}.bn1", _conv(state, f"{name}.conv1", x, padding=1))
    y = _abn(state, f"{name}.bn2", _conv(state, f"{name}.conv2", y, padding=1), activate=False)
    return F.leaky_relu(y + shortcut, 0.01)


def _blocks(state: State, name: str, x: Tensor) -> Tensor:
    for index in (1, 2, 3):
        x = _residual(state, f"{name}.block{index}.convs", x, x)
    return x


def _down_block(state: State, name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    y = _abn(state, f"{name}.layer1.bn1", _conv(state, f"{name}.layer1.conv1", x, padding=1))
    down, up = _kernels(state, f"{name}.bilinear", y)
    y = _reassemble_down(y, down)
    y = _conv(state, f"{name}.layer2.conv2", y, padding=1)
    y = _abn(state, f"{name}.layer2.bn2", y, activate=False)
    shortcut = _conv(state, f"{name}.proj_conv", x, stride=2)
    return F.leaky_relu(y + _abn(state, f"{name}.proj_bn", shortcut, activate=False), 0.01), up


def _aspp(state: State, name: str, x: Tensor) -> Tensor:
    one = f"{name}.aspp1.atrous_conv"
    branches = [_abn(state, f"{one}.1", _conv(state, f"{one}.0", x))]
    for index, rate in ((2, 6), (3, 12), (4, 18)):
        at = f"{name}.aspp{index}.atrous_conv"
        y = _conv(state, f"{at}.0", x, padding=rate, dilation=rate)
        y = _conv(state, f"{at}.2", _abn(state, f"{at}.1", y))
        branches.append(_abn(state, f"{at}.3", y))
    pooled = _conv(state, f"{name}.global_avg_pool.1", x.mean((2, 3), keepdim=True))
    pooled = _abn(state, f"{name}.global_avg_pool.2", pooled)
    branches.append(pooled.expand(-1, -1, *x.shape[2:]))
    y = _conv(state, f"{name}.bottleneck_conv.0", torch.cat(branches, 1))
    return _abn(state, f"{name}.bottleneck_conv.1", y)


def _decode(state: State, name: str, x: Tensor, skip: Tensor) -> Tensor:
    x = x + skip
    shortcut = x
    if f"{name}.dconv.proj_conv.weight" in state:
        shortcut = _conv(state, f"{name}.dconv.proj_conv", x)
        shortcut = _abn(state, f"{name}.dconv.proj_bn", shortcut, activate=False)
    x = _residual(state, f"{name}.dconv.dep_sep_conv", x, shortcut)
    return _residual(state, f"{name}.dconv1.dep_sep_conv", x, x)


def _kernels(state: State, name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    channels = x.shape[1]
    mean = x.mean((2, 3), keepdim=True)
    pooled = F.adaptive_avg_pool2d(x, 6)
    up_taps = _conv(state, f"{name}.bconv_UP.1", mean)
    down_taps = _conv(state, f"{name}.bconv_DP.1", mean)
    factors = []
    for letter in "UV":
        filters = _conv(state, f"{name}.bconv_{letter}.1", pooled)
        factor = torch.cat([
            _filtered(image[None], one) for image, one in zip(x, filters, strict=True)
        ])
        weight = state[f"{name}.bn{letter.lower()}.0.weight"]
        factor = F.group_norm(factor, 32, weight, state[f"{name}.bn{letter.lower()}.0.bias"])
        factors.append(F.leaky_relu(factor, 0.01))
    affinity = (factors[0] * factors[1]).sum(1, keepdim=True) / channels**0.5
    down = (down_taps * affinity).softmax(1)
    up = F.pixel_shuffle(up_taps * affinity, 2).sigmoid().softmax(1)
    return down, up


def _filtered(image: Tensor, filters: Tensor) -> Tensor:
    if len(filters) == 1:  # one filter for all channels
        one = filters[None]
        return torch.cat([F.conv2d(c, one, stride=2, padding=2) for c in image.split(1, 1)], 1)
    return F.conv2d(image, filters[:, None], stride=2, padding=2, groups=len(filters))


def _reassemble_down(x: Tensor, kernels: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    windows = F.unfold(x, 6, padding=2, stride=2)
    windows = windows.view(batch, channels, 36, height // 2, width // 2)
    return (windows * kernels[:, None]).sum(2)


def _reassemble_up(x: Tensor, kernels: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    windows = F.unfold(x, 3, padding=1).view(batch, channels * 9, height, width)
    windows = F.interpolate(windows, scale_factor=2.0, mode="nearest")
    windows = windows.view(batch, channels, 9, height * 2, width * 2)
    return (windows * kernels[:, None]).sum(2)
