"""Blocks of an image that hold unknown pixels: cut out with a margin, computed, put back.

What a network gives in a block is what it gives on the whole image, as long as the margin is as
wide as it sees: at the image's rim windows move inwards instead of reaching over it, so that the
zeros around a window are those around the image.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Block:
    """A square to compute.

    Attributes:
        image: Its number in the batch.
        corner: First row and column.
        window: First row and column of what must be read; at the rim further inside.
    """

    image: int
    corner: tuple[int, int]
    window: tuple[int, int]


@dataclass(frozen=True)
class Blocks:
    """How an image is cut.

    Attributes:
        side_px: Side of a block; a multiple of four.
        margin_px: What is read around it; even.
    """

    side_px: int
    margin_px: int

    @property
    def window_px(self) -> int:
        """Side of what is read."""
        return self.side_px + 2 * self.margin_px

    def unknown(self, trimap: Float[Tensor, "batch 1 height width"]) -> list[Block]:
        """Return the blocks that hold unknown pixels, those of the first image first.

        Args:
            trimap: 0 background, 1 foreground; no side is shorter than a window.
        """
        is_unknown = ((trimap > 0) & (trimap < 1)).float()
        wanted = F.max_pool2d(is_unknown, self.side_px, ceil_mode=True).nonzero().tolist()
        return [
            Block(
                image,
                (row * self.side_px, column * self.side_px),
                (self._start(row, trimap.shape[2]), self._start(column, trimap.shape[3])),
            )
            for image, _, row, column in wanted
        ]

    def cut(
        self,
        x: Float[Tensor, "batch channel height width"],
        blocks: list[Block],
        *,
        stride: int = 1,
        more_px: int = 0,
    ) -> Float[Tensor, "block channel side side"]:
        """Return the windows of the blocks from a map.

        Args:
            x: The map.
            blocks: What to cut.
            stride: How many times smaller the map is than the image.
            more_px: Of the map: by how much it is padded, and windows are wider, on each side.
        """
        side = self.window_px // stride + 2 * more_px
        corners = [(b.image, b.window[0] // stride, b.window[1] // stride) for b in blocks]
        return torch.stack([x[n, :, y : y + side, z : z + side] for n, y, z in corners])

    def put(
        self,
        result: Float[Tensor, "block channel side side"],
        blocks: list[Block],
        *,
        into: Float[Tensor, "batch channel height width"],
    ) -> None:
        """Write the blocks, without their margins, into a map of the image's size."""
        for block, window in zip(blocks, result, strict=True):
            (y, x), (top, left), side = block.corner, block.window, self.side_px
            target = into[block.image, :, y : y + side, x : x + side]
            height, width = target.shape[1:]
            target.copy_(window[:, y - top : y - top + height, x - left : x - left + width])

    def _start(self, at: int, length: int) -> int:
        return min(max(at * self.side_px - self.margin_px, 0), length - self.window_px)
