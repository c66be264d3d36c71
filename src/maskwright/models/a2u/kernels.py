"""Kernel generation: second-order, low-rank affinity of the features before down-sampling.

Paper: Dai, Lu, Shen, CVPR 2021, arXiv:2011.14288, sections 3.2 and 3.3.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.errors import UsageError
from maskwright.models.a2u.config import KernelConfig
from maskwright.ops.affinity import affinity, filter_half, reassemble_down, reassemble_parts

NORMALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda taps: taps.softmax(2),
    "sigmoid": lambda taps: taps.sigmoid(),
    "sigmoid_softmax": lambda taps: taps.sigmoid().softmax(2),
    "none": lambda taps: taps,
}
SLOPE = 0.01  # of every leaky ReLU in the paper's code
NORM_GROUPS = 32


class Kernels(NamedTuple):
    """The kernels of one level.

    Attributes:
        up: Four kernels, of the four full-size pixels, for each half-size one: `groups * size *
            size * 4` channels, the four parts of a tap side by side.
        down: One kernel per half-size pixel, or None where down-sampling is by pooling.
    """

    up: Float[Tensor, "batch up_tap half_height half_width"]
    down: Float[Tensor, "batch down_tap half_height half_width"] | None


class AffinityKernels(nn.Module):
    """Return the up- and down-sampling kernels of a feature map, Eq. (3) to (6).

    Args:
        channels: Channels of the features; a multiple of 32 under the group norm.
        config: The variant.

    Raises:
        UsageError: If the channels do not suit the norm.
    """

    def __init__(self, channels: int, config: KernelConfig) -> None:
        super().__init__()
        if config.embedding_norm == "group" and channels % NORM_GROUPS:
            raise UsageError(
                f"the group norm of the affinity expects a multiple of {NORM_GROUPS} channels, "
                f"got {channels}; choose other widths or embedding_norm='batch'"
            )
        self.config = config
        self.filter_u, self.filter_v = _Filters(channels, config), _Filters(channels, config)
        self.norm_u, self.norm_v = _norm(channels, config), _norm(channels, config)
        self.taps_up = _Taps(channels, config)
        self.taps_down = _Taps(channels, config) if config.down else None

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Kernels:
        """Return the kernels; height and width are even."""
        left = self._embed(x, self.filter_u, self.norm_u)
        right = self._embed(x, self.filter_v, self.norm_v)
        scores = affinity(left, right)
        mean = x.mean((2, 3)) if self.config.dynamic_taps else None
        # An up-sampling kernel of side s at four sub-pixels has (2s)^2 taps, as has a
        # down-sampling kernel of side 2s.
        up = torch.einsum("btr,brhw->bthw", self.taps_up(mean, len(x)), scores)
        up = self._normalise(up, self.config.up_normalisation, parts=4)
        if self.taps_down is None:
            return Kernels(up, None)
        down = torch.einsum("btr,brhw->bthw", self.taps_down(mean, len(x)), scores)
        return Kernels(up, self._normalise(down, self.config.down_normalisation))

    def _embed(self, x: Tensor, filters: "_Filters", norm: nn.Module) -> Tensor:
        y = filter_half(x, filters(x))
        y = norm(y.flatten(0, 1)).unflatten(0, y.shape[:2])
        return F.leaky_relu(y, SLOPE, inplace=True)

    def _normalise(self, taps: Tensor, kind: str, *, parts: int = 1) -> Tensor:
        grouped = taps.unflatten(1, (self.config.groups, -1, parts))
        if kind == "sigmoid_softmax" and self.config.up_size == 1:
            kind = "sigmoid"  # a softmax over one tap would be constant
        return NORMALISATIONS[kind](grouped).flatten(1, 3)


class _Filters(nn.Module):
    """The filters U or V: (batch or 1, rank, channels or 1, size, size)."""

    def __init__(self, channels: int, config: KernelConfig) -> None:
        super().__init__()
        self.size, self.rank = config.filter_size, config.rank
        width = 1 if config.shared else channels
        self.from_image = (
            nn.Conv2d(channels, self.rank * width, 1) if config.dynamic_filters else None
        )
        if not config.dynamic_filters:
            shape = (1, self.rank, width, self.size, self.size)
            self.learned = nn.Parameter(torch.randn(shape) / self.size)

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "filter_batch rank filter_channel size size"]:
        if self.from_image is None:
            return self.learned
        filters = self.from_image(F.adaptive_avg_pool2d(x, self.size))
        return filters.unflatten(1, (self.rank, -1))


class _Taps(nn.Module):
    """The tap weights P: (batch, groups * (2 up_size)^2, rank)."""

    def __init__(self, channels: int, config: KernelConfig) -> None:
        super().__init__()
        self.taps, self.rank = config.groups * (2 * config.up_size) ** 2, config.rank
        self.from_mean = (
            nn.Conv2d(channels, self.taps * self.rank, 1) if config.dynamic_taps else None
        )
        if not config.dynamic_taps:
            self.learned = nn.Parameter(0.1 * torch.randn(1, self.taps, self.rank))

    def forward(
        self, mean: Float[Tensor, "batch channel"] | None, batch: int
    ) -> Float[Tensor, "batch tap rank"]:
        if self.from_mean is None or mean is None:
            return self.learned.expand(batch, -1, -1)
        return self.from_mean(mean[:, :, None, None]).reshape(batch, self.taps, self.rank)


def down_sample(
    x: Float[Tensor, "batch channel height width"], kernels: Kernels, *, groups: int
) -> Float[Tensor, "batch channel half_height half_width"]:
    """Return x at half the size, by its kernels or, in the up-only variant, by max-pooling."""
    if kernels.down is None:
        return F.max_pool2d(x, 2)
    return reassemble_down(x, kernels.down, groups=groups)


def up_sample(
    x: Float[Tensor, "batch channel height width"], kernels: Kernels, *, groups: int
) -> Float[Tensor, "batch channel double_height double_width"]:
    """Return x at twice the size, by the kernels of the level it is going to."""
    return reassemble_parts(x, kernels.up, groups=groups)


def _norm(channels: int, config: KernelConfig) -> nn.Module:
    if config.embedding_norm == "group":
        return nn.GroupNorm(NORM_GROUPS, channels)
    return nn.BatchNorm2d(channels)
