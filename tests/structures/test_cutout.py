import numpy as np
import pytest

from maskwright.errors import ShapeError, UsageError
from maskwright.structures.cutout import Cutout


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_cutout_keeps_its_depth(dtype):
    cutout = Cutout(np.zeros((3, 5, 4), dtype), dpi=(300.0, 300.0))
    assert cutout.size == (3, 5)
    assert cutout.rgba.dtype == dtype


def test_a_cutout_has_four_channels():
    with pytest.raises(ShapeError, match=r"must be \(h, w, 4\), got an array of shape \(3, 5, 3\)"):
        Cutout(np.zeros((3, 5, 3), np.uint8))


def test_a_cutout_has_a_depth_that_files_have():
    with pytest.raises(UsageError, match="uint8, uint16 or float32, got float64"):
        Cutout(np.zeros((3, 5, 4)))
