"""The parts of a plain vision transformer: attention over a map or in windows, MLP, strips.

Maps are (batch, height, width, channel). Dosovitskiy et al., "An Image is Worth 16x16 Words",
ICLR 2021, arXiv:2010.11929; windows and relative positions after Li et al., "Exploring Plain
Vision Transformer Backbones for Object Detection", ECCV 2022, arXiv:2203.16527.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.errors import ShapeError
from maskwright.layers.position import RelativePosition

BIAS_ENTRIES = 2**23  # of a bias that exists at once: 32 MiB in fp32


class Attention(nn.Module):
    """Multi-head self-attention.

    Args:
        channels: Channels of the map; a multiple of `heads`.
        heads: Number of heads.
        side: Side of the tables of relative positions, or None for attention without positions.

    Raises:
        ShapeError: If `channels` is not a multiple of `heads`.
    """

    def __init__(self, channels: int, heads: int, *, side: int | None = None) -> None:
        super().__init__()
        if channels % heads:
            raise ShapeError(
                f"channels must be a multiple of heads, got {channels} and {heads}; change one"
            )
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.relative = None if side is None else RelativePosition(channels // heads, side)

    def forward(
        self, x: Float[Tensor, "batch height width channel"]
    ) -> Float[Tensor, "batch height width channel"]:
        """Return what each token has read from all tokens of its map."""
        return self.out(self._read(self.qkv(x)))

    def in_windows(
        self, x: Float[Tensor, "batch height width channel"], *, side: int
    ) -> Float[Tensor, "batch height width channel"]:
        """Return what each token has read from its window.

        Windows at the right and at the bottom are filled up with zeros, which take part as keys:
        their query, key and value are the bias of `qkv`. No product is spent on them.
        """
        height, width = x.shape[1:3]
        qkv = F.pad(F.linear(x, self.qkv.weight), (0, 0, 0, -width % side, 0, -height % side))
        size = qkv.shape[1], qkv.shape[2]
        y = join_windows(self._read(cut_windows(qkv, side) + self.qkv.bias), size)
        return self.out(y[:, :height, :width])

    def split(
        self, qkv: Float[Tensor, "batch token triple"]
    ) -> Float[Tensor, "3 batch head token head_channel"]:
        """Return queries, keys and values by head."""
        return qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)

    def _read(
        self, qkv: Float[Tensor, "batch height width triple"]
    ) -> Float[Tensor, "batch height width channel"]:
        height, width = size = qkv.shape[1], qkv.shape[2]
        q, k, v = self.split(qkv.flatten(1, 2))
        if self.relative is None:
            read = F.scaled_dot_product_attention(q, k, v)
        else:
            # The bias is as large as the scores, so it is made for a few rows at a time.
            rows = max(1, BIAS_ENTRIES // (q.shape[0] * q.shape[1] * width * height * width))
            q = q.unflatten(2, size)
            parts = [
                self._read_rows(q[:, :, at], k, v, at.start, size) for at in strips(height, rows)
            ]
            read = parts[0] if len(parts) == 1 else torch.cat(parts, 2)
        return read.transpose(1, 2).flatten(2).unflatten(1, size)

    def _read_rows(
        self, q: Tensor, k: Tensor, v: Tensor, first_row: int, size: tuple[int, int]
    ) -> Float[Tensor, "batch head query channel"]:
        assert self.relative is not None
        bias = self.relative(q, first_row=first_row, size=size)
        return F.scaled_dot_product_attention(q.flatten(2, 3), k, v, attn_mask=bias)


class Mlp(nn.Module):
    """Widen, GELU, narrow; each token by itself."""

    def __init__(self, channels: int, *, expansion: int = 4) -> None:
        super().__init__()
        self.widen = nn.Linear(channels, expansion * channels)
        self.narrow = nn.Linear(expansion * channels, channels)

    def forward(self, x: Float[Tensor, "*axes channel"]) -> Float[Tensor, "*axes channel"]:
        """Return the tokens' new features."""
        return self.narrow(F.gelu(self.widen(x)))


def cut_windows(
    x: Float[Tensor, "batch height width channel"], side: int
) -> Float[Tensor, "window side side channel"]:
    """Return the windows of maps whose height and width are multiples of `side`."""
    x = x.unflatten(2, (-1, side)).unflatten(1, (-1, side))
    return x.transpose(2, 3).flatten(0, 2)


def join_windows(
    windows: Float[Tensor, "window side side channel"], size: tuple[int, int]
) -> Float[Tensor, "batch height width channel"]:
    """Return the maps of the given height and width that were cut into these windows."""
    side = windows.shape[1]
    x = windows.unflatten(0, (-1, size[0] // side, size[1] // side))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def strips(height: int, rows: int | None) -> list[slice]:
    """Return the rows 0 to `height` in strips of at most `rows`; None: in one."""
    step = rows or height
    return [slice(start, min(start + step, height)) for start in range(0, height, step)]


def with_halo(strip: slice, reach: int, *, height: int) -> tuple[slice, slice]:
    """Return the rows that a filter reads for a strip, and which of these are the strip.

    The filter pads what it reads with zeros; that is right at the border of the map, and elsewhere
    spoils only rows outside the strip.

    Args:
        strip: Rows to compute.
        reach: How many rows the filter sees to each side.
        height: Rows of the map.
    """
    top = max(strip.start - reach, 0)
    read = slice(top, min(strip.stop + reach, height))
    return read, slice(strip.start - top, strip.stop - top)


def add_in_strips(
    x: Float[Tensor, "batch height width channel"],
    residual: Callable[[Tensor], Tensor],
    rows: int | None,
) -> Float[Tensor, "batch height width channel"]:
    """Return `x + residual(x)`, where no row of the residual depends on another strip.

    Where no gradient is asked for, x itself is changed and no more than a strip exists twice.
    """
    if torch.is_grad_enabled():
        return x + residual(x)
    for strip in strips(x.shape[1], rows):
        x[:, strip] += residual(x[:, strip])
    return x
