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


def source_cells(length: int, side: int) -> Int[Tensor, " length"]:
    """Return the learned cell next to each of `length` tokens, `floor(i * side / length)`."""
    cells = torch.arange(float(side))[None, None]
    return F.interpolate(cells, size=length, mode="nearest")[0, 0].long()


def learned_side(positions: int) -> int:
    """Return the side of the square of so many positions, one of which is the class token's."""
    return round((positions - 1) ** 0.5)
