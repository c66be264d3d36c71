from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from maskwright.errors import ImageError
from maskwright.image.io import read_header, read_photo

SIZE = (29, 41)
PIXELS = np.random.default_rng(0).integers(0, 256, (*SIZE, 4)).astype(np.uint8)
GREY = PIXELS[..., 0]


def saved(image, format, **options):
    stream = BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def palette_image():
    return Image.fromarray(PIXELS[..., :3]).quantize(31)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_black_and_white_and_grey_become_three_equal_channels(format):
    bits = Image.fromarray(GREY > 127)
    photo = read_photo(saved(bits, format))
    assert (photo.pixels == np.where(GREY > 127, 255, 0)[..., None]).all()
    assert photo.alpha is None
    assert (read_photo(saved(Image.fromarray(GREY), format)).pixels == GREY[..., None]).all()


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_grey_with_alpha_keeps_both(format):
    image = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(PIXELS[..., 3])])
    photo = read_photo(saved(image, format))
    assert (photo.pixels == GREY[..., None]).all()
    assert (photo.alpha == PIXELS[..., 3]).all()


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_a_palette_becomes_its_colours(format):
    image = palette_image()
    photo = read_photo(saved(image, format))
    assert (photo.pixels == np.asarray(image.convert("RGB"))).all()
    assert photo.alpha is None


@pytest.mark.parametrize("transparency", [3, bytes(range(0, 248, 8))])
def test_a_transparent_palette_becomes_colours_and_alpha(transparency):
    image = palette_image()
    photo = read_photo(saved(image, "PNG", transparency=transparency))
    index = np.asarray(image)
    if isinstance(transparency, int):
        expected = np.where(index == transparency, 0, 255)
    else:
        expected = np.frombuffer(transparency, np.uint8)[index]
    assert (photo.alpha == expected).all()
    opaque = expected > 0
    assert (photo.pixels == np.asarray(image.convert("RGB")))[opaque].all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_small_palettes_are_read(bits):
    image = Image.fromarray(PIXELS[..., :3]).quantize(2**bits)
    data = saved(image, "PNG", bits=bits)
    assert read_header(data).bit_depth == bits
    assert (read_photo(data).pixels == np.asarray(image.convert("RGB"))).all()


def test_printers_inks_in_a_tiff_become_the_colours_they_print():
    image = Image.fromarray(PIXELS[..., :3])
    data = saved(image.convert("CMYK"), "TIFF", compression="tiff_lzw")
    assert np.abs(read_photo(data).pixels.astype(int) - PIXELS[..., :3]).max() <= 1


@pytest.mark.parametrize("compression", ["jpeg", "group4", "tiff_lzw"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_kinds_of_tiff_left_to_pillow_are_turned_once(compression, orientation, recwarn):
    mode = {"jpeg": "RGB", "group4": "1", "tiff_lzw": "P"}[compression]
    image = Image.fromarray(PIXELS[..., :3]).convert(mode)
    tags = Image.Exif()
    tags[0x0112] = orientation
    data = saved(image, "TIFF", compression=compression, exif=tags)
    photo = read_photo(data)
    plain = read_photo(saved(image, "TIFF", compression=compression))
    image = Image.fromarray(plain.pixels)
    image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    if compression != "jpeg":
        assert (photo.pixels == expected).all()
    assert photo.size == read_header(data).size == expected.shape[:2]
    assert not recwarn


def in_memory(mode):
    grey = Image.fromarray(GREY)
    if mode in {"La", "RGBa"}:
        return grey.convert({"La": "LA", "RGBa": "RGBA"}[mode]).convert(mode)
    if mode == "LAB":
        return Image.merge("LAB", [grey] * 3)
    if mode == "F":
        return Image.fromarray((GREY / 255).astype(np.float32))
    if mode.startswith("I;16"):
        deep = (GREY.astype(np.uint16) * 257).astype(">u2" if mode == "I;16B" else "<u2")
        return Image.frombytes(mode, SIZE[::-1], deep.tobytes())
    return grey.convert("RGB").convert(mode) if mode in {"HSV", "P"} else grey.convert(mode)


EXACT = ["L", "LA", "RGB", "RGBA", "RGBX", "RGBa", "La", "PA", "CMYK"]
OTHER = ["1", "P", "YCbCr", "HSV", "LAB", "I", "F", "I;16", "I;16B"]


@pytest.mark.parametrize("mode", EXACT + OTHER)
def test_every_mode_in_memory_is_read(mode):
    image = in_memory(mode)
    photo = read_photo(image)
    assert image.mode == mode
    assert photo.size == read_header(image).size == SIZE
    assert (photo.alpha is not None) == (mode in {"LA", "La", "PA", "RGBA", "RGBa"})
    if mode in EXACT:
        assert (photo.pixels == GREY[..., None]).all()
    if mode.startswith("I"):
        assert photo.pixels.dtype == np.uint16
        scale = 1 if mode == "I" else 257
        assert (photo.pixels == GREY[..., None].astype(np.uint16) * scale).all()
    if mode == "F":
        assert (photo.pixels == (GREY / 255).astype(np.float32)[..., None]).all()


@pytest.mark.parametrize("value", [-1, 65536])
def test_integers_beyond_sixteen_bits_are_refused(value):
    image = Image.fromarray(np.full(SIZE, value, np.int32))
    with pytest.raises(ImageError, match=f"from {value} to {value} do not fit into 16 bit"):
        read_photo(image)


def test_a_pillow_image_is_turned_and_its_metadata_kept():
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = 6, "Maker"
    for format in ("PNG", "JPEG", "TIFF", "WEBP"):
        image = Image.open(BytesIO(saved(Image.fromarray(GREY), format, exif=tags)))
        assert read_header(image).size == (41, 29)
        photo = read_photo(image)
        assert photo.size == (41, 29)
        loaded = Image.Exif()
        loaded.load(photo.exif)
        assert loaded[0x010F] == "Maker"
        assert loaded.get(0x0112, 1) == 1
        turned = read_photo(ImageOps.exif_transpose(image))
        assert (turned.pixels == photo.pixels).all()


def test_a_damaged_pillow_image_is_one_clear_error():
    data = saved(Image.fromarray(PIXELS), "PNG")
    image = Image.open(BytesIO(data[:500]))
    with pytest.raises(ImageError, match="the Pillow image: expected a whole photo"):
        read_photo(image)
