import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskwright.app.replies import mask_patch
from maskwright.structures import rle

PAIRS = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda size: st.tuples(arrays(bool, size), arrays(bool, size))
)


@given(PAIRS)
def test_the_patch_is_the_smallest_run_of_columns_that_makes_one_mask_the_other(pair):
    before, after = pair
    patch = mask_patch(rle.encode(before), rle.encode(after), before.shape)
    if (before == after).all():
        assert patch is None
        return
    x0, y0, x1, y1 = patch["box"]
    pasted = before.copy()
    pasted[y0:y1, x0:x1] = rle.decode(patch["rle"])
    np.testing.assert_array_equal(pasted, after)
    assert patch["rle"] == rle.encode(after[y0:y1, x0:x1])
    columns = np.flatnonzero((before != after).any(axis=0))
    assert (x0, x1) == (columns[0], columns[-1] + 1)


def test_no_mask_is_an_empty_one():
    mask = np.zeros((5, 7), bool)
    assert mask_patch(None, rle.encode(mask), (5, 7)) is None
    mask[1:3, 2:6] = True
    patch = mask_patch(None, rle.encode(mask), (5, 7))
    assert patch == {"box": [2, 1, 6, 3], "rle": rle.encode(np.ones((2, 4), bool))}
    gone = mask_patch(rle.encode(mask), None, (5, 7))
    assert gone == {"box": [2, 1, 6, 3], "rle": rle.encode(np.zeros((2, 4), bool))}


@pytest.mark.parametrize("size", [(5, 7), (1, 1)])
def test_the_whole_photo_may_change(size):
    full = rle.encode(np.ones(size, bool))
    assert mask_patch(None, full, size)["box"] == [0, 0, size[1], size[0]]
