"""TIFF, read: grey and RGB by ourselves at any depth, the many other kinds by Pillow.

Source of the format: Adobe, "TIFF, Revision 6.0" (1992), with its Technical Note 3 (2005) on the
predictor for floating point. Pillow cuts 16-bit colour down to 8 and OpenCV mixes up separate
planes, so strips and tiles are put together here; libtiff, inside OpenCV, unpacks LZW.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL.TiffImagePlugin import TiffImageFile

from maskwright.image import exif
from maskwright.image.ifd import Directory, Layout, read_directory, read_layout, read_numbers
from maskwright.image.ifd import read_raw as read_value
from maskwright.image.modes import Decoded, from_array, from_pillow
from maskwright.image.photo import Header
from maskwright.image.quiet import quiet_opencv, quiet_pillow
from maskwright.image.stream import Readable

_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS = 1, 5, 8, 32946, 32773
_PLAIN_COMPRESSIONS = {_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_PLAIN_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3}
_HORIZONTAL, _FLOATING_POINT = 2, 3
_ASSOCIATED, _UNSPECIFIED = 1, 0
_ICC_PROFILE = 34675
_MAX_SEGMENT_PIXELS = 1 << 24
_MAX_CHANNELS = 8
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Page:
    """How the pixels of a TIFF's first page are stored; see TIFF 6.0 for each tag."""

    layout: Layout
    directory: Directory
    size: tuple[int, int]
    bits: tuple[int, ...]
    sample_format: int
    photometric: int
    compression: int
    predictor: int
    has_reversed_bits: bool
    is_planar: bool
    extra: tuple[int, ...]
    orientation: int
    segment: tuple[int, int]
    is_tiled: bool

    @property
    def channels(self) -> int:
        """Samples per pixel, alpha included."""
        return len(self.bits)

    @property
    def is_plain(self) -> bool:
        """True for grey and RGB that are not left to Pillow, which knows no deep ones."""
        if self.photometric not in _PLAIN_COLOURS or max(self.bits) < 8:
            return False
        return max(self.bits) > 8 or self.compression in _PLAIN_COMPRESSIONS


class _Segment(NamedTuple):
    """A strip or tile: the rows, columns and channels it covers, and where its data lies."""

    top: int
    left: int
    rows: int
    channels: slice
    start: int
    length: int


def read_header(stream: Readable) -> Header:
    """Return the header of a TIFF's first page.

    Raises:
        ValueError: If its tags are damaged.
    """
    page = read_page(stream)
    bit_depth = 8 if page.photometric == _CMYK else max(page.bits)
    return Header(exif.upright_size(page.size, page.orientation), "TIFF", bit_depth)


def decode(stream: Readable) -> Decoded:
    """Return the pixels of a TIFF's first page, and its metadata.

    Raises:
        ValueError: If it is damaged or of an unsupported kind.
    """
    page = read_page(stream)
    segments = list(_segments(stream, page))
    end = stream.seek(0, 2)
    if any(segment.start + segment.length > end for segment in segments):
        raise ValueError("the file ends within its pixels")
    profile = page.directory.entries.get(_ICC_PROFILE)
    icc_profile = read_value(stream, profile) if profile else None
    if page.is_plain:
        pixels = exif.turn_upright(_decode_plain(stream, page, segments), page.orientation)
        decoded = from_array(pixels)
    elif max(page.bits) <= 8 or page.photometric == _CMYK:
        decoded = _decode_with_pillow(stream, icc_profile)
    else:
        raise ValueError(f"{max(page.bits)} bit in colour space {page.photometric}")
    block = exif.describe(stream)
    return decoded._replace(icc_profile=icc_profile, exif=block, dpi=exif.read_dpi(block))


def read_page(stream: Readable) -> Page:
    """Return how the first page is stored.

    Raises:
        ValueError: If its tags are damaged, or it is only a preview.
    """
    layout, first = read_layout(stream)
    directory = read_directory(stream, first, layout)

    def numbers(tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
        entry = directory.entries.get(tag)
        values = read_numbers(stream, entry, layout) if entry else ()
        return tuple(int(value) for value in values) or default

    if numbers(254, (0,))[0] & 1 or 50706 in directory.entries:
        raise ValueError("its first page is a preview, as in a camera's raw file")
    width, height = numbers(256, (0,))[0], numbers(257, (0,))[0]
    channels = numbers(277, (1,))[0]
    bits = numbers(258, (1,))
    bits = bits * channels if len(bits) == 1 else bits
    if not 1 <= channels <= _MAX_CHANNELS or len(bits) != channels:
        raise ValueError(f"{channels} channels with {len(bits)} depths")
    is_tiled = 322 in directory.entries
    rows = min(numbers(278, (height,))[0], height)
    orientation = numbers(exif.ORIENTATION, (1,))[0]
    photometric = numbers(262, (-1,))[0]
    colours = {_RGB: 3, _CMYK: 4}.get(photometric, 1)
    return Page(
        layout=layout,
        directory=directory,
        size=(height, width),
        bits=bits,
        sample_format=numbers(339, (1,))[0],
        photometric=photometric,
        compression=numbers(259, (_NONE,))[0],
        predictor=numbers(317, (1,))[0],
        has_reversed_bits=numbers(266, (1,))[0] == 2,
        is_planar=numbers(284, (1,))[0] == 2 and channels > 1,
        extra=numbers(338, ()) if channels > colours else (),
        orientation=orientation if 1 <= orientation <= 8 else 1,
        segment=(numbers(323, (0,))[0], numbers(322, (0,))[0]) if is_tiled else (rows, width),
        is_tiled=is_tiled,
    )


def _segments(stream: Readable, page: Page) -> Iterator[_Segment]:
    """Yield the strips or tiles, plane by plane, row by row."""
    entries = page.directory.entries
    start_tag, length_tag = (324, 325) if page.is_tiled else (273, 279)
    if start_tag not in entries or length_tag not in entries:
        raise ValueError("the places of its pixels are missing")
    starts = read_numbers(stream, entries[start_tag], page.layout)
    lengths = read_numbers(stream, entries[length_tag], page.layout)
    (height, width), (rows, columns) = page.size, page.segment
    if rows < 1 or columns < 1 or rows * columns > max(_MAX_SEGMENT_PIXELS, 4 * height * width):
        raise ValueError(f"strips or tiles of {columns} x {rows} pixels")
    planes = [slice(i, i + 1) for i in range(page.channels)]
    planes = planes if page.is_planar else [slice(0, page.channels)]
    expected = len(planes) * -(-height // rows) * -(-width // columns)
    if not expected == len(starts) == len(lengths):
        raise ValueError(f"{len(starts)} strips or tiles instead of {expected}")
    corners = product(planes, range(0, height, rows), range(0, width, columns))
    for (plane, top, left), start, length in zip(corners, starts, lengths, strict=True):
        stored_rows = rows if page.is_tiled else min(rows, height - top)
        yield _Segment(top, left, stored_rows, plane, int(start), int(length))


def _decode_plain(stream: Readable, page: Page, segments: list[_Segment]) -> NDArray[Any]:
    """Return (h, w, 1 to 4) uint8, uint16 or float32, alpha straight and last."""
    stored = _stored_type(page)
    colours = _PLAIN_COLOURS[page.photometric]
    if page.channels < colours:
        raise ValueError(f"{page.channels} channels for {colours} colours")
    pixels = np.empty((*page.size, page.channels), stored.newbyteorder("="))
    for segment in segments:
        block = _decode_segment(stream, page, segment)
        part = pixels[segment.top :, segment.left :, segment.channels]
        part = part[: block.shape[0], : block.shape[1]]
        part[:] = block[: part.shape[0], : part.shape[1]]
    if pixels.dtype.kind == "f":
        pixels = pixels.astype(np.float32, copy=False)
    if page.photometric == _WHITE_IS_ZERO:
        pixels[..., :1] = _full_scale(pixels.dtype) - pixels[..., :1]
    return _with_straight_alpha(pixels, colours, page.extra)


def _stored_type(page: Page) -> np.dtype[np.generic]:
    kinds = {(8, 1): "u1", (16, 1): "u2", (16, 3): "f2", (32, 3): "f4", (64, 3): "f8"}
    kind = kinds.get((page.bits[0], page.sample_format))
    if kind is None or len(set(page.bits)) > 1:
        raise ValueError(
            f"{page.bits[0]} bit in sample format {page.sample_format};"
            " 8 or 16 bit, or floating point, is read"
        )
    return np.dtype(page.layout.order + kind)


def _decode_segment(stream: Readable, page: Page, segment: _Segment) -> NDArray[Any]:
    """Return the samples of one strip or tile, (rows, columns, channels)."""
    stored = _stored_type(page)
    channels = segment.channels.stop - segment.channels.start
    shape = (segment.rows, page.segment[1], channels)
    row_bytes = page.segment[1] * channels * stored.itemsize
    stream.seek(segment.start)
    packed = stream.read(segment.length)
    if page.has_reversed_bits:
        packed = packed.translate(_REVERSED)
    data = _unpack(packed, page.compression, shape=(segment.rows, row_bytes))
    if data.size < segment.rows * row_bytes:
        raise ValueError("a strip or tile is too short")
    data = data[: segment.rows * row_bytes]
    if page.predictor == _FLOATING_POINT:
        return _undo_floating_point(data.reshape(segment.rows, -1, channels), stored)
    block = data.view(stored).reshape(shape)
    if page.predictor == _HORIZONTAL:
        whole = block.astype(stored.newbyteorder("=")).view(f"u{stored.itemsize}")
        return np.cumsum(whole, axis=1, dtype=whole.dtype).view(stored.newbyteorder("="))
    return block


def _unpack(
    packed: bytes, compression: int, *, shape: tuple[int, int]
) -> UInt8[np.ndarray, " byte"]:
    length = shape[0] * shape[1]
    if compression == _NONE:
        data = packed
    elif compression in {_DEFLATE, _OLD_DEFLATE}:
        data = zlib.decompressobj().decompress(packed, length)
    else:
        data = _unpack_with_libtiff(packed, compression, shape=shape)
    return np.frombuffer(data, np.uint8)


def _unpack_with_libtiff(packed: bytes, compression: int, *, shape: tuple[int, int]) -> bytes:
    """Return the bytes of one segment, wrapped as a small grey TIFF for OpenCV to read."""
    rows, row_bytes = shape
    sample_bytes = 1 if row_bytes % 2 else 2
    tags = [
        (256, row_bytes // sample_bytes),
        (257, rows),
        (258, 8 * sample_bytes),
        (259, compression),
        (262, _BLACK_IS_ZERO),
        (273, 8 + 2 + 12 * 9 + 4),
        (277, 1),
        (278, rows),
        (279, len(packed)),
    ]
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    wrapped = b"II*\0" + struct.pack("<IH", 8, len(tags)) + table + bytes(4) + packed
    with quiet_opencv():
        pixels = cv2.imdecode(np.frombuffer(wrapped, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype.itemsize != sample_bytes or pixels.ndim != 2:
        raise ValueError(f"its pixels, in compression {compression}, cannot be unpacked")
    return pixels.astype(f"<u{sample_bytes}", copy=False).tobytes()


def _undo_floating_point(
    data: UInt8[np.ndarray, "rows sample channels"], stored: np.dtype[np.generic]
) -> NDArray[Any]:
    """Return floats whose bytes were stored apart, highest first, as differences."""
    rows, _, channels = data.shape
    plain = np.cumsum(data, axis=1, dtype=np.uint8).reshape(rows, stored.itemsize, -1)
    together = np.ascontiguousarray(plain.swapaxes(1, 2))
    return together.view(stored.newbyteorder(">")).reshape(rows, -1, channels)


def _full_scale(dtype: np.dtype[np.generic]) -> int:
    return {"u1": 255, "u2": 65535}.get(dtype.str[1:], 1)


def _with_straight_alpha(
    pixels: NDArray[Any], colours: int, extra: tuple[int, ...]
) -> NDArray[Any]:
    """Return colours and, if the first further channel is an alpha, that one, straight.

    A fourth channel without a word about it is an alpha, as in Pillow; one that is declared to
    be unspecified is not.
    """
    if pixels.shape[2] == colours or (extra and extra[0] == _UNSPECIFIED):
        return pixels[..., :colours]
    if not extra or extra[0] != _ASSOCIATED:
        return pixels[..., : colours + 1]
    colour, alpha = pixels[..., :colours], pixels[..., colours : colours + 1]
    full = _full_scale(pixels.dtype)
    share = np.maximum(alpha.astype(np.float32), 1e-12) / full
    straight = np.clip(colour / share, 0, full)
    if pixels.dtype.kind != "f":
        straight = np.rint(straight)
    straight = np.where(alpha > 0, straight, 0).astype(pixels.dtype)
    return np.concatenate([straight, alpha], axis=2)


def _decode_with_pillow(stream: Readable, icc_profile: bytes | None) -> Decoded:
    stream.seek(0)
    with quiet_pillow():
        image = TiffImageFile(stream)
        image.load()  # turns it upright, too
        return from_pillow(image, icc_profile)
