import numpy as np
import pytest
from PIL import Image, ImageCms

from maskwright.image.io import Photo, read_photo, write_image

SIZE = (53, 71)
RGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def random_pixels(dtype, channels):
    shape = SIZE if channels == 1 else (*SIZE, channels)
    generator = np.random.default_rng(channels)
    if dtype == np.float32:
        return generator.random(shape, np.float32)
    return generator.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def exif_block():
    block = Image.Exif()
    block[0x010F] = "Maker of the camera"
    block[0x0112] = 1
    block.get_ifd(0x8769)[0x9003] = "2021:02:03 04:05:06"
    block.get_ifd(0x8825)[1] = "N"
    return block.tobytes().removeprefix(b"Exif\0\0")


def like(**changes):
    values = {"icc_profile": RGB_PROFILE, "exif": exif_block(), "dpi": (300.0, 150.0)}
    return Photo(np.zeros((5, 7, 3), np.uint8), **values | changes)


def read_back(path, channels):
    photo = read_photo(path)
    if channels == 1:
        assert photo.alpha is None
        assert (photo.pixels == photo.pixels[..., :1]).all()
        return photo.pixels[..., 0]
    return photo.pixels if channels == 3 else np.dstack([photo.pixels, photo.alpha])


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [("png", np.uint8), ("png", np.uint16)]
    + [("tif", np.uint8), ("tiff", np.uint16), ("TIF", np.float32)],
)
def test_what_is_written_is_read_back_exactly(tmp_path, suffix, dtype, channels):
    pixels = random_pixels(dtype, channels)
    path = tmp_path / f"picture.{suffix}"
    write_image(path, pixels, like=like())
    back = read_back(path, channels)
    assert back.dtype == dtype
    assert (back == pixels).all()


@pytest.mark.parametrize("channels", [1, 4])
def test_webp_loses_nothing_unless_plain_rgb(tmp_path, channels):
    pixels = random_pixels(np.uint8, channels)
    write_image(tmp_path / "picture.webp", pixels)
    assert (read_back(tmp_path / "picture.webp", channels) == pixels).all()
