import numpy as np
import pytest

from maskwright.errors import ShapeError
from maskwright.evaluation.confusion_picture import draw_confusion

NAMES = ["sky", "car, automobile", "tree"]
COUNTS = np.array([[90, 10, 0, 0], [0, 0, 0, 0], [50, 0, 50, 0]])


def test_right_shares_are_blue_and_wrong_ones_orange():
    picture = draw_confusion(COUNTS, NAMES)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    blue = np.argwhere(picture[..., 2].astype(int) - picture[..., 0] > 60)
    orange = np.argwhere(picture[..., 0].astype(int) - picture[..., 2] > 60)
    first, last = blue.min(axis=0), blue.max(axis=0)
    assert (last - first).tolist() == pytest.approx([3 * 40, 3 * 40], abs=3)  # the diagonal
    middle = (orange.min(axis=0) + orange.max(axis=0)) / 2
    wrong = first + [2.5 * 40, 0.5 * 40]  # trees taken for sky
    assert middle == pytest.approx(wrong, abs=3)


def test_void_has_a_column_where_something_was_found_to_be_nothing():
    without = np.eye(8, 9, dtype=int)
    missing = without.copy()
    missing[2, 8] = 7
    long = [f"{name} with a longer name" for name in "abcdefgh"]
    narrow, wide = (draw_confusion(counts, long).shape[1] for counts in (without, missing))
    assert wide == narrow + 40


def test_many_classes_have_small_cells():
    count = 150
    counts = np.eye(count, count + 1, dtype=int)
    picture = draw_confusion(counts, [f"class {index}" for index in range(count)])
    assert 13 * count < picture.shape[0] < 2200


def test_other_counts_are_refused():
    with pytest.raises(ShapeError, match=r"of 2 classes must have as many rows .* got \(3, 4\)"):
        draw_confusion(COUNTS, NAMES[:2])
