import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from maskwright.errors import ImageError, MissingExtraError
from maskwright.image.io import read_header, read_photo

HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
QUADRANTS = np.array([[40, 90], [150, 220]], np.uint8).repeat(32, 0).repeat(48, 1)


def heic(pixels, **options):
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = BytesIO()
    mode = "RGB;16" if pixels.dtype == np.uint16 else "RGB"
    size = (pixels.shape[1], pixels.shape[0])
    file = pillow_heif.from_bytes(mode=mode, size=size, data=pixels.tobytes())
    file.save(stream, quality=-1, **options)
    return stream.getvalue()


def test_without_the_extra_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "photo.heic"
    path.write_bytes(HEAD)
    message = r"photo.heic: reading HEIC needs an extra .*; run: pip install 'maskwright\[heif\]'"
    for read in (read_photo, read_header):
        with pytest.raises(MissingExtraError, match=message):
            read(path)


def test_eight_bits_stay_eight():
    data = heic(np.dstack([QUADRANTS] * 3))
    photo = read_photo(data)
    assert photo.pixels.dtype == np.uint8
    assert np.abs(photo.pixels[..., 0].astype(int) - QUADRANTS).max() <= 3
    header = read_header(data)
    assert (header.size, header.format, header.bit_depth) == ((64, 96), "HEIF", 8)


def test_more_bits_become_sixteen():
    pixels = np.dstack([QUADRANTS] * 3).astype(np.uint16) * 257 + 77
    data = heic(pixels)
    photo = read_photo(data)
    assert read_header(data).bit_depth == 16
    assert photo.pixels.dtype == np.uint16
    assert np.abs(photo.pixels.astype(int) - pixels).max() <= 3 * 64


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_once(orientation):
    block = Image.Exif()
    block[0x0112], block[282], block[283] = orientation, 300.0, 300.0
    data = heic(np.dstack([QUADRANTS] * 3), exif=block.tobytes())
    photo = read_photo(data)
    index = Image.fromarray(QUADRANTS)
    turned = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
    if orientation in turned:
        index = index.transpose(turned[orientation])
    assert photo.size == read_header(data).size == (index.height, index.width)
    assert np.abs(photo.pixels[..., 0].astype(int) - np.asarray(index)).max() <= 3
    assert photo.dpi == (300, 300)


def test_damage_is_one_clear_error():
    pytest.importorskip("pillow_heif")
    data = heic(np.dstack([QUADRANTS] * 3))
    for cut in (24, 100, len(data) // 2):
        with pytest.raises(ImageError, match="one that cannot be decoded"):
            read_photo(data[:cut])
