import pytest
import torch
from torch.nn import functional as F

from maskwright.models.interformer.position import (
    RowBias,
    entries,
    position_for,
    relative_index,
    source_cells,
)

SIDE = 5


def resampled(bias, size):
    """Return a bias (head, token, other), its tokens but the first taken from a grid."""
    grid = bias[:, 1:].transpose(1, 2).unflatten(2, (SIDE, SIDE))
    grid = F.interpolate(grid, size=size, mode="nearest").flatten(2).transpose(1, 2)
    return torch.cat([bias[:, :1], grid], 1)


def test_relative_positions_on_the_learned_square_written_out():
    index, width = relative_index((SIDE, SIDE), SIDE), 2 * SIDE - 1
    for a in range(SIDE**2):
        for b in range(SIDE**2):
            down, right = a // SIDE - b // SIDE, a % SIDE - b % SIDE
            expected = (down + SIDE - 1) * width + right + SIDE - 1
            assert index[1 + a, 1 + b] == expected
    assert (index[0, 1:] == width**2).all()
    assert (index[1:, 0] == width**2 + 1).all()
    assert index[0, 0] == width**2 + 2 == entries(SIDE) - 1


def test_looking_up_equals_resampling_over_queries_then_keys():
    table = torch.randn(entries(SIDE), 3)
    square = table[relative_index((SIDE, SIDE), SIDE).long()].permute(2, 0, 1)
    for size in ((7, 3), (1, 13), (5, 11), (2, 2)):
        expected = resampled(resampled(square, size).transpose(1, 2), size).transpose(1, 2)
        found = table[relative_index(size, SIDE).long()].permute(2, 0, 1)
        assert torch.equal(found, expected)


def test_absolute_positions_are_those_of_the_nearest_learned_cells():
    position = torch.randn(1 + SIDE**2, 3)
    grid = position[1:].T.unflatten(1, (SIDE, SIDE))[None]
    for size in ((SIDE, SIDE), (7, 3), (1, 13)):
        expected = F.interpolate(grid, size=size, mode="nearest")[0].flatten(1).T
        found = position_for(position, size)
        assert torch.equal(found[:1], position[:1])
        assert torch.equal(found[1:], expected)


def test_cells_are_the_floor_of_their_share_of_the_side():
    for length in range(1, 80):
        expected = [i * 32 // length for i in range(length)]
        assert source_cells(length, 32).tolist() == expected


@pytest.mark.parametrize("size", [(SIDE, SIDE), (7, 3), (1, 13), (2, 2)])
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_a_bias_made_by_rows_equals_the_looked_up_one(size, rows):
    table = torch.randn(entries(SIDE), 3)
    expected = table[relative_index(size, SIDE).long()].permute(2, 0, 1)
    bias, found = RowBias(table, size, torch.float32), []
    for top in range(0, size[0], rows):
        some = slice(top, min(top + rows, size[0]))
        queries = bias.queries(some)
        found.append(torch.full((3, queries.stop - queries.start, expected.shape[2]), torch.nan))
        bias.fill(found[-1], some)
    assert torch.equal(torch.cat(found, 1), expected)
