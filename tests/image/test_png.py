import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from maskwright.errors import ImageError
from maskwright.image import png
from maskwright.image.io import read_header, read_photo

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, GREY_ALPHA: 2, RGBA: 4}


def chunk(kind, data=b""):
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def build(pixels, colour_type, before=b"", after=b"", bit_depth=16):
    height, width = pixels.shape[:2]
    stored = pixels.astype(">u2") if bit_depth == 16 else pixels.astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in stored)
    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    data = chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(rows)) + after
    return b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND")


def random_16_bit(channels):
    return np.random.default_rng(channels).integers(0, 65536, (5, 7, channels)).astype(np.uint16)


@pytest.mark.parametrize("colour_type", CHANNELS)
@pytest.mark.parametrize(
    "extra",
    [
        b"",
        chunk(b"gAMA", struct.pack(">I", 100_000)),
        chunk(b"sBIT", bytes([12, 12, 12])),
        chunk(b"iCCP", b"damaged"),
        chunk(b"acTL", struct.pack(">II", 1, 0)),
        chunk(b"tEXt", b"Comment\0text"),
    ],
)
def test_sixteen_bits_are_read_exactly_whatever_stands_beside_them(colour_type, extra, capfd):
    pixels = random_16_bit(CHANNELS[colour_type])
    photo = read_photo(build(pixels, colour_type, extra))
    colours = 1 if colour_type in {GREY, GREY_ALPHA} else 3
    assert photo.pixels.dtype == np.uint16
    assert (photo.pixels == pixels[..., :colours]).all()
    if colour_type in {GREY_ALPHA, RGBA}:
        assert (photo.alpha == pixels[..., -1]).all()
    else:
        assert photo.alpha is None
    assert read_header(build(pixels, colour_type, extra)).bit_depth == 16
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("colour_type", [GREY, RGB])
@pytest.mark.parametrize("bit_depth", [8, 16])
def test_the_colour_declared_transparent_becomes_alpha(colour_type, bit_depth):
    pixels = random_16_bit(CHANNELS[colour_type]) & np.uint16(2**bit_depth - 1)
    hidden = struct.pack(f">{pixels.shape[2]}H", *pixels[2, 3])
    photo = read_photo(build(pixels, colour_type, chunk(b"tRNS", hidden), bit_depth=bit_depth))
    expected = np.where((pixels == pixels[2, 3]).all(axis=2), 0, 2**bit_depth - 1)
    assert (photo.alpha == expected).all()
    assert (photo.pixels == pixels).all()


@pytest.mark.parametrize("bit_depth", [1, 2, 4])
def test_a_small_grey_declared_transparent_becomes_alpha(bit_depth):
    per_byte, full = 8 // bit_depth, 2**bit_depth - 1
    values = np.arange(16).reshape(2, 8) & full
    shifts = bit_depth * np.arange(per_byte)[::-1]
    packed = (values.reshape(2, -1, per_byte) << shifts).sum(axis=2)
    rows = b"".join(b"\0" + bytes(row.tolist()) for row in packed)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 2, bit_depth, GREY, 0, 0, 0))
    for hidden in range(full + 1):
        body = chunk(b"tRNS", struct.pack(">H", hidden)) + chunk(b"IDAT", zlib.compress(rows))
        photo = read_photo(b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND"))
        assert (photo.alpha == np.where(values == hidden, 0, 255)).all()
        assert (photo.pixels[..., 0] == values * (255 // full)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("late", [False, True])
def test_an_exif_chunk_turns_the_photo_before_and_behind_the_pixels(orientation, late):
    pixels = random_16_bit(3)
    block = Image.Exif()
    block[0x0112] = orientation
    exif = chunk(b"eXIf", block.tobytes().removeprefix(b"Exif\0\0"))
    data = build(pixels, RGB, after=exif) if late else build(pixels, RGB, exif)
    photo = read_photo(data)
    assert photo.size == read_header(data).size == ((7, 5) if orientation >= 5 else (5, 7))
    # Corners, from EXIF's definition: where the stored first row and first column are seen.
    rows_seen = {1: "top", 2: "top", 3: "bottom", 4: "bottom"}
    if orientation in rows_seen:
        top = 0 if rows_seen[orientation] == "top" else -1
        left = 0 if orientation in {1, 4} else -1
        assert (photo.pixels[top, left] == pixels[0, 0]).all()
        assert (photo.pixels[top, -1 - left] == pixels[0, -1]).all()
    else:
        column = 0 if orientation in {5, 8} else -1  # where the stored first row is seen
        row = 0 if orientation in {5, 6} else -1  # where the stored first column is seen
        assert (photo.pixels[row, column] == pixels[0, 0]).all()
        assert (photo.pixels[-1 - row, column] == pixels[0, -1]).all()
    again = BytesIO()
    png.encode(again, photo.pixels, exif=photo.exif)
    assert (read_photo(again.getvalue()).pixels == photo.pixels).all(), "turned only once"


def test_interlaced_pixels_are_read():
    pixels = random_16_bit(3)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)]
    passes += [(2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b""
    for top, left, down, right in passes:
        part = pixels[top::down, left::right].astype(">u2")
        rows += b"".join(b"\0" + row.tobytes() for row in part if part.shape[1])
    header = struct.pack(">IIBBBBB", 7, 5, 16, RGB, 0, 0, 1)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")
    assert (read_photo(b"\x89PNG\r\n\x1a\n" + data).pixels == pixels).all()


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 13), st.integers(1, 17), st.sampled_from([1, 2, 3, 4])),
    )
)
@settings(max_examples=60, deadline=None)
def test_what_is_encoded_is_decoded_by_us_and_by_others(pixels):
    stream = BytesIO()
    png.encode(stream, pixels)
    decoded = png.decode(BytesIO(stream.getvalue()))
    colours = pixels[..., :1] if pixels.shape[2] < 3 else pixels[..., :3]
    assert (decoded.pixels == colours).all()
    assert decoded.pixels.dtype == pixels.dtype
    if pixels.shape[2] in {2, 4}:
        assert (decoded.alpha == pixels[..., -1]).all()
    theirs = cv2.imdecode(np.frombuffer(stream.getvalue(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert (theirs.reshape(*pixels.shape[:2], -1)[..., 0] == colours[..., -1]).all()
    Image.open(BytesIO(stream.getvalue())).verify()


def test_bands_join_without_a_seam(monkeypatch):
    monkeypatch.setattr(png, "_BAND_BYTES", 64)
    pixels = random_16_bit(3)
    stream = BytesIO()
    png.encode(stream, pixels)
    assert stream.getvalue().count(b"IDAT") >= 1
    assert (png.decode(BytesIO(stream.getvalue())).pixels == pixels).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (build(random_16_bit(3), RGB)[:-12], "the file ends before its last chunk"),
        (build(random_16_bit(3), RGB)[:-20], "the file ends within a chunk"),
        (build(random_16_bit(3), RGB).replace(b"IHDR", b"IHDX"), "its IHDR chunk is missing"),
        (build(random_16_bit(3), RGB).replace(b"\x10\x02", b"\x10\x06"), "checksum of its IHDR"),
    ],
)
def test_damage_is_named(data, message):
    with pytest.raises(ImageError, match=f"the photo given as bytes: .*{message}"):
        read_photo(data)


def test_a_forged_checksum_does_not_help_a_damaged_picture():
    data = build(random_16_bit(3), RGB)
    at = data.index(b"IDAT") + 4
    length = struct.unpack(">I", data[at - 8 : at - 4])[0]
    packed = zlib.compress(b"too short")
    forged = data[: at - 8] + chunk(b"IDAT", packed) + data[at + length + 4 :]
    with pytest.raises(ImageError, match="its compressed pixels are damaged"):
        read_photo(forged)


def test_damaged_metadata_costs_the_metadata_only():
    pixels = random_16_bit(3)
    damaged = bytearray(chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)))
    assert read_photo(build(pixels, RGB, bytes(damaged))).dpi == (300, 300)
    damaged[10] ^= 1
    photo = read_photo(build(pixels, RGB, bytes(damaged)))
    assert photo.dpi is None
    assert (photo.pixels == pixels).all()


@pytest.mark.parametrize("profile", [b"", b"name only", b"name\0\0not deflated", b"\0"])
def test_a_damaged_profile_is_left_out(profile):
    photo = read_photo(build(random_16_bit(3), RGB, chunk(b"iCCP", profile)))
    assert photo.icc_profile is None
