import numpy as np
import pytest

from maskwright.errors import ImageError, ShapeError, UsageError
from maskwright.image.photo import Photo


@pytest.mark.parametrize(("dtype", "bit_depth"), [(np.uint8, 8), (np.uint16, 16), (np.float32, 32)])
def test_a_photo_tells_its_size_and_depth(dtype, bit_depth):
    photo = Photo(np.zeros((5, 7, 3), dtype), np.zeros((5, 7), dtype))
    assert photo.size == (5, 7)
    assert photo.bit_depth == bit_depth


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 4), (0, 7, 3), (1, 5, 7, 3)])
def test_pixels_are_rgb(shape):
    with pytest.raises(ShapeError, match=r"the photo: pixels must be \(h, w, 3\), got the shape"):
        Photo(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float64])
def test_pixels_have_a_known_full_scale(dtype):
    with pytest.raises(UsageError, match=f"or float32 in \\[0, 1\\], got {np.dtype(dtype)}"):
        Photo(np.zeros((5, 7, 3), dtype))


@pytest.mark.parametrize("alpha", [np.zeros((7, 5), np.uint8), np.zeros((5, 7), np.uint16)])
def test_alpha_is_like_the_pixels(alpha):
    with pytest.raises(ShapeError, match=r"alpha must be \(5, 7\) uint8 like the pixels"):
        Photo(np.zeros((5, 7, 3), np.uint8), alpha)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "x.tif: floating-point pixels must be finite, got NaN"),
        (float("inf"), "x.tif: floating-point pixels must be finite, got infinity; replace them"),
        (-0.25, "got values from -0.25 to 0"),
        (1.5, "got values from 0 to 1.5; scale them first"),
    ],
)
def test_floating_point_lies_between_zero_and_one(value, message):
    pixels = np.zeros((5, 7, 3), np.float32)
    pixels[1, 2, 0] = value
    with pytest.raises(ImageError, match=message):
        Photo(pixels, source="x.tif")
    with pytest.raises(ImageError, match=message):
        Photo(np.zeros((5, 7, 3), np.float32), pixels[..., 0], source="x.tif")
