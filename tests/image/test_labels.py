import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.errors import ImageError, ImageTooLargeError
from maskwright.image import png as png_writer
from maskwright.image import tiff_write
from maskwright.image.labels import read_labels, read_panoptic


def png(array, mode=None, *, format="PNG"):
    image = Image.fromarray(array)
    return encoded(image.convert(mode) if mode else image, format)


def encoded(image, format="PNG"):
    stream = io.BytesIO()
    image.save(stream, format)
    return stream.getvalue()


GREY = np.array([[0, 7, 255], [1, 0, 128]], np.uint8)
COLOUR = np.zeros((2, 3, 3), np.uint8)
COLOUR[0, 1] = (10, 2, 3)


def test_grey_gives_what_is_stored():
    assert read_labels(png(GREY)).tolist() == GREY.tolist()
    assert read_labels(png(GREY.astype(np.uint16) * 257)).max() == 65535
    assert read_labels(png(GREY > 5)).tolist() == [[0, 1, 1], [0, 0, 1]]
    assert read_labels(png(GREY, "LA")).tolist() == GREY.tolist()
    assert read_labels(png(np.repeat(GREY[..., None], 3, 2))).tolist() == GREY.tolist()
    assert read_labels(encoded(Image.fromarray(GREY), "BMP")).dtype == np.int32


def test_a_palette_gives_indices_whatever_the_colours():
    paletted = Image.new("P", GREY.shape[::-1])
    paletted.putpalette([9, 9, 9, 128, 0, 0, 0, 128, 0])
    paletted.putdata((GREY % 3).ravel().tolist())
    assert read_labels(encoded(paletted)).tolist() == (GREY % 3).tolist()


def test_a_colour_is_one_number():
    expected = [[0, 10 + 2 * 256 + 3 * 65536, 0], [0, 0, 0]]
    assert read_labels(png(COLOUR)).tolist() == expected
    assert read_panoptic(png(COLOUR)).tolist() == expected
    grey = np.full((1, 1, 3), 2, np.uint8)
    assert read_panoptic(png(grey)).tolist() == [[2 + 512 + 131072]]


def test_what_cannot_hold_labels_is_refused():
    with pytest.raises(ImageError, match="must be PNG, BMP or TIFF, got JPEG"):
        read_labels(png(GREY, format="JPEG"))
    with pytest.raises(ImageError, match="must be in colour, got one channel"):
        read_panoptic(png(GREY))
    see_through = np.dstack([COLOUR, GREY])
    with pytest.raises(ImageError, match="got a partly transparent picture"):
        read_labels(png(see_through))
    with pytest.raises(ImageError, match="whole numbers, got the mode F"):
        read_labels(encoded(Image.fromarray(GREY.astype(np.float32)), "TIFF"))


def test_a_damaged_or_large_picture_is_refused_before_it_is_decoded(tmp_path):
    with pytest.raises(ImageError, match="cannot be decoded"):
        read_labels(png(GREY)[:40])
    with pytest.raises(ImageTooLargeError, match="at most 5 pixels are allowed, got 3 x 2"):
        read_labels(png(GREY), max_pixels=5)
    with pytest.raises(ImageError, match="got no such file"):
        read_labels(tmp_path / "no.png")


@pytest.mark.parametrize(
    ("write", "channels"),
    [(png_writer, 2), (png_writer, 3), (png_writer, 4), (tiff_write, 3), (tiff_write, 4)],
)
def test_sixteen_bits_are_whole_in_every_kind_of_grey(write, channels):
    grey = np.array([[0, 1, 300], [65535, 256, 255]], np.uint16)
    alpha = [np.full_like(grey, 65535)] if channels % 2 == 0 else []
    pixels = np.dstack([grey] * (1 if channels == 2 else 3) + alpha)
    stream = io.BytesIO()
    write.encode(stream, pixels)
    assert read_labels(stream.getvalue()).tolist() == grey.tolist()
    assert read_labels(stream.getvalue()).dtype == np.int32


def test_sixteen_bits_that_mean_no_number_are_refused():
    deep = COLOUR.astype(np.uint16) * 257
    with pytest.raises(ImageError, match="labels in colour must have 8 bit, got 16"):
        read_labels(deep_png(deep))
    grey = np.repeat(GREY[..., None].astype(np.uint16), 4, axis=2)
    with pytest.raises(ImageError, match="got a partly transparent picture"):
        read_labels(deep_png(grey))
    with pytest.raises(ImageError, match="must be in colour, got one channel"):
        read_panoptic(deep_png(grey[..., :3]))
    with pytest.raises(ImageTooLargeError, match="at most 5 pixels are allowed, got 3 x 2"):
        read_labels(deep_png(deep), max_pixels=5)


def deep_png(pixels):
    stream = io.BytesIO()
    png_writer.encode(stream, pixels)
    return stream.getvalue()


def test_numbers_of_32_bits_are_read_up_to_the_largest_signed_one():
    assert read_labels(tiff_of(np.array([[2**31 - 1, 0]], np.uint32))).tolist() == [[2**31 - 1, 0]]
    assert read_labels(tiff_of(np.array([[-1, 7]], np.int32))).tolist() == [[-1, 7]]
    with pytest.raises(ImageError, match="labels must be less than 2\\^31, got 4000000000"):
        read_labels(tiff_of(np.array([[7, 4_000_000_000]], np.uint32)))


def tiff_of(pixels):
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels)
    return stream.getvalue()
