"""Tiles of the decoder: what to compute, what is read for it, and zeros beyond the border."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from maskwright.layers.vit import strips
from maskwright.models.mematte.limits import TOKEN_PX, Limits

OFFICIAL_TILE_PX, OFFICIAL_REACH_PX = 512, 64

Area = tuple[slice, slice]  # rows and columns


@dataclass(frozen=True)
class Tile:
    """A part of an image.

    Attributes:
        core: What is computed.
        window: What is read: the core and what the decoder sees around it.
    """

    core: Area
    window: Area

    @property
    def inner(self) -> Area:
        """Where the core lies in the window."""
        (top, left), (rows, columns) = (at.start for at in self.window), self.core
        return _moved(rows, top), _moved(columns, left)


@dataclass(frozen=True)
class Grid:
    """How an image is cut.

    Attributes:
        side_px: Side of a tile.
        reach_px: How much is read around a tile.
        grain_px: Windows begin and end at multiples of it, plus or minus the reach.
        end: Height and width at which windows end.
    """

    side_px: int
    reach_px: int
    grain_px: int
    end: tuple[int, int]

    def cores(self, size: tuple[int, int]) -> Iterator[Area]:
        """Yield the cores of an image's tiles, row by row."""
        yield from product(strips(size[0], self.side_px), strips(size[1], self.side_px))

    def tile(self, core: Area) -> Tile:
        """Return the tile that computes a core."""
        rows, columns = core
        return Tile(core, (self._read(rows, self.end[0]), self._read(columns, self.end[1])))

    def _read(self, core: slice, end: int) -> slice:
        start = core.start // self.grain_px * self.grain_px - self.reach_px
        stop = round_up(core.stop, self.grain_px) + self.reach_px
        return slice(max(start, 0), min(stop, end))


def grid_for(end: tuple[int, int], limits: Limits, *, reach_px: int) -> Grid:
    """Return how to cut an image.

    Args:
        end: Height and width to which the network has filled it up.
        limits: Side and padding of the tiles.
        reach_px: How far the decoder sees around a token, a multiple of 16.
    """
    if limits.padding == "official":
        side = OFFICIAL_TILE_PX
        return Grid(side, OFFICIAL_REACH_PX, side, (round_up(end[0], side), round_up(end[1], side)))
    return Grid(limits.tile_px or max(end), reach_px, TOKEN_PX, end)


def narrowed(core: Area, wanted: Bool[Tensor, "height width"]) -> Area | None:
    """Return the smallest part of a core that holds all wanted pixels, or None if there are none.

    Args:
        core: Rows and columns of an image.
        wanted: Of the core.
    """
    spans = []
    for at, lines in zip(core, (wanted.any(1), wanted.any(0)), strict=True):
        hits = lines.nonzero()[:, 0].tolist()
        if not hits:
            return None
        spans.append(slice(at.start + hits[0], at.start + hits[-1] + 1))
    return spans[0], spans[1]


def padded_window(
    x: Float[Tensor, "batch channel height width"], rows: slice, columns: slice
) -> Float[Tensor, "batch channel window_height window_width"]:
    """Return a window of a map that may reach beyond its right and bottom border, into zeros."""
    height, width = x.shape[2:]
    window = x[:, :, rows.start : min(rows.stop, height), columns.start : min(columns.stop, width)]
    below = rows.stop - rows.start - window.shape[2]
    beside = columns.stop - columns.start - window.shape[3]
    return F.pad(window, (0, beside, 0, below)) if below or beside else window


def in_tokens(pixels: Area) -> Area:
    """Return the tokens that cover an area whose borders are multiples of 16 pixels."""
    rows, columns = (slice(at.start // TOKEN_PX, at.stop // TOKEN_PX) for at in pixels)
    return rows, columns


def round_up(length: int, multiple: int) -> int:
    """Return the smallest multiple that is not less than `length`."""
    return -(-length // multiple) * multiple


def _moved(at: slice, origin: int) -> slice:
    return slice(at.start - origin, at.stop - origin)
