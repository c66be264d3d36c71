import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from maskwright.errors import DataError
from maskwright.structures import rle

masks = hnp.arrays(bool, st.tuples(st.integers(1, 23), st.integers(1, 29)))


@given(masks)
@settings(deadline=None)
def test_the_code_is_the_one_of_coco_and_decodes_to_the_mask(mask):
    code = rle.encode(mask)
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert code["size"] == theirs["size"]
    assert code["counts"] == theirs["counts"].decode()
    assert (rle.decode(code) == mask).all()
    assert (rle.decode(theirs) == mask).all(), "bytes are read like text"
    assert rle.area(code) == mask.sum()


@given(st.lists(st.integers(0, 2**28), min_size=1, max_size=9))
@settings(deadline=None)
def test_long_runs_are_written_as_coco_writes_them(runs):
    # COCO's own code has room for six characters per run, and writes beyond it for longer ones.
    theirs = coco.frPyObjects({"size": [1, 1], "counts": runs}, 1, 1)
    assert rle._to_text(np.array(runs)) == theirs["counts"].decode()


@given(st.lists(st.integers(0, 2**32), max_size=9))
@settings(deadline=None)
def test_runs_of_32_bits_survive(runs):
    assert rle._to_runs(rle._to_text(np.array(runs, np.int64))).tolist() == runs


def test_runs_go_down_the_columns_and_begin_with_background():
    mask = np.array([[True, False, False], [True, True, False]])
    assert (rle.decode({"size": [2, 3], "counts": [0, 2, 1, 1, 2]}) == mask).all()


def test_a_mask_without_pixels_survives():
    mask = np.zeros((0, 5), bool)
    assert rle.decode(rle.encode(mask)).shape == (0, 5)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ({"size": [2, 3]}, "KeyError: 'counts'"),
        ({"counts": "06"}, "KeyError: 'size'"),
        ({"size": [2], "counts": "6"}, "cannot be read"),
        ({"size": [2, 3], "counts": None}, "TypeError"),
        ({"size": [2, 3], "counts": ["x"]}, "ValueError"),
        ({"size": [2, 3], "counts": "6!"}, "a character outside"),
        ({"size": [2, 3], "counts": "6é"}, "UnicodeEncodeError"),
        ({"size": [2, 3], "counts": "6P"}, "the last number is cut off"),
        ({"size": [2, 3], "counts": "oooooooo0"}, "more than 32 bits"),
        ({"size": [2, 3], "counts": [2**64]}, "OverflowError"),
        ({"size": [2, 3], "counts": "5"}, "sum up to 6, got 5"),
        ({"size": [2, 3], "counts": [8, -2]}, "sum up to 6"),
        ({"size": [2, 3], "counts": ""}, "sum up to 6, got 0"),
        ({"size": [-2, -3], "counts": [6]}, "two 32-bit lengths"),
        ({"size": [2**31, 2**31], "counts": [2**62]}, "two 32-bit lengths"),
    ],
)
def test_a_damaged_code_is_refused(code, message):
    with pytest.raises(DataError, match=message):
        rle.decode(code)
    with pytest.raises(DataError, match=message):
        rle.area(code)


@given(st.text(max_size=40), st.tuples(st.integers(0, 9), st.integers(0, 9)))
@settings(deadline=None)
def test_any_text_is_a_mask_or_a_data_error(text, size):
    try:
        mask = rle.decode({"size": list(size), "counts": text})
    except DataError:
        return
    assert mask.shape == size
