import itertools
import math
from pathlib import Path

import pytest
import torch

from maskwright.errors import ShapeError
from maskwright.ops.deformable import read_points, read_points_by_level

RECORDED = Path(__file__).parents[1] / "parity" / "mask2former_behaviour.pt"
SIZES = [(2, 3), (5, 4), (7, 11)]
CELLS = sum(height * width for height, width in SIZES)
FORMS = pytest.mark.parametrize("read", [read_points, read_points_by_level])


def drawn(*, batch=2, queries=13, heads=3, points=2, channels=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(batch, CELLS, heads, channels, generator=generator, dtype=dtype)
    shape = (batch, queries, heads, len(SIZES), points)
    lengths = torch.tensor([(width, height) for height, width in SIZES])[:, None]
    at = (1.6 * torch.rand(*shape, 2, generator=generator, dtype=dtype) - 0.3) * lengths
    return values, at, torch.rand(shape, generator=generator, dtype=dtype)


def one_read(values, points, weights):
    """Return what one head of one query reads, written out."""
    total, first = torch.zeros(values.shape[-1], dtype=values.dtype), 0
    for level, (height, width) in enumerate(SIZES):
        for (x, y), weight in zip(points[level].tolist(), weights[level].tolist(), strict=True):
            for row, column in itertools.product(
                (math.floor(y), math.floor(y) + 1), (math.floor(x), math.floor(x) + 1)
            ):
                share = (1 - abs(x - column)) * (1 - abs(y - row))
                if 0 <= row < height and 0 <= column < width:
                    total += weight * share * values[first + row * width + column]
        first += height * width
    return total


@FORMS
def test_each_query_reads_what_the_loop_reads(read):
    values, points, weights = drawn()
    found = read(values, points, weights, sizes=SIZES)
    assert found.shape == (2, 13, 3, 5)
    for image, query, head in ((0, 0, 0), (1, 7, 2), (0, 12, 1), (1, 3, 0)):
        expected = one_read(
            values[image, :, head], points[image, query, head], weights[image, query, head]
        )
        torch.testing.assert_close(found[image, query, head], expected)


def test_both_forms_give_the_same_values_and_gradients():
    gradients = []
    for read in (read_points, read_points_by_level):
        inputs = [x.requires_grad_() for x in drawn()]
        found = read(*inputs, sizes=SIZES)
        found.square().sum().backward()
        gradients.append([found.detach(), *(x.grad for x in inputs)])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


@FORMS
def test_gradients_are_those_of_differences(read):
    inputs = [x.requires_grad_() for x in drawn(batch=1, queries=2, heads=2, channels=3)]
    assert torch.autograd.gradcheck(lambda *each: read(*each, sizes=SIZES), inputs)


@FORMS
@pytest.mark.parametrize("empty", [{"batch": 0}, {"queries": 0}])
def test_nothing_asked_is_nothing_read(read, empty):
    found = read(*drawn(**empty), sizes=SIZES)
    assert found.numel() == 0 and found.shape[2:] == (3, 5)


def test_points_far_away_or_not_a_number_read_nothing_and_do_not_crash():
    values, points, weights = drawn(dtype=torch.float32)
    points[0, 0], points[0, 1], points[0, 2] = 1e30, -1e30, math.nan
    found = read_points(values, points, weights, sizes=SIZES)
    assert not found[0, :2].any()
    torch.testing.assert_close(found[1], read_points(values, points, weights, sizes=SIZES)[1])


def test_half_precision_values_are_read_where_fp32_points_say():
    values, points, weights = drawn(dtype=torch.float32)
    expected = read_points(values, points, weights, sizes=SIZES)
    found = read_points(values.bfloat16(), points, weights.bfloat16(), sizes=SIZES)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.05)


def test_cells_that_do_not_fit_the_sizes_are_named():
    values, points, weights = drawn()
    with pytest.raises(ShapeError, match="expected values of 103 cells .* got 102 and 3; flatten"):
        read_points(values[:, 1:], points, weights, sizes=SIZES)
    with pytest.raises(ShapeError, match="points on 3 levels .* got 103 and 2"):
        read_points(values, points[:, :, :, 1:], weights[:, :, :, 1:], sizes=SIZES)
