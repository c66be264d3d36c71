import numpy as np
import pytest

from maskwright.errors import ShapeError, TrimapError
from maskwright.structures.trimap import Trimap


@pytest.fixture
def values():
    return np.array([[0, 128, 255], [128, 128, 0]], np.uint8)


def test_three_regions_share_out_the_photo(values):
    trimap = Trimap(values)
    assert trimap.size == (2, 3)
    regions = np.stack([trimap.background, trimap.unknown, trimap.foreground])
    assert (regions.sum(axis=0) == 1).all()
    assert trimap.unknown.tolist() == [[False, True, False], [True, True, False]]
    assert trimap.fractions == pytest.approx((2 / 6, 3 / 6, 1 / 6))


def test_another_value_is_refused_and_named(values):
    values[1, 2] = 127
    with pytest.raises(TrimapError, match="got 1 other values, the first 127"):
        Trimap(values)


def test_a_trimap_is_uint8(values):
    with pytest.raises(TrimapError, match="must be uint8, got int64"):
        Trimap(values.astype(np.int64))


@pytest.mark.parametrize("shape", [(2, 3, 1), (6,), (0, 3)])
def test_a_trimap_has_two_axes(shape):
    with pytest.raises(ShapeError, match=r"must be \(h, w\)"):
        Trimap(np.zeros(shape, np.uint8))
