import math

import pytest
import torch

from maskwright.ops.points import centres_of_pixels, read_maps, read_masks


def drawn(maps=5, height=7, width=11, points=13):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(maps, height, width, generator=generator, dtype=torch.float64)
    return values, torch.rand(maps, points, 2, generator=generator, dtype=torch.float64)


def one_value(values, x, y):
    """Return a map's value at a point, written out."""
    height, width = values.shape
    column, row, total = x * width - 0.5, y * height - 0.5, 0.0
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if 0 <= r < height and 0 <= c < width:
                total += (1 - abs(row - r)) * (1 - abs(column - c)) * values[r, c].item()
    return total


def test_maps_are_read_bilinearly_with_zeros_beyond():
    values, points = drawn()
    points[0, 0], points[1, 0], points[2, 0] = 0.0, 1.0, torch.tensor([0.999, 0.001])
    found = read_maps(values, points)
    for index in range(5):
        for at in range(13):
            expected = one_value(values[index], *points[index, at].tolist())
            assert found[index, at].item() == pytest.approx(expected)


def test_points_given_once_are_those_of_all_maps():
    values, points = drawn()
    once = points[2:3]
    torch.testing.assert_close(read_maps(values, once), read_maps(values, once.expand(5, -1, -1)))


def test_masks_are_read_as_maps_of_zeros_and_ones_are():
    values, points = drawn()
    points[:, 0], points[:, 1] = 0.0, 1.0
    masks = values > 0
    torch.testing.assert_close(read_masks(masks, points), read_maps(masks.double(), points))
    once = points[2:3]
    torch.testing.assert_close(read_masks(masks, once), read_maps(masks.double(), once))
    chosen = torch.tensor([4, 0, 0])
    expected = read_maps(masks.double()[chosen], points[:3])
    torch.testing.assert_close(read_masks(masks, points[:3], chosen=chosen), expected)


def test_centres_read_a_map_as_it_is():
    values, _ = drawn()
    points = centres_of_pixels(7, 11).double()[None]
    torch.testing.assert_close(read_maps(values, points), values.flatten(1), rtol=0, atol=1e-5)
    assert torch.equal(read_masks(values > 0, points).round(), (values > 0).flatten(1).double())


@pytest.mark.parametrize("points", [0, 13])
def test_no_maps_are_no_values_but_keep_their_gradient(points):
    values, at = drawn(maps=0, points=points)
    found = read_maps(values.requires_grad_(), at)
    assert found.shape == (0, points) and found.requires_grad
    assert read_masks(values.detach() > 0, at).shape == (0, points)
    assert read_masks(values.detach() > 0, torch.rand(1, points, 2)).shape == (0, points)


def test_gradients_are_those_of_differences():
    values, points = drawn(maps=2, points=3)
    values.requires_grad_()
    assert torch.autograd.gradcheck(lambda maps: read_maps(maps, points), [values])
    assert torch.autograd.gradcheck(lambda maps: read_maps(maps, points[:1]), [values])
