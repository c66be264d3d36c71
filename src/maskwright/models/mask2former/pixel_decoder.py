"""The pixel decoder: three maps exchange what they know, a fourth gives the masks their edges.

Section 3.1 and 4.1: multi-scale deformable attention (`ops/deformable.py`) over strides 32, 16 and
8. Cells are (batch, cell, channel), all levels in a row, the smallest first.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.vit import strips
from maskwright.models.mask2former.position import sine_position
from maskwright.ops.deformable import Sizes, read_points, read_points_by_level

LEVELS = 3
POINTS = 4  # that a head reads on each level
GROUPS = 32
ROWS = 1024  # cells computed at once, where no gradient is asked for; what they need stays cached


class Pixels(NamedTuple):
    """What the masks are made of.

    Attributes:
        levels: Maps at strides 32, 16 and 8, which queries attend to.
        features: The map at stride 4, of which a query's mask is made.
    """

    levels: list[Float[Tensor, "batch channel _ _"]]
    features: Float[Tensor, "batch channel height width"]


class DeformableAttention(nn.Module):
    """Each cell reads a few points around it, on every level, that it chooses itself.

    Args:
        channels: Channels of a cell; a multiple of `heads`.
        heads: Number of heads.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads, samples = heads, heads * LEVELS * POINTS
        self.offsets = nn.Linear(channels, 2 * samples)
        self.weights = nn.Linear(channels, samples)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        self._initialise()

    def forward(
        self,
        query: Float[Tensor, "batch query channel"],
        values: Float[Tensor, "batch cell head head_channel"],
        *,
        reference: Float[Tensor, "_ query level 2"],
        sizes: Sizes,
    ) -> Float[Tensor, "batch query channel"]:
        """Return what the queries have read.

        Args:
            query: Cells with their positions.
            values: Of `read_values`.
            reference: On each level, the point (x, y) in cells around which a query reads.
            sizes: Rows and columns of the levels.
        """
        sampled = (self.heads, LEVELS, POINTS)
        offsets = self.offsets(query).float().unflatten(2, (*sampled, 2))
        weights = self.weights(query).unflatten(2, (self.heads, -1)).softmax(-1)
        points = reference[:, :, None, :, None] + offsets
        read = read_points_by_level if torch.compiler.is_compiling() else read_points
        return self.out(
            read(values, points, weights.unflatten(3, sampled[1:]), sizes=sizes).flatten(2)
        )

    def read_values(
        self, cells: Float[Tensor, "batch cell channel"]
    ) -> Float[Tensor, "batch cell head head_channel"]:
        """Return what there is to read of each cell."""
        return self.value(cells).unflatten(2, (self.heads, -1))

    def _initialise(self) -> None:
        """Let each head look another way, its points one to four cells far; all weigh the same."""
        for layer in (self.offsets, self.weights):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for layer in (self.value, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.offsets.bias.copy_(_rays(self.heads).flatten())


class Layer(nn.Module):
    """Deformable attention, then a feed-forward part; a norm after each.

    Args:
        channels: Channels of a cell.
        heads: Heads of the attention.
        hidden: Channels within the feed-forward part.
    """

    def __init__(self, channels: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(channels, heads)
        self.norm1 = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, hidden)
        self.narrow = nn.Linear(hidden, channels)
        self.norm2 = nn.LayerNorm(channels)
        for layer in (self.widen, self.narrow):
            nn.init.xavier_uniform_(layer.weight)

    def forward(
        self,
        x: Float[Tensor, "batch cell channel"],
        position: Float[Tensor, "1 cell channel"],
        *,
        reference: Float[Tensor, "1 cell level 2"],
        sizes: Sizes,
    ) -> Float[Tensor, "batch cell channel"]:
        """Return the cells' new features.

        Args:
            x: Cells of all levels.
            position: What their places add to them.
            reference: Their places on every level.
            sizes: Rows and columns of the levels.
        """
        values = self.attention.read_values(x)
        parts = []
        for at in strips(x.shape[1], None if torch.is_grad_enabled() else ROWS):
            cells = x[:, at]
            query = cells + position[:, at]
            read = self.attention(query, values, reference=reference[:, at], sizes=sizes)
            cells = self.norm1(cells + read)
            hidden = F.relu(self.widen(cells), inplace=True)
            parts.append(self.norm2(cells + self.narrow(hidden)))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class PixelDecoder(nn.Module):
    """Return three maps to attend to, and one for masks.

    Args:
        widths: Channels of the backbone's maps at strides 4, 8, 16 and 32.
        channels: Channels of all that comes out.
        heads: Heads of the attention.
        layers: How many layers of attention.
        hidden: Channels within their feed-forward parts.
    """

    def __init__(
        self, widths: Sequence[int], channels: int, *, heads: int, layers: int, hidden: int
    ) -> None:
        super().__init__()
        self.enter = nn.ModuleList(
            nn.Sequential(_enter(width, channels), nn.GroupNorm(GROUPS, channels))
            for width in reversed(widths[1:])
        )
        self.level = nn.Parameter(torch.randn(LEVELS, channels))
        self.layers = nn.ModuleList(Layer(channels, heads, hidden) for _ in range(layers))
        self.lateral = nn.Sequential(
            _conv(widths[0], channels, 1, bias=False), nn.GroupNorm(GROUPS, channels)
        )
        self.smooth = nn.Sequential(
            _conv(channels, channels, 3, bias=False),
            nn.GroupNorm(GROUPS, channels),
            nn.ReLU(inplace=True),
        )
        self.leave = _conv(channels, channels, 1)

    def forward(self, maps: Sequence[Float[Tensor, "batch _ _ _"]]) -> Pixels:
        """Return the maps; in the precision of the parameters, which autocast does not lower.

        Args:
            maps: Of the backbone, at strides 4, 8, 16 and 32.
        """
        with torch.autocast(maps[0].device.type, enabled=False):
            fine, *coarse = (x.to(self.level.dtype) for x in maps)
            levels = [enter(x) for enter, x in zip(self.enter, reversed(coarse), strict=True)]
            sizes = [(x.shape[2], x.shape[3]) for x in levels]
            x = torch.cat([level.flatten(2).transpose(1, 2) for level in levels], 1)
            position, reference = self._positions(sizes), centres(sizes).to(x.device)[None]
            for layer in self.layers:
                x = layer(x, position, reference=reference, sizes=sizes)
            parts = x.transpose(1, 2).split([height * width for height, width in sizes], 2)
            levels = [part.unflatten(2, size) for part, size in zip(parts, sizes, strict=True)]
            return Pixels(levels, self._features(fine, levels[-1]))

    def _positions(self, sizes: Sizes) -> Float[Tensor, "1 cell channel"]:
        channels = self.level.shape[1]
        sines = (sine_position(size, channels, like=self.level).flatten(0, 1) for size in sizes)
        return torch.cat([sine + self.level[i] for i, sine in enumerate(sines)])[None]

    def _features(self, fine: Tensor, coarse: Tensor) -> Tensor:
        size = fine.shape[2:]
        coarse = F.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
        return self.leave(self.smooth(self.lateral(fine) + coarse))


def _enter(channels: int, channels_out: int) -> nn.Conv2d:
    conv = nn.Conv2d(channels, channels_out, 1)
    nn.init.xavier_uniform_(conv.weight)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


def _conv(channels: int, channels_out: int, size: int, *, bias: bool = True) -> nn.Conv2d:
    conv = nn.Conv2d(channels, channels_out, size, padding=size // 2, bias=bias)
    nn.init.kaiming_uniform_(conv.weight, a=1)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def centres(sizes: Sizes) -> Float[Tensor, "cell level 2"]:
    """Return of each cell of all levels where its centre lies on every level, (x, y) in cells."""
    shares = []
    for height, width in sizes:
        rows = (torch.arange(height) + 0.5) / height
        columns = (torch.arange(width) + 0.5) / width
        shares.append(torch.cartesian_prod(rows, columns).flip(1))
    lengths = torch.tensor([(width, height) for height, width in sizes])
    return torch.cat(shares)[:, None] * lengths - 0.5


def _rays(heads: int) -> Float[Tensor, "head level point 2"]:
    """Return the offsets (x, y) that are read at first: heads look around, along a square."""
    angle = torch.arange(heads) * (2 * math.pi / heads)
    ray = torch.stack([angle.cos(), angle.sin()], -1)
    ray = ray / ray.abs().amax(1, keepdim=True)
    steps = torch.arange(1, POINTS + 1.0)[:, None]
    return (ray[:, None, None] * steps).expand(-1, LEVELS, -1, -1)
