import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from maskwright.errors import ImageError, OutputError
from maskwright.image import tiff_write
from maskwright.image.io import read_header, read_photo

SIZE = (13, 37)
NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
RGB, GREY, WHITE_IS_ZERO = 2, 1, 0


def lzw(data):
    """LZW without a single repetition: the table is cleared before codes need more bits."""
    codes = []
    for start in range(0, len(data), 200):
        codes += [256, *data[start : start + 200]]
    bits = "".join(format(code, "09b") for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def packbits(data):
    runs = [data[start : start + 128] for start in range(0, len(data), 128)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


PACK = {NONE: bytes, LZW: lzw, DEFLATE: zlib.compress, PACKBITS: packbits}


def build(
    pixels,
    photometric=RGB,
    compression=NONE,
    *,
    predictor=1,
    planar=False,
    tile=0,
    order="<",
    extra=None,
    tags=(),
    big=False,
    rows_per_strip=4,
):
    """Return a TIFF file of (h, w, c) pixels, laid out as asked."""
    height, width, channels = pixels.shape
    planes = [pixels[..., i : i + 1] for i in range(channels)] if planar else [pixels]
    segments = []
    for plane in planes:
        for top in range(0, height, tile or rows_per_strip):
            for left in range(0, width, tile or width):
                part = plane[top : top + (tile or rows_per_strip), left : left + (tile or width)]
                if tile:
                    whole = np.zeros((tile, tile, plane.shape[2]), pixels.dtype)
                    whole[: part.shape[0], : part.shape[1]] = part
                    part = whole
                segments.append(PACK[compression](stored(part, predictor, order)))
    depth, kind = 8 * pixels.dtype.itemsize, {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    head = 16 if big else 8
    starts = [head + sum(len(s) for s in segments[:i]) for i in range(len(segments))]
    table = {256: width, 257: height, 258: [depth] * channels, 259: compression}
    table |= {262: photometric, 277: channels, 284: 2 if planar else 1, 317: predictor}
    table |= {339: [kind] * channels}
    table |= {322: tile, 323: tile, 324: starts} if tile else {278: rows_per_strip, 273: starts}
    table[325 if tile else 279] = [len(segment) for segment in segments]
    if extra is not None:
        table[338] = extra
    return directory(table | dict(tags), b"".join(segments), order, big)


def stored(part, predictor, order):
    if predictor == 2:
        whole = part.view(f"u{part.dtype.itemsize}")
        part = np.diff(whole, axis=1, prepend=np.zeros_like(whole[:, :1])).view(part.dtype)
    if predictor != 3:
        return part.astype(part.dtype.newbyteorder(order)).tobytes()
    rows, columns, channels = part.shape
    big_endian = part.astype(part.dtype.newbyteorder(">")).view(np.uint8)
    apart = big_endian.reshape(rows, columns * channels, -1).swapaxes(1, 2)
    samples = apart.reshape(rows, -1, channels)
    return np.diff(samples, axis=1, prepend=np.zeros_like(samples[:, :1])).tobytes()


def directory(table, body, order, big):
    entry, pointer, count = ("HHQ", "Q", "Q") if big else ("HHI", "I", "H")
    room = struct.calcsize(order + pointer)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    if big:
        head += struct.pack(order + "HH", 8, 0)
    at = len(head) + room + len(body)
    values_at = at + struct.calcsize(order + count) + len(table) * (4 + 2 * room) + room
    rows, values = b"", b""
    for tag, numbers in sorted(table.items()):
        numbers = numbers if isinstance(numbers, list) else [numbers]
        raw = struct.pack(f"{order}{len(numbers)}I", *numbers)
        rows += struct.pack(order + entry, tag, 4, len(numbers))
        if len(raw) <= room:
            rows += raw.ljust(room, b"\0")
        else:
            rows += struct.pack(order + pointer, values_at + len(values))
            values += raw
    start = struct.pack(order + pointer, at)
    table_bytes = struct.pack(order + count, len(table)) + rows + bytes(room)
    return head + start + body + table_bytes + values


def random_pixels(dtype, channels, size=SIZE):
    generator = np.random.default_rng(channels)
    if np.dtype(dtype).kind == "f":
        return generator.random((*size, channels)).astype(dtype)
    return generator.integers(0, np.iinfo(dtype).max + 1, (*size, channels)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("compression", PACK)
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("tile", [0, 16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("predictor", [1, 2, 3])
def test_every_layout_is_read_exactly(dtype, compression, planar, tile, order, predictor):
    if predictor == 3 and np.dtype(dtype).kind != "f":
        return
    pixels = random_pixels(dtype, 3)
    layout = {"planar": planar, "tile": tile, "order": order, "predictor": predictor}
    data = build(pixels, RGB, compression, **layout)
    photo = read_photo(data)
    expected = pixels.astype(np.float32) if pixels.dtype.kind == "f" else pixels
    assert photo.pixels.dtype == expected.dtype
    assert (photo.pixels == expected).all()
    assert photo.alpha is None
    assert read_header(data).size == SIZE
    assert read_header(data).bit_depth == 8 * pixels.dtype.itemsize


@pytest.mark.parametrize("compression", PACK)
def test_bytes_whose_bits_are_reversed_are_read(compression, monkeypatch):
    pixels, pack = random_pixels(np.uint16, 3), PACK[compression]
    mirror = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
    monkeypatch.setitem(PACK, compression, lambda data: pack(data).translate(mirror))
    data = build(pixels, RGB, compression, tags={266: 2}.items())
    assert (read_photo(data).pixels == pixels).all()


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_offsets_of_64_bits_are_read(big, order):
    pixels = random_pixels(np.uint16, 3)
    assert (read_photo(build(pixels, big=big, order=order)).pixels == pixels).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("compression", [NONE, LZW])
def test_grey_is_read_whatever_zero_means(dtype, compression):
    pixels = random_pixels(dtype, 1)
    full = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else np.float32(1)
    assert (read_photo(build(pixels, GREY, compression)).pixels == pixels).all()
    inverted = read_photo(build(pixels, WHITE_IS_ZERO, compression))
    assert (inverted.pixels == full - pixels).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("photometric", [GREY, RGB])
@pytest.mark.parametrize("extra", [2, 999, None])
def test_a_further_channel_is_a_straight_alpha(dtype, photometric, extra):
    colours = 3 if photometric == RGB else 1
    pixels = random_pixels(dtype, colours + 1)
    photo = read_photo(build(pixels, photometric, LZW, extra=extra, predictor=2))
    assert (photo.pixels == pixels[..., :colours]).all()
    assert (photo.alpha == pixels[..., -1]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_unspecified_channel_is_no_alpha(dtype):
    pixels = random_pixels(dtype, 4)
    photo = read_photo(build(pixels, extra=0))
    assert photo.alpha is None
    assert (photo.pixels == pixels[..., :3]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_premultiplied_colours_are_divided_by_their_alpha(dtype):
    full = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1.0
    straight, alpha = random_pixels(np.float64, 3), random_pixels(np.float64, 1)
    alpha[0, 0] = 0
    scaled = np.concatenate([straight * alpha, alpha], axis=2) * full
    pixels = (np.rint(scaled) if full > 1 else scaled).astype(dtype)
    photo = read_photo(build(pixels, extra=1))
    assert (photo.alpha == pixels[..., 3]).all()
    opaque = alpha[..., 0] > 0.5
    error = np.abs(photo.pixels / full - straight)[opaque]
    assert error.max() <= 2.5 / full + 1e-6, "three roundings at alpha 0.5"
    assert (photo.pixels[0, 0] == 0).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_once_and_forgotten(dtype, orientation):
    pixels = random_pixels(dtype, 3, (5, 7))
    index = Image.fromarray(np.arange(35, dtype=np.uint8).reshape(5, 7))
    turned = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # EXIF's code to Pillow's
    if orientation in turned:
        index = index.transpose(turned[orientation])
    expected = pixels.reshape(35, 3)[np.asarray(index)]
    data = build(pixels, tags={274: orientation}.items())
    photo = read_photo(data)
    assert (photo.pixels == expected).all()
    assert photo.size == read_header(data).size
    again = BytesIO()
    tiff_write.encode(again, photo.pixels, exif=photo.exif)
    assert (read_photo(again.getvalue()).pixels == expected).all()


def test_only_the_first_page_is_read():
    first, second = random_pixels(np.uint16, 3), random_pixels(np.uint16, 3)[::-1]
    stream = BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for page in (first, second):
            writer.write(page, photometric="rgb", metadata=None)
    assert (read_photo(stream.getvalue()).pixels == first).all()


def test_lzw_of_others_is_read():
    pixels = np.add.outer(np.arange(53) * 30, np.arange(71) * 7)[..., None] * [1, 2, 3]
    pixels = pixels.astype(np.uint16)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, LZW]
    data = cv2.imencode(".tif", pixels[..., ::-1], options)[1].tobytes()
    assert (read_photo(data).pixels == pixels).all()
    small = (pixels % 256).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(small).save(stream, "TIFF", compression="tiff_lzw")
    assert (read_photo(stream.getvalue()).pixels == small).all()


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 13), st.integers(1, 17), st.sampled_from([1, 2, 3, 4])),
    )
)
@settings(max_examples=60, deadline=None)
def test_what_is_encoded_is_decoded_by_us_and_by_others(pixels):
    stream = BytesIO()
    tiff_write.encode(stream, pixels)
    photo = read_photo(stream.getvalue())
    colours = pixels[..., :1] if pixels.shape[2] < 3 else pixels[..., :3]
    assert (photo.pixels == colours).all()
    if pixels.shape[2] in {2, 4}:
        assert (photo.alpha == pixels[..., -1]).all()
    theirs = tifffile.imread(BytesIO(stream.getvalue()))
    assert (theirs.reshape(pixels.shape) == pixels).all()


def test_strips_join_and_floats_are_written_exactly(monkeypatch):
    monkeypatch.setattr(tiff_write, "_STRIP_BYTES", 1000)
    pixels = random_pixels(np.float32, 4)
    stream = BytesIO()
    tiff_write.encode(stream, pixels)
    with tifffile.TiffFile(BytesIO(stream.getvalue())) as file:
        assert len(file.pages[0].dataoffsets) > 1
        assert file.pages[0].extrasamples == (2,), "straight alpha"
        assert (file.asarray() == pixels).all()


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_is_written_where_others_find_it(order):
    tags = Image.Exif()
    tags.endian = order
    tags[0x010F], tags[256], tags[322] = "Maker of the camera", 99, 99
    tags.get_ifd(0x8769)[0x9003] = "2021:02:03 04:05:06"
    tags.get_ifd(0x8825)[1] = "N"
    block = tags.tobytes().removeprefix(b"Exif\0\0")
    stream = BytesIO()
    tiff_write.encode(stream, random_pixels(np.uint8, 3), exif=block, dpi=(300.0, 150.5))
    theirs = Image.open(BytesIO(stream.getvalue()))
    assert theirs.size == (37, 13)
    assert 322 not in theirs.tag_v2, "how the camera stored its pixels is left out"
    assert theirs.info["dpi"] == (300, 150.5)
    assert theirs.getexif()[0x010F] == "Maker of the camera"
    assert theirs.getexif().get_ifd(0x8769)[0x9003] == "2021:02:03 04:05:06"
    assert theirs.getexif().get_ifd(0x8825)[1] == "N"


def test_a_file_that_would_be_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(tiff_write, "_MAX_BYTES", 1000)
    with pytest.raises(OutputError, match="a TIFF holds at most 4 GiB"):
        tiff_write.encode(BytesIO(), random_pixels(np.uint16, 3))


PIXELS = random_pixels(np.uint16, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (build(PIXELS, tags={254: 1}.items()), "its first page is a preview"),
        (build(PIXELS, tags={277: 9}.items()), "9 channels with 3 depths"),
        (build(PIXELS, tags={258: [16, 8, 16]}.items()), "16 bit in sample format 1"),
        (build(PIXELS, tags={258: [12] * 3}.items()), "12 bit in sample format 1"),
        (build(PIXELS, tags={339: [2] * 3}.items()), "16 bit in sample format 2"),
        (build(PIXELS, tags={262: 8}.items()), "16 bit in colour space 8"),
        (build(PIXELS[..., :1], RGB), "1 channels for 3 colours"),
        (build(PIXELS, tags={278: 5}.items()), "4 strips or tiles instead of 3"),
        (build(PIXELS, tags={278: 0}.items()), "strips or tiles of 37 x 0 pixels"),
        (build(PIXELS, tags={279: [1] * 4}.items()), "a strip or tile is too short"),
        (build(PIXELS, tags={279: [2**31] * 4}.items()), "the file ends within its pixels"),
        (build(PIXELS, tile=64, tags={322: 2**20}.items()), "strips or tiles of 1048576 x 64"),
        (build(PIXELS, tags={259: 34712}.items()), "in compression 34712, cannot be unpacked"),
        (build(PIXELS, tags={259: LZW}.items()), "in compression 5, cannot be unpacked"),
        (build(PIXELS, tags={257: 0}.items()), "its header announces no pixels"),
        (build(PIXELS)[:-3], "the file ends within"),
        (b"II*\0\x08\0\0\0\xff\xff", "a directory of 65535 tags"),
        (b"II*\0", "the file ends within its tags"),
    ],
)
def test_damage_and_rare_kinds_are_named(data, message, capfd):
    with pytest.raises(ImageError, match=f"the photo given as bytes: .*{message}"):
        read_photo(data)
    assert capfd.readouterr() == ("", "")


def test_nan_is_named():
    pixels = random_pixels(np.float32, 3)
    pixels[2, 3, 1] = np.nan
    with pytest.raises(ImageError, match="must be finite, got NaN"):
        read_photo(build(pixels))
