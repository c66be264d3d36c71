"""Masks of queries at the size of the photo, a tile at a time.

A mask is made at a quarter of what the network saw, enlarged to all of it with what filled it up,
cut to the photo and brought to the photo's size. Both steps are bilinear, so that together they are
one matrix for the rows and one for the columns; a tile needs a few rows of each. Not in the paper:
its code makes all masks at full size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

TILE_PX = 256
Size = tuple[int, int]


@dataclass(frozen=True)
class Sizes:
    """Heights and widths that masks go through.

    Attributes:
        mask: Of the masks.
        padded: Of the network's input, filled up.
        seen: Of the photo in it.
        photo: Of the photo itself.
    """

    mask: Size
    padded: Size
    seen: Size
    photo: Size


class Tile(NamedTuple):
    """A part of the photo: its rows and columns."""

    rows: slice
    columns: slice


class Axis:
    """How one side of a mask becomes one side of a picture.

    Args:
        matrix: Pixels of the picture, of the mask.
    """

    def __init__(self, matrix: Float[Tensor, "pixel cell"]) -> None:
        self.matrix = matrix
        used = (matrix != 0).int()
        self._first = used.argmax(1).tolist()
        self._end = (matrix.shape[1] - used.flip(1).argmax(1)).tolist()

    def __len__(self) -> int:
        return len(self.matrix)

    def cells(self, pixels: slice) -> slice:
        """Return which part of the mask a part of the picture needs."""
        return slice(min(self._first[pixels]), max(self._end[pixels]))


@dataclass(frozen=True)
class Enlarging:
    """How masks of one size become masks of another.

    Attributes:
        rows: Along the height.
        columns: Along the width.
    """

    rows: Axis
    columns: Axis

    @property
    def size(self) -> Size:
        """Height and width of what comes out."""
        return len(self.rows), len(self.columns)

    def needed(
        self, masks: Float[Tensor, "*masks rows columns"], tile: Tile
    ) -> Float[Tensor, "*masks tile_rows tile_columns"]:
        """Return the part of the masks that a tile is made of: its values bound those there."""
        return masks[..., self.rows.cells(tile.rows), self.columns.cells(tile.columns)]

    def enlarged(
        self, needed: Float[Tensor, "*masks tile_rows tile_columns"], tile: Tile
    ) -> Float[Tensor, "*masks tile_height tile_width"]:
        """Return a tile of the enlarged masks.

        Args:
            needed: What `needed` gives for the tile.
            tile: Which.
        """
        down = self.rows.matrix[tile.rows, self.rows.cells(tile.rows)]
        across = self.columns.matrix[tile.columns, self.columns.cells(tile.columns)]
        return down @ needed @ across.T


def masks_to_photo(sizes: Sizes, *, is_mirrored: bool = False) -> Enlarging:
    """Return how masks become masks of the photo.

    Args:
        sizes: What they go through.
        is_mirrored: Whether the network saw the photo mirrored.
    """
    rows, columns = (
        bilinear(photo, seen) @ bilinear(padded, mask)[:seen]
        for mask, padded, seen, photo in zip(
            sizes.mask, sizes.padded, sizes.seen, sizes.photo, strict=True
        )
    )
    return Enlarging(Axis(rows), Axis(columns.flip(0) if is_mirrored else columns))


def masks_to_seen(sizes: Sizes) -> Enlarging:
    """Return how masks become masks of what the network saw, without what filled it up."""
    rows, columns = (
        Axis(bilinear(padded, mask)[:seen])
        for mask, padded, seen in zip(sizes.mask, sizes.padded, sizes.seen, strict=True)
    )
    return Enlarging(rows, columns)


def seen_to_photo(sizes: Sizes, *, is_mirrored: bool = False) -> Enlarging:
    """Return how maps of what the network saw become maps of the photo."""
    rows, columns = (
        bilinear(photo, seen) for seen, photo in zip(sizes.seen, sizes.photo, strict=True)
    )
    return Enlarging(Axis(rows), Axis(columns.flip(0) if is_mirrored else columns))


def tiles(size: Size, side_px: int = TILE_PX) -> Iterator[Tile]:
    """Yield tiles that cover a picture, row by row."""
    height, width = size
    for top in range(0, height, side_px):
        for left in range(0, width, side_px):
            rows = slice(top, min(top + side_px, height))
            yield Tile(rows, slice(left, min(left + side_px, width)))


def bilinear(length: int, before: int) -> Float[Tensor, "length before"]:
    """Return the matrix that resizes a side as `F.interpolate` does, without aligned corners."""
    at = ((torch.arange(length) + 0.5) * (before / length) - 0.5).clamp_min(0)
    low = at.floor().long().clamp_max(before - 1)
    share = (at - low)[:, None]
    matrix = torch.zeros(length, before)
    matrix.scatter_add_(1, low[:, None], 1 - share)
    matrix.scatter_add_(1, (low + 1).clamp_max(before - 1)[:, None], share)
    return matrix
