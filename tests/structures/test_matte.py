import numpy as np
import pytest

from maskwright.errors import ShapeError, UsageError
from maskwright.structures.matte import Matte

SIZE = (3, 5)


def test_a_matte_has_the_size_of_its_alpha():
    assert Matte(np.ones(SIZE, np.float32), np.zeros((*SIZE, 3), np.float32)).size == SIZE


def test_alpha_has_two_axes():
    with pytest.raises(ShapeError, match=r"alpha must be \(h, w\)"):
        Matte(np.zeros((*SIZE, 1), np.float32))


def test_alpha_is_float32():
    with pytest.raises(UsageError, match=r"alpha must be float32 in \[0, 1\], got uint8"):
        Matte(np.zeros(SIZE, np.uint8))


@pytest.mark.parametrize("bad", [-1e-6, 1.0001, float("nan")])
def test_a_value_outside_zero_to_one_is_refused(bad):
    alpha = np.zeros(SIZE, np.float32)
    alpha[1, 2] = bad
    with pytest.raises(UsageError, match=r"an alpha must lie in \[0, 1\]"):
        Matte(alpha)
    with pytest.raises(UsageError, match=r"a foreground must lie in \[0, 1\]"):
        Matte(np.zeros(SIZE, np.float32), np.repeat(alpha[..., None], 3, axis=2))


def test_the_foreground_has_the_size_of_the_alpha():
    with pytest.raises(ShapeError, match=r"must be \(3, 5, 3\), got \(5, 3, 3\)"):
        Matte(np.zeros(SIZE, np.float32), np.zeros((5, 3, 3), np.float32))
