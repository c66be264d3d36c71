"""Where tokens lie: positions learned on a square, looked up for maps of any size.

The official code resamples positions by nearest neighbours, and for the relative ones a bias of
tokens x tokens in every layer, twice. Looking each entry up by the learned cell next to the token
gives exactly the same.
"""

from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

SIZES_KEPT = 2


def entries(side: int) -> int:
    """Return how many relative positions there are on a square: all offsets, and three more."""
    return (2 * side - 1) ** 2 + 3


def position_for(
    position: Float[Tensor, "entry channel"], size: tuple[int, int]
) -> Float[Tensor, "token channel"]:
    """Return the absolute positions of a map's tokens, the class token's first.

    Args:
        position: Of the class token, then of a square of tokens, row by row.
        size: Rows and columns of the map.
    """
    side = learned_side(position.shape[0])
    rows, columns = (source_cells(length, side).to(position.device) for length in size)
    grid = (rows[:, None] * side + columns).flatten()
    return torch.cat([position[:1], position[1 + grid]])


@lru_cache(SIZES_KEPT)
def relative_index(size: tuple[int, int], side: int) -> Int[Tensor, "query key"]:
    """Return which relative position each pair of tokens has; the class token is the first.

    Args:
        size: Rows and columns of the map.
        side: Of the square that the positions were learned on.
    """
    rows, columns = (source_cells(length, side) for length in size)
    down = (rows[:, None] - rows + side - 1) * (2 * side - 1)
    right = columns[:, None] - columns + side - 1
    grid = down[:, None, :, None] + right[None, :, None, :]
    tokens, special = 1 + size[0] * size[1], entries(side) - 3
    index = torch.full((tokens, tokens), special, dtype=torch.int32)
    index[1:, 1:] = grid.flatten(2).flatten(0, 1)
    index[:, 0] = special + 1  # how the class token is seen
    index[0, 0] = special + 2
    return index


class RowBias:
    """The bias of one layer for a map's tokens, made for a few rows of queries at a time.

    The offset of two cells is one of rows and one of columns. So for each offset of rows a block
    for all pairs of columns is looked up once, and the bias of a row of queries is copied together
    of such blocks: some 40 entries at once, where looking up each is many times slower.

    Args:
        table: Relative positions of all heads.
        size: Rows and columns of the map.
        dtype: What the bias shall be in.
    """

    def __init__(
        self, table: Float[Tensor, "entry head"], size: tuple[int, int], dtype: torch.dtype
    ) -> None:
        self.size, side = size, table_side(len(table))
        down, across = row_index(size, side)
        # Looked up as fp32, which torch does many times faster than bf16.
        entries_of = table.float().T.contiguous()
        blocks = entries_of.index_select(1, across.to(table.device)).to(dtype)
        self._blocks = blocks.view(len(blocks), size[1], -1, size[1])
        self._down = down.to(table.device)
        self._special = entries_of[:, -3:, None].to(dtype)

    def queries(self, rows: slice) -> slice:
        """Return which tokens are the queries of some rows; the class token is with the first."""
        width = self.size[1]
        return slice(1 + rows.start * width if rows.start else 0, 1 + rows.stop * width)

    def fill(self, scores: Float[Tensor, "head query key"], rows: slice) -> None:
        """Write the bias of the queries of some rows, for all keys."""
        height, width = self.size
        seeing, seen, itself = self._special.unbind(1)
        first = rows.start == 0
        if first:
            scores[:, 0, 1:], scores[:, 0, 0] = seeing, itself[:, 0]
        scores[:, first:, 0] = seen
        cells = scores[:, first:, 1:].unflatten(1, (-1, width)).unflatten(3, (height, width))
        for row in range(rows.start, rows.stop):
            part = cells[:, row - rows.start]
            torch.index_select(self._blocks, 2, self._down[row], out=part)


@lru_cache(SIZES_KEPT)
def row_index(
    size: tuple[int, int], side: int
) -> tuple[Int[Tensor, "row other_row"], Int[Tensor, " entry"]]:
    """Return the offset of rows of each pair of rows, and which entries make up all blocks.

    Args:
        size: Rows and columns of the map.
        side: Of the square that the positions were learned on.
    """
    rows, columns = (source_cells(length, side) for length in size)
    offsets = torch.arange(2 * side - 1)
    right = columns[:, None] - columns + side - 1
    across = offsets[:, None] * len(offsets) + right[:, None]
    return (rows[:, None] - rows + side - 1).int(), across.flatten().int()


def source_cells(length: int, side: int) -> Int[Tensor, " length"]:
    """Return the learned cell next to each of `length` tokens, `floor(i * side / length)`."""
    cells = torch.arange(float(side))[None, None]
    return F.interpolate(cells, size=length, mode="nearest")[0, 0].long()


def table_side(count: int) -> int:
    """Return the side of the square that so many relative positions were learned on."""
    return (round((count - 3) ** 0.5) + 1) // 2


def learned_side(positions: int) -> int:
    """Return the side of the square of so many positions, one of which is the class token's."""
    return round((positions - 1) ** 0.5)
