import dataclasses

import pytest

from maskwright.errors import UsageError
from maskwright.structures.click import Click


def test_a_click_means_the_pixel_it_lies_in():
    assert Click(4.999, 2.0).pixel((3, 5)) == (2, 4)
    assert Click(0, 0).pixel((3, 5)) == (0, 0)


@pytest.mark.parametrize(("x", "y"), [(5, 0), (0, 3), (-0.001, 0), (0, -1)])
def test_a_click_outside_the_photo_is_refused(x, y):
    with pytest.raises(UsageError, match=r"0 <= x < 5 and 0 <= y < 3, got \("):
        Click(x, y).pixel((3, 5))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_coordinates_must_be_finite(bad):
    with pytest.raises(ValueError, match="two finite coordinates"):
        Click(bad, 0)
    with pytest.raises(ValueError, match="two finite coordinates"):
        Click(0, bad)


def test_a_click_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Click(1, 2).x = 3
