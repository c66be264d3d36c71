import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from maskwright.errors import ImageError
from maskwright.image import exif
from maskwright.image import jpeg as encoder
from maskwright.image.io import read_header, read_photo

SIZE = (40, 56)
COLOURS = np.array([[[200, 40, 40], [40, 200, 40]], [[40, 40, 200], [220, 220, 60]]], np.uint8)
QUADRANTS = COLOURS.repeat(SIZE[0] // 2, axis=0).repeat(SIZE[1] // 2, axis=1)


def jpeg(pixels=QUADRANTS, mode="RGB", **options):
    stream = BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, "JPEG", quality=95, **options)
    return stream.getvalue()


def cmyk_profile():
    """Return a CMYK profile in which any ink is only its darkness: everything becomes grey."""

    def s15(*values):
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    identity = bytes(range(256))
    corners = b"".join(
        bytes([255 - 255 * min(4, bin(index).count("1")) // 4, 128, 128]) for index in range(16)
    )
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table += identity * 4 + corners + identity * 3
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"Grey\0" + bytes(78)
    white = b"XYZ " + bytes(4) + s15(0.9642, 1, 0.8249)
    tags = {b"desc": text, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": white, b"A2B0": table}
    head = bytearray(128)
    head[8:12], head[12:24], head[36:40] = b"\2\x40\0\0", b"prtrCMYKLab ", b"acsp"
    head[68:80] = s15(0.9642, 1, 0.8249)
    directory, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        start = 128 + 4 + 12 * len(tags) + len(body)
        directory += name + struct.pack(">II", start, len(value))
        body += value + bytes(-len(value) % 4)
    head[:4] = struct.pack(">I", 128 + len(directory) + len(body))
    return bytes(head) + directory + body


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_once_and_reset(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    data = jpeg(exif=block)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))))
    photo = read_photo(data)
    assert (photo.pixels == expected).all()
    assert photo.size == read_header(data).size
    loaded = Image.Exif()
    loaded.load(photo.exif)
    assert loaded[0x0112] == 1


def test_density_turns_with_the_photo():
    block = Image.Exif()
    block[0x0112] = 6
    assert read_photo(jpeg(exif=block, dpi=(300, 150))).dpi == (150, 300)
    assert read_photo(jpeg(dpi=(300, 150))).dpi == (300, 150)


def test_density_in_exif_counts_where_jfif_has_none():
    block = Image.Exif()
    block[282], block[283] = 240.0, 120.0
    assert read_photo(jpeg(exif=block)).dpi == (240, 120)
    assert read_photo(jpeg()).dpi is None


@pytest.mark.parametrize("dpi", [(65535.0, 65535.0), (65536.0, 300.0), (254000.0, 254000.0)])
@pytest.mark.parametrize("tagged", [False, True])
def test_a_density_that_jfif_cannot_hold_stands_in_exif(dpi, tagged):
    tags = Image.Exif()
    tags[0x010F], tags[282], tags[283] = "Maker of the camera", 72.0, 72.0
    block = tags.tobytes().removeprefix(b"Exif\0\0") if tagged else None
    stream = BytesIO()
    encoder.encode(stream, QUADRANTS, exif=block, dpi=dpi)
    photo = read_photo(stream.getvalue())
    assert photo.dpi == dpi
    assert (b"Maker of the camera" in (photo.exif or b"")) == tagged
    assert max(dpi) <= 65535 or exif.read_dpi(photo.exif) == dpi


def test_grey_becomes_three_equal_channels_without_its_profile():
    photo = read_photo(jpeg(mode="L", icc_profile=grey_profile()))
    assert photo.size == SIZE
    assert (photo.pixels == photo.pixels[..., :1]).all()
    assert photo.icc_profile is None


def grey_profile():
    data = bytearray(cmyk_profile())
    data[16:20] = b"GRAY"
    return bytes(data)


def test_printers_inks_become_the_colours_they_print():
    photo = read_photo(jpeg(mode="CMYK"))
    assert photo.pixels.shape == (*SIZE, 3)
    assert np.abs(photo.pixels.astype(int) - QUADRANTS).max() < 12


def test_printers_inks_go_through_their_profile_and_lose_it():
    photo = read_photo(jpeg(mode="CMYK", icc_profile=cmyk_profile()))
    assert photo.icc_profile is None, "the pixels are sRGB now"
    spread = photo.pixels.max(axis=2).astype(int) - photo.pixels.min(axis=2)
    assert spread.max() <= 2, "this profile prints in grey only"


def test_a_damaged_profile_of_inks_is_ignored():
    photo = read_photo(jpeg(mode="CMYK", icc_profile=cmyk_profile()[:200]))
    assert np.abs(photo.pixels.astype(int) - QUADRANTS).max() < 12


def test_of_several_pictures_in_one_file_the_first_is_read(recwarn):
    stream = BytesIO()
    first, second = Image.fromarray(QUADRANTS), Image.fromarray(QUADRANTS[::-1])
    first.save(stream, "MPO", save_all=True, append_images=[second], subsampling=0)
    photo = read_photo(stream.getvalue())
    assert np.abs(photo.pixels.astype(int) - QUADRANTS).mean() < 2
    assert read_header(stream.getvalue()).format == "JPEG"
    assert not recwarn


@pytest.mark.parametrize("cut", [3, 20, 200, 0.5, -2])
def test_a_cut_file_is_refused_though_part_of_it_could_be_shown(cut):
    data = jpeg()
    with pytest.raises(ImageError, match="one that cannot be decoded"):
        read_photo(data[: cut if cut != 0.5 else len(data) // 2])


def profile_of(length):
    """Return bytes that look like an RGB profile of that length."""
    head = bytearray(length)
    head[16:20], head[36:40] = b"RGB ", b"acsp"
    return bytes(head)


def test_a_profile_in_several_parts_is_put_together_or_dropped_whole():
    profile = profile_of(150_000)
    data = jpeg(icc_profile=profile)
    assert data.count(b"ICC_PROFILE\0") == 3
    assert read_photo(data).icc_profile == profile
    without_second = data.replace(b"ICC_PROFILE\0\2", b"SOMETHING__\0\2")
    assert read_photo(without_second).icc_profile is None


def test_exif_in_two_segments_is_joined():
    tags = Image.Exif()
    tags[0x0112] = 6
    block = tags.tobytes().removeprefix(b"Exif\0\0") + bytes(100)
    data = jpeg()
    for part in (block[20:], block[:20]):
        payload = b"Exif\0\0" + part
        data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + data[2:]
    photo = read_photo(data)
    assert photo.size == read_header(data).size == SIZE[::-1]
    assert len(photo.exif) == len(block)


def test_padding_between_segments_is_skipped():
    data = jpeg()
    padded = data[:2] + b"\xff" * 7 + data[2:]
    assert (read_photo(padded).pixels == read_photo(data).pixels).all()
    assert read_header(padded).size == SIZE


def test_damaged_exif_costs_the_exif_only(recwarn):
    photo = read_photo(jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"))
    assert photo.exif is None
    assert photo.size == SIZE
    assert not recwarn


@pytest.mark.parametrize("precision", [12, 16])
def test_more_than_eight_bits_are_refused(precision):
    data = jpeg()
    frame = data.index(b"\xff\xc0")
    deep = data[: frame + 4] + bytes([precision]) + data[frame + 5 :]
    assert read_header(deep).bit_depth == precision
    with pytest.raises(ImageError, match=f"{precision}-bit"):
        read_photo(deep)
