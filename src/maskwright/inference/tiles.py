"""Tiles: pieces of a photo that give what the whole would give.

A network whose answer at a pixel depends on a bounded window gives the same answer from any piece
that holds the window, as long as its inner grids (strides, pooling) fall on the same pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True)
class Tile:
    """A piece to compute.

    Attributes:
        core: Rows and columns whose result is kept; cores do not overlap.
        window: Rows and columns that the network reads; it holds the core.
    """

    core: tuple[slice, slice]
    window: tuple[slice, slice]

    @property
    def inner(self) -> tuple[slice, slice]:
        """The core in coordinates of the window."""
        rows, columns = (
            slice(core.start - window.start, core.stop - window.start)
            for core, window in zip(self.core, self.window, strict=True)
        )
        return rows, columns


@dataclass(frozen=True)
class Grid:
    """How a photo is cut.

    Attributes:
        core_px: Side of the cells; a multiple of `align_px`.
        halo_px: How far windows reach beyond what is wanted.
        align_px: Windows start at multiples of this.
        shift_px: The first cells end this much earlier; a multiple of `align_px`.
    """

    core_px: int
    halo_px: int
    align_px: int
    shift_px: int = 0


def plan_tiles(wanted: Bool[np.ndarray, "h w"], grid: Grid) -> Iterator[Tile]:
    """Yield the tiles that cover what is wanted; cells without it are left out.

    Each core is the smallest box around the wanted pixels of its cell, so that a thin band costs
    little.
    """
    height, width = wanted.shape
    for rows in _cells(height, grid):
        for columns in _cells(width, grid):
            inside = wanted[rows, columns]
            if not inside.any():
                continue
            core = _span(inside, 1, rows.start), _span(inside, 0, columns.start)
            yield Tile(
                core, (_grown(core[0], height, grid=grid), _grown(core[1], width, grid=grid))
            )


def largest_window_px(grid: Grid) -> int:
    """Return the pixels of the largest window a grid can ask for."""
    return (grid.core_px + 2 * (grid.halo_px + grid.align_px)) ** 2


def _cells(length: int, grid: Grid) -> Iterator[slice]:
    start = -grid.shift_px
    while start < length:
        yield slice(max(0, start), min(length, start + grid.core_px))
        start += grid.core_px


def _span(wanted: Bool[np.ndarray, "rows columns"], axis: int, offset: int) -> slice:
    at = np.flatnonzero(np.any(wanted, axis=axis))
    return slice(offset + int(at[0]), offset + int(at[-1]) + 1)


def _grown(core: slice, length: int, *, grid: Grid) -> slice:
    start = max(0, core.start - grid.halo_px) // grid.align_px * grid.align_px
    stop = -(-(core.stop + grid.halo_px) // grid.align_px) * grid.align_px
    return slice(start, min(length, stop))
