import numpy as np
import pytest

from maskwright.errors import UsageError
from maskwright.structures.box import Box


def test_a_box_around_one_pixel_slices_that_pixel():
    pixels = np.zeros((5, 7), bool)
    pixels[Box(3, 2, 4, 3).slices(pixels.shape)] = True
    assert np.argwhere(pixels).tolist() == [[2, 3]]


def test_slices_hold_every_pixel_touched_and_end_at_the_photo():
    assert Box(1.5, -3, 2.5, 99).slices((5, 7)) == (slice(0, 5), slice(1, 3))


def test_width_and_height():
    box = Box(1, 2, 4, 7)
    assert (box.width, box.height) == (3, 5)


@pytest.mark.parametrize("corners", [(7, 0, 8, 1), (0, 5, 1, 6), (-2, 0, 0, 1), (0, -2, 1, 0)])
def test_a_box_beside_the_photo_is_refused(corners):
    with pytest.raises(UsageError, match="7 pixels wide and 5 high"):
        Box(*corners).slices((5, 7))


@pytest.mark.parametrize("corners", [(1, 0, 1, 1), (0, 2, 1, 1)])
def test_an_empty_or_turned_box_is_refused(corners):
    with pytest.raises(UsageError, match="x0 < x1 and y0 < y1"):
        Box(*corners)


def test_coordinates_must_be_finite():
    with pytest.raises(UsageError, match="four finite coordinates"):
        Box(0, 0, float("nan"), 1)


def test_corners_must_be_numbers(request):
    if request.config.getoption("--jaxtyping-packages"):
        pytest.skip("the shape checks refuse the type before we do")
    with pytest.raises(UsageError, match=r"four finite coordinates, got \(0, '1', 2, 3\); give"):
        Box(0, "1", 2, 3)
