import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskwright.errors import ShapeError, UsageError
from maskwright.image.resize import resize

KINDS = ["auto", "area", "linear", "cubic", "lanczos", "nearest"]
NUMBERS = ["u1", "u2", "i4", "i8", "f2", "f4", "f8"]
sides = st.integers(1, 13)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("tail", [(), (1,), (3,), (7,)])
def test_a_constant_stays_constant_in_every_type(kind, dtype, tail):
    array = np.full((5, 7, *tail), 100, dtype)
    for size in [(3, 11), (11, 3), (2, 2), (13, 17)]:
        resized = resize(array, size, kind=kind)
        assert resized.shape == (*size, *tail)
        assert resized.dtype == array.dtype
        np.testing.assert_allclose(resized.astype(float), 100, rtol=1e-6)


def test_area_is_the_mean_of_what_a_pixel_covers():
    array = np.random.default_rng(0).random((6, 10, 3))
    expected = np.zeros((3, 2, 3))
    for row in range(3):
        for column in range(2):
            covered = array[2 * row : 2 * row + 2, 5 * column : 5 * column + 5]
            expected[row, column] = covered.mean(axis=(0, 1))
    np.testing.assert_allclose(resize(array, (3, 2), kind="area"), expected)
    np.testing.assert_allclose(resize(array, (3, 2)), expected)


def test_linear_interpolates_between_pixel_centres():
    array = np.array([[0.0, 3.0]])
    expected = [[0, 0.5, 1.5, 2.5, 3, 3]]
    expected = [[0, 0, 1, 2, 3, 3]]  # centres at -1/3, 0, 1/3, 2/3, 1, 4/3 of the step
    np.testing.assert_allclose(resize(array, (1, 6), kind="linear"), expected, atol=1e-6)


@given(sides, sides, sides, sides)
@settings(deadline=None)
def test_nearest_copies_the_pixel_under_the_centre(h, w, new_h, new_w):
    array = np.arange(h * w).reshape(h, w)
    resized = resize(array, (new_h, new_w), kind="nearest")
    for row in range(new_h):
        for column in range(new_w):
            y, x = (row + 0.5) * h / new_h, (column + 0.5) * w / new_w
            assert resized[row, column] == array[int(y + 1e-9), int(x + 1e-9)]


@given(st.sampled_from(KINDS), sides, sides, sides, sides)
@settings(deadline=None)
def test_no_value_leaves_the_range_of_the_input(kind, h, w, new_h, new_w):
    array = np.random.default_rng(h * 100 + w).integers(0, 2, (h, w)).astype(np.float32)
    resized = resize(array, (new_h, new_w), kind=kind)
    assert resized.min() >= array.min() - 1e-6
    assert resized.max() <= array.max() + 1e-6


def test_auto_averages_the_axis_that_shrinks_and_enlarges_the_other():
    array = np.array([[0.0], [1.0], [0.0], [1.0]])
    np.testing.assert_allclose(resize(array, (2, 5)), np.full((2, 5), 0.5))


def test_a_mask_is_resized_as_labels_only():
    mask = np.eye(5, dtype=bool)
    assert resize(mask, (10, 10), kind="nearest").sum() == 20
    with pytest.raises(UsageError, match="got bool; use kind='nearest'"):
        resize(mask, (10, 10))


def test_the_input_is_never_returned_itself():
    array = np.zeros((3, 5))
    resize(array, (3, 5))[:] = 1
    assert array.max() == 0


def test_wrong_requests_are_refused():
    with pytest.raises(ShapeError, match=r"got the shape \(5,\)"):
        resize(np.zeros(5), (3, 3))
    with pytest.raises(ShapeError, match=r"got the shape \(0, 5\)"):
        resize(np.zeros((0, 5)), (3, 3))
    with pytest.raises(ShapeError, match=r"at least 1, got \(0, 3\)"):
        resize(np.zeros((5, 5)), (0, 3))
