import os
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from maskwright.errors import ImageError, OutputError, ShapeError, UsageError
from maskwright.image.io import Photo, read_photo, write_image
from maskwright.structures.cutout import Cutout

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


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_profile_density_and_exif_survive(tmp_path, suffix, dtype):
    path = tmp_path / f"picture.{suffix}"
    write_image(path, random_pixels(dtype, 3), like=like())
    photo = read_photo(path)
    assert photo.icc_profile == RGB_PROFILE
    assert photo.dpi == (300, 150)
    tags = Image.Exif()
    tags.load(photo.exif)
    assert tags[0x010F] == "Maker of the camera"
    assert tags.get_ifd(0x8769)[0x9003] == "2021:02:03 04:05:06"
    assert tags.get_ifd(0x8825)[1] == "N"
    with Image.open(path) as theirs:
        assert theirs.info["icc_profile"] == RGB_PROFILE
        assert theirs.getexif()[0x010F] == "Maker of the camera"
        assert theirs.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp"])
def test_grey_never_carries_a_profile_of_colours(tmp_path, suffix):
    path = tmp_path / f"alpha.{suffix}"
    write_image(path, random_pixels(np.uint8, 1), like=like())
    with Image.open(path) as theirs:
        assert not theirs.info.get("icc_profile")
    assert read_photo(path).dpi == (300, 150)


def test_a_cutout_lends_its_metadata_too(tmp_path):
    rgba = random_pixels(np.uint16, 4)
    cutout = Cutout(rgba, icc_profile=RGB_PROFILE, exif=exif_block(), dpi=(72.0, 72.0))
    write_image(tmp_path / "cutout.png", cutout.rgba, like=cutout)
    photo = read_photo(tmp_path / "cutout.png")
    assert (photo.icc_profile, photo.exif, photo.dpi) == (RGB_PROFILE, exif_block(), (72, 72))


def test_without_a_model_nothing_is_invented(tmp_path):
    for suffix in ("png", "tif", "jpg", "webp"):
        write_image(tmp_path / f"bare.{suffix}", random_pixels(np.uint8, 3))
        photo = read_photo(tmp_path / f"bare.{suffix}")
        assert (photo.icc_profile, photo.exif, photo.dpi) == (None, None, None)


def test_a_mask_is_written_black_and_white(tmp_path):
    mask = random_pixels(np.uint8, 1) > 127
    write_image(tmp_path / "mask.png", mask)
    with Image.open(tmp_path / "mask.png") as image:
        assert image.mode == "L"
        assert (np.asarray(image) == np.where(mask, 255, 0)).all()


@pytest.mark.parametrize(
    ("suffix", "dtype"), [("png", np.uint16), ("webp", np.uint8), ("tif", np.float32)]
)
def test_what_is_too_deep_is_rounded_to_the_deepest_there_is(tmp_path, suffix, dtype):
    pixels = random_pixels(np.float32, 4)
    write_image(tmp_path / f"picture.{suffix}", pixels)
    back = read_back(tmp_path / f"picture.{suffix}", 4)
    assert back.dtype == dtype
    full = 1 if dtype == np.float32 else np.iinfo(dtype).max
    expected = pixels if full == 1 else np.rint(pixels * np.float32(full))
    assert (back == expected).all()


def test_sixteen_bits_become_eight_by_rounding(tmp_path):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    write_image(tmp_path / "grey.webp", values)
    assert (read_back(tmp_path / "grey.webp", 1) == np.rint(values / 257)).all()


def test_a_jpeg_is_near_and_not_subsampled(tmp_path):
    pixels = np.zeros((*SIZE, 3), np.uint8)
    pixels[:, 1::2, 0] = 255
    write_image(tmp_path / "stripes.jpg", pixels)
    error = np.abs(read_back(tmp_path / "stripes.jpg", 3).astype(int) - pixels)
    assert error.max() < 30


def test_a_binary_file_is_written_to_whatever_its_kind(tmp_path):
    pixels = random_pixels(np.uint16, 3)
    for format in ("png", "PNG", "tif", ".tiff"):
        stream = BytesIO()
        write_image(stream, pixels, format=format)
        assert (read_photo(stream.getvalue()).pixels == pixels).all()
    reading, writing = os.pipe()
    with open(writing, "wb") as pipe:
        write_image(pipe, pixels[:5, :5], format="tiff")
    with open(reading, "rb") as pipe:
        assert (read_photo(pipe.read()).pixels == pixels[:5, :5]).all()


def test_the_format_wins_over_the_suffix(tmp_path):
    write_image(tmp_path / "picture.dat", random_pixels(np.uint8, 3), format="jpeg")
    assert (tmp_path / "picture.dat").read_bytes()[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize(
    ("name", "came"), [("a.gif", ".gif"), ("a", "no suffix"), ("a.psd", ".psd"), (".png", "no su")]
)
def test_an_unknown_suffix_is_refused(tmp_path, name, came):
    message = f"a picture is written as .png, .tif, .jpg or .webp, got {came}"
    with pytest.raises(OutputError, match=message):
        write_image(tmp_path / name, random_pixels(np.uint8, 3))
    with pytest.raises(OutputError, match="the output: a picture is written as"):
        write_image(BytesIO(), random_pixels(np.uint8, 3))
    assert os.listdir(tmp_path) == []


def test_a_jpeg_has_no_alpha(tmp_path):
    message = r"cut.jpg: a JPEG has no transparency, got an alpha; write a PNG, .* --background"
    with pytest.raises(OutputError, match=message):
        write_image(tmp_path / "cut.jpg", random_pixels(np.uint8, 4))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("suffix", "side", "message"),
    [
        ("jpg", 65_536, "a JPEG has sides of at most 65535 pixels, got 65536; write a PNG"),
        ("webp", 16_384, "a WebP has sides of at most 16383 pixels, got 16384; write a PNG"),
    ],
)
def test_sides_that_are_too_long_are_refused(tmp_path, suffix, side, message):
    with pytest.raises(OutputError, match=message):
        write_image(tmp_path / f"long.{suffix}", np.zeros((1, side), np.uint8))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("shape", [(5,), (5, 7, 1), (5, 7, 2), (5, 7, 5), (0, 7), (1, 5, 7, 3)])
def test_other_shapes_are_refused(tmp_path, shape):
    with pytest.raises(ShapeError, match=r"pixels must be \(h, w\), \(h, w, 3\) or \(h, w, 4\)"):
        write_image(tmp_path / "picture.png", np.zeros(shape, np.uint8))


def test_other_types_and_values_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"picture.png: pixels must be .* got int64"):
        write_image(tmp_path / "picture.png", np.zeros((5, 7), np.int64))
    with pytest.raises(ImageError, match=r"picture.png: .* got NaN"):
        write_image(tmp_path / "picture.png", np.full((5, 7), np.nan, np.float32))
    assert os.listdir(tmp_path) == []


def test_an_existing_file_is_refused_unless_it_may_be_replaced(tmp_path):
    path = tmp_path / "picture.png"
    write_image(path, random_pixels(np.uint8, 3))
    before = path.read_bytes()
    with pytest.raises(OutputError, match="picture.png: exists already"):
        write_image(path, random_pixels(np.uint8, 4))
    assert path.read_bytes() == before
    write_image(path, random_pixels(np.uint8, 4), overwrite=True)
    assert path.read_bytes() != before


def test_views_of_any_order_are_written_as_they_look(tmp_path):
    pixels = random_pixels(np.uint16, 4)
    for i, view in enumerate([pixels[::-1, ::-2], pixels.swapaxes(0, 1), pixels[..., ::-1]]):
        for suffix in ("png", "tif"):
            path = tmp_path / f"{i}.{suffix}"
            write_image(path, view)
            assert (read_back(path, 4) == view).all()
    write_image(tmp_path / "big.png", pixels.astype(">u2"))
    assert (read_back(tmp_path / "big.png", 4) == pixels).all()


def test_an_exif_block_too_long_for_a_jpeg_is_left_out(tmp_path):
    long = exif_block() + bytes(70_000)
    write_image(tmp_path / "picture.jpg", random_pixels(np.uint8, 3), like=like(exif=long))
    assert read_photo(tmp_path / "picture.jpg").exif is None
