from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from maskwright.errors import ImageError, ImageTooLargeError
from maskwright.image.io import read_header, read_photo, write_image

PIXELS = np.random.default_rng(0).integers(0, 256, (29, 41, 4)).astype(np.uint8)


def webp(mode="RGBA", **options):
    stream = BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(stream, "WEBP", **options)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("extra", [{}, {"exif": b"II*\0\x08\0\0\0\0\0\0\0\0\0"}])
def test_the_header_of_every_kind_is_read(mode, lossless, extra):
    data = webp(mode, lossless=lossless, **extra)
    header = read_header(data)
    assert header.size == (29, 41)
    assert (header.format, header.bit_depth) == ("WEBP", 8)
    assert read_photo(data).size == (29, 41)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_once(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    data = webp(lossless=True, exact=True, exif=block)
    photo = read_photo(data)
    assert photo.size == read_header(data).size
    stream = BytesIO()
    write_image(stream, np.dstack([photo.pixels, photo.alpha]), like=photo, format="webp")
    again = read_photo(stream.getvalue())
    assert (again.pixels == photo.pixels).all()
    assert (again.alpha == photo.alpha).all()


def test_of_an_animation_the_first_picture_is_read():
    stream = BytesIO()
    frames = [Image.fromarray(PIXELS[..., :3]), Image.fromarray(255 - PIXELS[..., :3])]
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert (read_photo(stream.getvalue()).pixels == PIXELS[..., :3]).all()


def test_a_huge_canvas_is_refused_before_room_is_made_for_it():
    data = bytearray(webp(exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0"))
    assert data[12:16] == b"VP8X"
    data[24:30] = b"\xff\x3f\0\xff\x3f\0"
    with pytest.raises(ImageTooLargeError, match="16384 x 16384 = 268435456"):
        read_photo(bytes(data))


@pytest.mark.parametrize("cut", [12, 20, 29, 60, -1])
def test_a_cut_file_is_refused(cut):
    with pytest.raises(ImageError, match="one that cannot be decoded"):
        read_photo(webp()[:cut])
