"""Swin transformer: attention in windows, shifted by half a window in every other block.

Paper: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",
ICCV 2021, arXiv:2103.14030. Maps are (batch, height, width, channel) and may have any size: they
are filled up with zeros, which take part in their window, as where it serves dense prediction.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.errors import ShapeError
from maskwright.layers.checkpointing import run
from maskwright.layers.stochastic_depth import StochasticDepth, rates
from maskwright.layers.vit import Mlp, cut_windows, join_windows

PATCH_PX = 4
BLOCKED = -100.0  # added to the score of a key in another region, as in the official code
DROP = 0.3  # of whole residual branches; for all sizes the same in dense prediction


class WindowAttention(nn.Module):
    """Multi-head self-attention in windows, with a learned bias for each relative position.

    Args:
        channels: Channels of the map; a multiple of `heads`.
        heads: Number of heads.
        side: Rows and columns of a window.
        shift: By how much windows are moved to the right and down; what lies beyond the border
            comes from the other side of the map, but is not attended to.

    Raises:
        ShapeError: If `channels` is not a multiple of `heads`.
    """

    index: Tensor
    masks: Tensor

    def __init__(self, channels: int, heads: int, *, side: int, shift: int) -> None:
        super().__init__()
        if channels % heads:
            raise ShapeError(
                f"channels must be a multiple of heads, got {channels} and {heads}; change one"
            )
        self.heads, self.side, self.shift = heads, side, shift
        self.bias = nn.Parameter(torch.zeros((2 * side - 1) ** 2, heads))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        nn.init.trunc_normal_(self.bias, std=0.02)
        self.register_buffer("index", relative_index(side), persistent=False)
        if shift:
            self.register_buffer("masks", region_masks(side, shift), persistent=False)

    def forward(
        self, x: Float[Tensor, "batch height width channel"]
    ) -> Float[Tensor, "batch height width channel"]:
        """Return what each token has read from its window."""
        (height, width), side, shift = x.shape[1:3], self.side, self.shift
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        size = x.shape[1], x.shape[2]
        if shift:
            x = x.roll((-shift, -shift), (1, 2))
        qkv = self.qkv(cut_windows(x, side).flatten(1, 2))
        read = self._read(qkv, (size[0] // side, size[1] // side))
        x = join_windows(self.out(read).unflatten(1, (side, side)), size)
        if shift:
            x = x.roll((shift, shift), (1, 2))
        return x[:, :height, :width]

    def _read(
        self, qkv: Float[Tensor, "window token triple"], grid: tuple[int, int]
    ) -> Float[Tensor, "window token channel"]:
        """Return what the windows' tokens read.

        Where windows are shifted, only those of the last row and column span several regions of
        the map: the others need no mask, which would be as large as all scores.

        Args:
            qkv: Queries, keys and values.
            grid: Rows and columns of windows.
        """
        tokens = qkv.shape[1]
        bias = self.bias[self.index.flatten()].T.reshape(1, self.heads, tokens, tokens)
        parts = qkv.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if not self.shift:
            return _attend(parts, bias)
        parts = parts.unflatten(1, (-1, *grid))
        read = qkv.new_empty(*parts.shape[1:4], tokens, qkv.shape[2] // 3)
        for row, rows in enumerate((slice(0, -1), slice(-1, None))):
            for column, columns in enumerate((slice(0, -1), slice(-1, None))):
                some = parts[:, :, rows, columns]
                if some.numel():
                    found = _attend(some.flatten(1, 3), bias + self.masks[row, column])
                    read[:, rows, columns] = found.unflatten(0, some.shape[1:4])
        return read.flatten(0, 2)


class Block(nn.Module):
    """Attention, then the MLP; each after a norm and added to its input.

    Args:
        channels: Channels of the map.
        heads: Heads of the attention.
        side: Rows and columns of a window.
        shift: By how much windows are moved.
        drop: Rate at which each of the two branches is left out in training.
    """

    def __init__(self, channels: int, heads: int, *, side: int, shift: int, drop: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attention = WindowAttention(channels, heads, side=side, shift=shift)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels)
        self.drop = StochasticDepth(drop)

    def forward(
        self, x: Float[Tensor, "batch height width channel"]
    ) -> Float[Tensor, "batch height width channel"]:
        """Return the block's output."""
        x = x + self.drop(self.attention(self.norm1(x)))
        return x + self.drop(self.mlp(self.norm2(x)))


class Merge(nn.Module):
    """Join each square of four tokens to one: half the size, twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduce = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(
        self, x: Float[Tensor, "batch height width channel"]
    ) -> Float[Tensor, "batch half_height half_width double_channel"]:
        """Return the joined tokens; a map of odd size is filled up with zeros."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        squares = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduce(self.norm(torch.cat(squares, -1)))


class Stage(nn.Module):
    """Blocks at one size.

    Args:
        channels: Channels of the map.
        heads: Heads of the attention.
        side: Rows and columns of a window.
        drops: Of each block, the rate at which its branches are left out in training.
        merges: Whether a smaller map is made for a stage that follows.
    """

    def __init__(
        self, channels: int, heads: int, *, side: int, drops: Sequence[float], merges: bool
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                Block(channels, heads, side=side, shift=index % 2 * (side // 2), drop=drop)
                for index, drop in enumerate(drops)
            )
        )
        self.norm = nn.LayerNorm(channels)
        self.down = Merge(channels) if merges else None
        self.runs_again = False  # see `layers/checkpointing.py`

    def forward(
        self, x: Float[Tensor, "batch height width channel"]
    ) -> tuple[Float[Tensor, "batch height width channel"], Float[Tensor, "batch _ _ _"]]:
        """Return the normalised map, and the map for the next stage."""
        for block in self.blocks:
            x = run(block, x, again=self.runs_again)
        return self.norm(x), x if self.down is None else self.down(x)


class Swin(nn.Module):
    """Return feature maps at strides 4, 8, 16 and 32.

    Args:
        channels: Channels of the first map; doubled from stage to stage.
        depths: Blocks of the four stages.
        heads: Heads of their attention.
        window: Rows and columns of a window.
    """

    def __init__(
        self, channels: int, depths: Sequence[int], *, heads: Sequence[int], window: int
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, channels, PATCH_PX, stride=PATCH_PX)
        self.norm = nn.LayerNorm(channels)
        drops = iter(rates(sum(depths), DROP))
        self.stages = nn.ModuleList(
            Stage(
                channels << stage,
                heads[stage],
                side=window,
                drops=[next(drops) for _ in range(depth)],
                merges=stage + 1 < len(depths),
            )
            for stage, depth in enumerate(depths)
        )
        self.apply(_initialise)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Return the maps, each with a norm of its own, the largest first.

        Args:
            image: RGB, normalised with ImageNet's mean and deviation; of any size.
        """
        height, width = image.shape[2:]
        image = F.pad(image, (0, -width % PATCH_PX, 0, -height % PATCH_PX))
        x, maps = self.norm(self.patches(image).permute(0, 2, 3, 1)), []
        for stage in self.stages:
            found, x = stage(x)
            maps.append(found.permute(0, 3, 1, 2))
        return maps


def relative_index(side: int) -> Int[Tensor, "token token"]:
    """Return which relative position each pair (query, key) of a window has."""
    at = torch.arange(side)
    offset = at[:, None] - at + side - 1
    index = offset[:, None, :, None] * (2 * side - 1) + offset[None, :, None, :]
    return index.flatten(2).flatten(0, 1)


def region_masks(side: int, shift: int) -> Float[Tensor, "2 2 token token"]:
    """Return what scores of a shifted window gain: nothing within a region, else -100.

    The last row and column of windows hold tokens that came round from the other side of the map.

    Args:
        side: Rows and columns of a window.
        shift: Of them, so many came round.

    Returns:
        Masks by whether the window is in the last row, and in the last column.
    """
    came_round = torch.arange(side) >= side - shift
    masks = []
    for last_row in (False, True):
        for last_column in (False, True):
            region = 2 * (came_round & last_row)[:, None] + 1 * (came_round & last_column)
            masks.append(region.flatten()[:, None] != region.flatten())
    return BLOCKED * torch.stack(masks).unflatten(0, (2, 2)).float()


def _attend(
    parts: Float[Tensor, "3 window head token head_channel"],
    bias: Float[Tensor, "1 head token token"],
) -> Float[Tensor, "window token channel"]:
    query, key, value = parts
    read = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    return read.transpose(1, 2).flatten(2)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
