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


@pytest.fixture
def unchecked_types(request):
    if request.config.getoption("--jaxtyping-packages"):
        pytest.skip("the shape checks refuse the type before we do")


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("bad", ["3", None, 1j, [1]])
def test_coordinates_must_be_numbers(bad):
    with pytest.raises(UsageError, match=r"two finite coordinates, got \(2, .*; give x and y"):
        Click(2, bad)


@pytest.mark.usefixtures("unchecked_types")
def test_positive_is_true_or_false_and_nothing_else():
    with pytest.raises(UsageError, match=r"positive \(True, .*got 'no'; give one of the two"):
        Click(2, 3, "no")


def test_a_number_too_large_for_the_photo_is_refused_however_large():
    with pytest.raises(UsageError, match="a click must lie in the photo"):
        Click(10**400, 0).pixel((3, 5))
