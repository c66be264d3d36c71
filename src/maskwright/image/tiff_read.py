"""TIFF, read: grey and RGB by ourselves at any depth, the many other kinds by Pillow.

Source of the format: Adobe, "TIFF, Revision 6.0" (1992), with its Technical Note 3 (2005) on the
predictor for floating point. Pillow cuts 16-bit colour down to 8 and OpenCV mixes up separate
planes, so strips and tiles are put together here; libtiff, inside OpenCV, unpacks LZW.
"""

import struct
import zlib
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL.TiffImagePlugin import TiffImageFile

from maskwright.image import exif
from maskwright.image.ifd import read_number, read_raw
from maskwright.image.modes import Decoded, from_array, from_pillow
from maskwright.image.photo import Header
from maskwright.image.quiet import quiet_opencv, without_pillows_limit
from maskwright.image.stream import Readable
from maskwright.image.tiff_page import (
    BLACK_IS_ZERO,
    CMYK,
    DEFLATE,
    NOT_PACKED,
    OLD_DEFLATE,
    PLAIN_COLOURS,
    WHITE_IS_ZERO,
    Page,
    Segment,
    read_page,
    read_segments,
)

_HORIZONTAL, _FLOATING_POINT = 2, 3
_ASSOCIATED, _UNSPECIFIED = 1, 0
_ICC_PROFILE = 34675
# What Pillow has to know of the pixels: their layout; their places, palette, fax and JPEG options.
_SCALAR_TAGS = {256, 257, 259, 262, 266, 277, 278, 284, 317, 322, 323}
_ARRAY_TAGS = {258, 273, 279, 292, 293, 320, 324, 325, 332, 338, 339, 347, *range(512, 533)}
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def read_header(stream: Readable) -> Header:
    """Return the header of a TIFF's first page.

    Raises:
        ValueError: If its tags are damaged.
    """
    page = read_page(stream)
    bit_depth = 8 if page.photometric == CMYK else max(page.bits)
    return Header(exif.upright_size(page.size, page.orientation), "TIFF", bit_depth)


def decode(stream: Readable) -> Decoded:
    """Return the pixels of a TIFF's first page, and its metadata.

    Raises:
        ValueError: If it is damaged or of an unsupported kind.
    """
    page = read_page(stream)
    segments = list(read_segments(stream, page))
    profile = page.directory.entries.get(_ICC_PROFILE)
    icc_profile = read_raw(stream, profile) if profile else None
    if page.is_plain:
        decoded = from_array(_decode_plain(stream, page, segments))
    elif max(page.bits) <= 8 or page.photometric == CMYK:
        decoded = _decode_with_pillow(stream, page, icc_profile)
    else:
        raise ValueError(f"{max(page.bits)} bit in colour space {page.photometric}")
    block = exif.describe(stream)
    return decoded._replace(
        icc_profile=icc_profile,
        exif=block,
        orientation=page.orientation,
        dpi=exif.read_dpi(block),
    )


def _decode_plain(stream: Readable, page: Page, segments: list[Segment]) -> NDArray[Any]:
    """Return (h, w, 1 to 4) uint8, uint16 or float32, alpha straight and last."""
    stored = _stored_type(page)
    colours = PLAIN_COLOURS[page.photometric]
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
    if page.photometric == WHITE_IS_ZERO:
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


def _decode_segment(stream: Readable, page: Page, segment: Segment) -> NDArray[Any]:
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
    if compression == NOT_PACKED:
        data = packed
    elif compression in {DEFLATE, OLD_DEFLATE}:
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
        (262, BLACK_IS_ZERO),
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


def _decode_with_pillow(stream: Readable, page: Page, icc_profile: bytes | None) -> Decoded:
    image = TiffImageFile(_pixels_only(stream, page))
    with without_pillows_limit(page.size):
        image.load()
    return from_pillow(image, icc_profile)


def _pixels_only(stream: Readable, page: Page) -> BytesIO:
    """Return the file with a new directory, in which only the tags about its pixels stand.

    Pillow then turns nothing and has nothing to warn of.
    """
    order, is_big = page.layout
    pointer, row, count = ("Q", "HHQ", "Q") if is_big else ("I", "HHI", "H")
    room = struct.calcsize(order + pointer)
    rows = []
    for tag, entry in sorted(page.directory.entries.items()):
        if tag in _SCALAR_TAGS:
            value = struct.pack(order + "I", read_number(stream, entry, page.layout))
            rows.append(struct.pack(order + row, tag, 4, 1) + value.ljust(room, b"\0"))
        elif tag in _ARRAY_TAGS:
            value = read_raw(stream, entry)
            if len(value) > room:
                value = struct.pack(order + pointer, entry.start)
            head = struct.pack(order + row, tag, entry.type, entry.count)
            rows.append(head + value.ljust(room, b"\0"))
    stream.seek(0)
    data = bytearray(stream.read())
    data += bytes(len(data) % 2)
    struct.pack_into(order + pointer, data, room, len(data))
    return BytesIO(data + struct.pack(order + count, len(rows)) + b"".join(rows) + bytes(room))
