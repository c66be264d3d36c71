"""The head of the quick decoder: norms folded in, small maps enlarged after the last convolution.

A 3x3 convolution of an enlarged map is a sum of nine shifted, enlarged maps. Enlarging is linear
along each axis and knows nothing of channels, so the nine products of filters and pixels are made
at the small size; shifting and enlarging is then a banded matrix for each axis.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.conv import ConvNorm, folded
from maskwright.layers.vit import strips
from maskwright.models.interformer.head import Head, resize
from maskwright.models.interformer.quick_neck import FoldedNorm

DIRECT = 1  # so many of the largest maps meet the last convolution at its own size
BAND_ROWS = 16
SIZES_KEPT = 16


class Band(NamedTuple):
    """A part of a banded matrix: which rows it makes of which columns, and how."""

    rows: slice
    columns: slice
    values: Tensor


class QuickHead(nn.Module):
    """Return the margin of the object's logit over the background's, at a quarter of the size.

    Args:
        head: The head, whose parameters are copied.
        norms: The neck's last, of each of the four maps.
    """

    margin: Tensor
    offset: Tensor

    def __init__(self, head: Head, norms: Sequence[nn.GroupNorm]) -> None:
        super().__init__()
        self.head, self.norm = folded(head), norms[-1]
        self.laterals = nn.ModuleList(
            _after_norm(norm, lateral)
            for norm, lateral in zip(norms[:-1], self.head.laterals, strict=True)
        )
        fuse, classify = self.head.fuse.conv, self.head.classify[1]
        assert isinstance(classify, nn.Conv2d) and classify.bias is not None
        width = classify.in_channels
        direct, *late = fuse.weight.detach().split([DIRECT * width] + (4 - DIRECT) * [width], 1)
        self.direct = nn.Parameter(direct.contiguous(memory_format=torch.channels_last))
        self.late = nn.ParameterList(map(by_row, late))
        self.bias = fuse.bias
        weight = classify.weight.detach()[:, :, 0, 0]
        self.register_buffer("margin", weight[1] - weight[0])
        self.register_buffer("offset", (classify.bias[1] - classify.bias[0]).detach())

    def forward(
        self, maps: Sequence[Float[Tensor, "_ _ _"]]
    ) -> Float[Tensor, "quarter_height quarter_width"]:
        """Return the margin of four maps (height, width, channel), not yet normalised."""
        levels = [self.head.look_around(self.norm(_as_batch(maps[-1])))]
        for lateral, x in zip(reversed(self.laterals), reversed(maps[:-1]), strict=True):
            y = _as_batch(F.relu(lateral(x), inplace=True))
            levels.insert(0, y.add_(resize(levels[0], y.shape[2:])))
        size = levels[0].shape[2:]
        smooth = [each(x) for each, x in zip(self.head.smooth, levels, strict=False)]
        smooth.append(levels[-1])
        joined = [resize(x, size) for x in smooth[1:DIRECT]]
        y = F.conv2d(torch.cat([smooth[0], *joined], 1), self.direct, self.bias, padding=1)
        y = y[0].permute(1, 2, 0).contiguous()
        for weight, x in zip(self.late, smooth[DIRECT:], strict=True):
            add_enlarged_convolution(y, x[0].permute(1, 2, 0), weight)
        return F.relu(y, inplace=True) @ self.margin + self.offset


def add_enlarged_convolution(
    y: Float[Tensor, "height width channel_out"],
    x: Float[Tensor, "small_height small_width channel"],
    weight: Float[Tensor, "3 channel triple"],
) -> None:
    """Add to y, in place, the convolution of x enlarged to the size of y.

    Args:
        y: What is added to.
        x: A smaller map.
        weight: The 3x3 filters: row, channel of x, then column and channel of y.
    """
    height, width, channels = y.shape
    small_height, small_width = x.shape[:2]
    wide = y.new_empty(small_height, 3, width, channels)
    for row, filters in enumerate(weight):
        products = (x.reshape(-1, x.shape[2]) @ filters).view(small_height, -1, channels)
        for band in bands(small_width, width, dtype=y.dtype, device=y.device):
            wide[:, row, band.rows] = torch.matmul(band.values, products[:, band.columns])
    flat, wide = y.view(height, -1), wide.view(3 * small_height, -1)
    for band in bands(small_height, height, dtype=y.dtype, device=y.device):
        flat[band.rows].addmm_(band.values, wide[band.columns])


@lru_cache(SIZES_KEPT)
def bands(
    length: int, enlarged: int, *, dtype: torch.dtype, device: torch.device
) -> tuple[Band, ...]:
    """Return the matrix that enlarges three lines of `length` and adds them, shifted.

    Its columns are the pixels of the small lines, pixel by pixel: the three that meet the first,
    the middle and the last column of a filter.
    """
    matrix, found = enlarging_matrix(length, enlarged), []
    for rows in strips(enlarged, BAND_ROWS):
        used = matrix[rows].any(0).nonzero()
        columns = slice(int(used[0]), int(used[-1]) + 1)
        found.append(Band(rows, columns, matrix[rows, columns].to(device, dtype)))
    return tuple(found)


def enlarging_matrix(length: int, enlarged: int) -> Float64[Tensor, "enlarged triple"]:
    """Return the matrix of `bands`, not cut into parts."""
    lines = torch.eye(length, dtype=torch.float64)[None]
    enlarge = F.interpolate(lines, size=enlarged, mode="linear", align_corners=False)[0].T
    padded = F.pad(enlarge, (0, 0, 1, 1))
    return torch.stack([padded[shift : shift + enlarged] for shift in range(3)], 2).flatten(1)


def by_row(
    filters: Float[Tensor, "channel_out channel 3 3"],
) -> Float[Tensor, "3 channel triple"]:
    """Return filters as `add_enlarged_convolution` takes them."""
    return filters.permute(2, 1, 3, 0).flatten(2).contiguous()


def _after_norm(norm: nn.GroupNorm, layer: nn.Module) -> FoldedNorm:
    assert isinstance(layer, ConvNorm) and layer.conv.bias is not None
    return FoldedNorm(norm, layer.conv.weight[:, :, 0, 0], layer.conv.bias)


def _as_batch(
    x: Float[Tensor, "height width channel"],
) -> Float[Tensor, "1 channel height width"]:
    return x[None].permute(0, 3, 1, 2)
