"""PNG: 16 bit kept, metadata beside the pixels, written in bands of rows.

Source of the format: W3C, "Portable Network Graphics, Third Edition" (2025).
Pillow reads 8 bit; it would cut 16-bit colour down to 8, so OpenCV reads that.
"""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from maskwright.image.exif import read_orientation, strip_prefix, tidy_dpi, upright_size
from maskwright.image.modes import Decoded, from_array, from_pillow
from maskwright.image.photo import Header
from maskwright.image.stream import Readable, Writable

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_TOLD_CHUNKS = {b"IHDR", b"eXIf", b"iCCP", b"pHYs", b"tRNS"}
_GREY, _RGB, _GREY_ALPHA, _RGBA = 0, 2, 4, 6
_COLOUR_TYPES = {1: _GREY, 2: _GREY_ALPHA, 3: _RGB, 4: _RGBA}
_INCH_IN_METRES = 0.0254
_MAX_PROFILE_BYTES = 1 << 26
_MAX_CHUNKS = 1 << 20
_BAND_BYTES = 1 << 22
# Among zlib's ways, level and strategy. The low bytes of deep pixels are noise, in which a search
# for repeated strings finds nothing: runs alone pack as well in a third of the time.
_PACKING = {1: (4, zlib.Z_DEFAULT_STRATEGY), 2: (1, zlib.Z_RLE)}


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    length: int


def read_header(stream: Readable) -> Header:
    """Return the header of a PNG.

    Raises:
        ValueError: If a chunk is damaged or missing.
    """
    told = _told(stream, list(_chunks(stream)))
    height, width, bit_depth, _ = _image_header(told)
    size = upright_size((height, width), read_orientation(told.get(b"eXIf")))
    return Header(size, "PNG", bit_depth)


def decode(stream: Readable) -> Decoded:
    """Return the pixels of a PNG as stored, and its metadata.

    Raises:
        ValueError: If a chunk is damaged or missing.
    """
    chunks = list(_chunks(stream))
    told = _told(stream, chunks)
    *_, bit_depth, colour_type = _image_header(told)
    plain = _pixels_only(stream, chunks)
    if bit_depth == 16:
        decoded = from_array(_decode_16_bit(plain, colour_type, told.get(b"tRNS")))
    else:
        image = PngImageFile(BytesIO(plain))
        if colour_type == _GREY and bit_depth in {2, 4} and "transparency" in image.info:
            # Pillow scales the pixels to 8 bit, and not the grey that is declared transparent.
            image.info["transparency"] *= 255 // (2**bit_depth - 1)
        decoded = from_pillow(image, None)
    block = strip_prefix(told.get(b"eXIf"))
    return decoded._replace(
        icc_profile=_profile(told.get(b"iCCP")),
        exif=block,
        orientation=read_orientation(block),
        dpi=_dpi(told.get(b"pHYs")),
    )


def _chunks(stream: Readable) -> Iterator[_Chunk]:
    """Yield where each chunk's data lies, up to and with the last one."""
    end = stream.seek(0, 2)
    place = len(_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8:
            raise ValueError("the file ends before its last chunk")
        length, kind = struct.unpack(">I4s", head)
        if place + 12 + length > end:
            raise ValueError("the file ends within a chunk")
        yield _Chunk(kind, place + 8, length)
        if kind == b"IEND":
            return
        place += 12 + length
    raise ValueError(f"more than {_MAX_CHUNKS} chunks")


def _told(stream: Readable, chunks: list[_Chunk]) -> dict[bytes, bytes]:
    """Return the small chunks that say something about the photo; the first of each kind.

    Damaged metadata is left out; a damaged header is not.
    """
    told: dict[bytes, bytes] = {}
    for chunk in chunks:
        if chunk.kind in _TOLD_CHUNKS and chunk.kind not in told:
            try:
                told[chunk.kind] = _checked_data(stream, chunk)
            except ValueError:
                if chunk.kind in _PIXEL_CHUNKS:
                    raise
    return told


def _checked_data(stream: Readable, chunk: _Chunk) -> bytes:
    stream.seek(chunk.start)
    data = stream.read(chunk.length)
    (checksum,) = struct.unpack(">I", stream.read(4))
    if zlib.crc32(data, zlib.crc32(chunk.kind)) != checksum:
        raise ValueError(f"the checksum of its {chunk.kind.decode('latin-1')} chunk is wrong")
    return data


def _image_header(told: dict[bytes, bytes]) -> tuple[int, int, int, int]:
    if len(told.get(b"IHDR", b"")) != 13:
        raise ValueError("its IHDR chunk is missing")
    width, height, bit_depth, colour_type = struct.unpack(">IIBB", told[b"IHDR"][:10])
    return height, width, bit_depth, colour_type


def _pixels_only(stream: Readable, chunks: list[_Chunk]) -> bytes:
    """Return the PNG without metadata, its checksums verified.

    The decoders then have nothing to warn of, to turn, or to animate.
    """
    parts = [_SIGNATURE]
    for chunk in chunks:
        if chunk.kind in _PIXEL_CHUNKS:
            parts += _chunk_parts(chunk.kind, _checked_data(stream, chunk))
    return b"".join(parts)


def _chunk_parts(kind: bytes, data: bytes) -> list[bytes]:
    checksum = struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
    return [struct.pack(">I", len(data)), kind, data, checksum]


def _decode_16_bit(plain: bytes, colour_type: int, transparency: bytes | None) -> NDArray[Any]:
    pixels = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("its compressed pixels are damaged")
    if colour_type == _GREY_ALPHA:  # OpenCV repeats the grey three times
        return pixels[..., [0, 3]]
    if colour_type == _GREY:
        if not transparency:
            return pixels[..., None]
        (hidden,) = struct.unpack(">H", transparency[:2])
        return np.dstack([pixels, np.where(pixels == hidden, 0, 65535).astype(np.uint16)])
    code = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return cv2.cvtColor(pixels, code)


def _profile(data: bytes | None) -> bytes | None:
    try:
        _, packed = (data or b"").split(b"\0\0", 1)
        return zlib.decompressobj().decompress(packed, _MAX_PROFILE_BYTES)
    except (ValueError, zlib.error):
        return None


def _dpi(data: bytes | None) -> tuple[float, float] | None:
    if not data or len(data) != 9 or data[8] != 1:  # 1: the unit is the metre
        return None
    x, y = struct.unpack(">II", data[:8])
    return tidy_dpi((x * _INCH_IN_METRES, y * _INCH_IN_METRES), per_cm=False)


def encode(
    stream: Writable,
    pixels: NDArray[Any],
    *,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Write (h, w, 1 to 4) uint8 or uint16 pixels as a PNG: grey, grey + alpha, RGB or RGBA."""
    height, width, channels = pixels.shape
    bit_depth = 8 * pixels.dtype.itemsize
    header = struct.pack(">IIBBBBB", width, height, bit_depth, _COLOUR_TYPES[channels], 0, 0, 0)
    stream.write(_SIGNATURE)
    _write_chunk(stream, b"IHDR", header)
    if icc_profile:
        _write_chunk(stream, b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc_profile))
    if dpi:
        metres = [round(value / _INCH_IN_METRES) for value in dpi]
        _write_chunk(stream, b"pHYs", struct.pack(">IIB", *metres, 1))
    if exif:
        _write_chunk(stream, b"eXIf", exif)
    level, strategy = _PACKING[pixels.dtype.itemsize]
    squeeze = zlib.compressobj(level, strategy=strategy)
    for band in _filtered_bands(pixels):
        if data := squeeze.compress(band.data):
            _write_chunk(stream, b"IDAT", data)
    _write_chunk(stream, b"IDAT", squeeze.flush())
    _write_chunk(stream, b"IEND", b"")


def _write_chunk(stream: Writable, kind: bytes, data: bytes) -> None:
    for part in _chunk_parts(kind, data):
        stream.write(part)


def _filtered_bands(pixels: NDArray[Any]) -> Iterator[UInt8[np.ndarray, "rows row_bytes"]]:
    """Yield bands of rows, each row preceded by the number of its filter.

    "Up" (2) stores the difference to the row above: one subtraction, and nearly as small as
    choosing among all five filters for every row.
    """
    height, width, channels = pixels.shape
    row_bytes = width * channels * pixels.dtype.itemsize
    band_rows = max(1, _BAND_BYTES // row_bytes)
    above = np.zeros((1, row_bytes), np.uint8)
    for top in range(0, height, band_rows):
        band = np.ascontiguousarray(pixels[top : top + band_rows])
        rows = band.astype(band.dtype.newbyteorder(">"), copy=False).view(np.uint8)
        rows = rows.reshape(len(band), row_bytes)
        filtered = np.empty((len(band), 1 + row_bytes), np.uint8)
        filtered[:, 0] = 2
        filtered[:, 1:] = rows - np.concatenate([above, rows[:-1]])
        above = rows[-1:].copy()
        yield filtered
