import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import UsageError
from maskwright.image.colour import from_float, to_float


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_integer_survives_the_way_to_float_and_back(dtype):
    values = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    scaled = to_float(values)
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (0, 1)
    assert (from_float(scaled, dtype) == values).all()
    assert (from_float(scaled.astype(np.float64), dtype) == values).all()


def test_halves_are_rounded_to_even():
    halves = np.array([0.5, 1.5, 2.5, 253.5, 254.5], np.float64) / 255
    assert from_float(halves, np.uint8).tolist() == [0, 2, 2, 254, 254]


@given(st.floats(-1e9, 1e9, width=32))
def test_values_outside_zero_to_one_are_clipped(value):
    array = np.array([value], np.float32)
    for dtype, top in [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)]:
        assert 0 <= from_float(array, dtype)[0] <= top
        if not 0 <= value <= 1:
            assert from_float(array, dtype)[0] == (0 if value < 0 else top)


def test_types_without_a_full_scale_are_refused():
    with pytest.raises(UsageError, match="uint8, uint16 or floating point, got int64"):
        to_float(np.zeros(3, np.int64))
    with pytest.raises(UsageError, match="must be floating point, got uint8"):
        from_float(np.zeros(3, np.uint8), np.uint8)
    with pytest.raises(UsageError, match="uint8, uint16 or float32, got int32"):
        from_float(np.zeros(3), np.int32)
