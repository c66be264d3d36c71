"""TIFF, written: 8, 16 bit or floating point, deflate, with colour profile, DPI and EXIF.

Source of the format: Adobe, "TIFF, Revision 6.0" (1992), and its Technical Note on deflate
(2002). An EXIF block is itself laid out like a TIFF file, with offsets from its beginning. So it
is written first, where its directories stay valid, and the directory of the picture, at the end,
points to them.
"""

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from maskwright.errors import OutputError
from maskwright.image.exif import DESCRIPTIVE, DIRECTORIES
from maskwright.image.ifd import Layout, read_directory, read_layout, read_raw
from maskwright.image.stream import Writable

_SHORT, _LONG, _RATIONAL, _UNDEFINED = 3, 4, 5, 7
_DEFLATE = 8
_LEVELS = {1: 4, 2: 1, 4: 1}  # the low bytes of deep pixels are noise: more effort is wasted
_STRIP_BYTES = 1 << 20
_STRAIGHT_ALPHA = 2
_MAX_BYTES = 2**32 - 1
_Value = tuple[int, int, bytes]  # type, count, value


def encode(
    stream: Writable,
    pixels: NDArray[Any],
    *,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
    extra: Mapping[int, bytes] | None = None,
) -> None:
    """Write (h, w, 1 to 4) pixels, uint8, uint16 or float32: grey or RGB, without or with alpha.

    Args:
        stream: A binary file.
        pixels: What to write.
        icc_profile: The colour profile, or None.
        exif: An EXIF block, whose byte order becomes that of the file, or None.
        dpi: Pixels per inch (horizontal, vertical), or None.
        extra: Tags of no type, and what they hold.

    Raises:
        OutputError: If the file would be larger than the 4 GiB a TIFF can have.
    """
    layout, described = _described(exif)
    order = layout.order
    head = exif if exif and described else (b"II*\0" if order == "<" else b"MM\0*") + bytes(4)
    stream.write(head)
    stream.write(bytes(len(head) % 2))
    end = len(head) + len(head) % 2
    strip_rows = _strip_rows(pixels)
    starts, lengths = [], []
    for top in range(0, pixels.shape[0], strip_rows):
        packed = _pack(pixels[top : top + strip_rows], order)
        stream.write(packed)
        starts.append(end)
        lengths.append(len(packed))
        end += len(packed)
        if end > _MAX_BYTES:
            raise OutputError("a TIFF holds at most 4 GiB, got more; write a smaller picture")
    stream.write(bytes(end % 2))
    end += end % 2
    table = described | _picture_tags(pixels, strip_rows, order)
    table |= _metadata_tags(icc_profile, dpi, order)
    table |= {tag: (_UNDEFINED, len(value), value) for tag, value in (extra or {}).items()}
    table |= {273: _longs(starts, order), 279: _longs(lengths, order)}
    _write_directory(stream, table, order, at=end)
    stream.seek(4)
    stream.write(struct.pack(order + "I", end))


def byte_order(exif: bytes | None) -> str:
    """Return "<" or ">", the byte order of a file with this EXIF block."""
    return _described(exif)[0].order


def _described(exif: bytes | None) -> tuple[Layout, dict[int, _Value]]:
    """Return the byte order of an EXIF block, and of its main entries those a TIFF may repeat."""
    if not exif:
        return Layout("<"), {}
    block = BytesIO(exif)
    try:
        layout, first = read_layout(block)
        entries = read_directory(block, first, layout).entries
        kept = {tag: e for tag, e in entries.items() if tag in DESCRIPTIVE | DIRECTORIES}
        values = {tag: (e.type, e.count, read_raw(block, e)) for tag, e in kept.items()}
    except ValueError:
        return Layout("<"), {}
    return layout, values


def _strip_rows(pixels: NDArray[Any]) -> int:
    return max(1, _STRIP_BYTES // (pixels[:1].nbytes))


def _pack(rows: NDArray[Any], order: Literal["<", ">"]) -> bytes:
    if rows.dtype.kind == "u":  # differences along the row pack better; not so for floats
        first = np.zeros_like(rows[:, :1])
        rows = np.diff(rows, axis=1, prepend=first)
    data = np.ascontiguousarray(rows.astype(rows.dtype.newbyteorder(order), copy=False))
    return zlib.compress(data.data, _LEVELS[data.dtype.itemsize])


def _picture_tags(pixels: NDArray[Any], strip_rows: int, order: str) -> dict[int, _Value]:
    height, width, channels = pixels.shape
    is_float = pixels.dtype.kind == "f"
    tags = {
        256: _longs([width], order),
        257: _longs([height], order),
        258: _shorts([8 * pixels.dtype.itemsize] * channels, order),
        259: _shorts([_DEFLATE], order),
        262: _shorts([2 if channels >= 3 else 1], order),
        274: _shorts([1], order),
        277: _shorts([channels], order),
        278: _longs([strip_rows], order),
        284: _shorts([1], order),
        317: _shorts([1 if is_float else 2], order),
        339: _shorts([3 if is_float else 1] * channels, order),
    }
    if channels in {2, 4}:
        tags[338] = _shorts([_STRAIGHT_ALPHA], order)
    return tags


def _metadata_tags(
    icc_profile: bytes | None, dpi: tuple[float, float] | None, order: str
) -> dict[int, _Value]:
    tags: dict[int, _Value] = {}
    if dpi:
        for tag, value in zip((282, 283), dpi, strict=True):
            ratio = struct.pack(order + "II", round(value * 1000), 1000)
            tags[tag] = (_RATIONAL, 1, ratio)
        tags[296] = _shorts([2], order)
    if icc_profile:
        tags[34675] = (_UNDEFINED, len(icc_profile), icc_profile)
    return tags


def _shorts(values: list[int], order: str) -> _Value:
    return _SHORT, len(values), struct.pack(f"{order}{len(values)}H", *values)


def _longs(values: list[int], order: str) -> _Value:
    return _LONG, len(values), struct.pack(f"{order}{len(values)}I", *values)


def _write_directory(stream: Writable, table: dict[int, _Value], order: str, *, at: int) -> None:
    """Write the directory at the even offset `at`, the longer values behind it."""
    values_at = at + 2 + 12 * len(table) + 4
    rows, values = b"", b""
    for tag, (type, count, value) in sorted(table.items()):
        rows += struct.pack(order + "HHI", tag, type, count)
        if len(value) <= 4:
            rows += value.ljust(4, b"\0")
        else:
            rows += struct.pack(order + "I", values_at + len(values))
            values += value + bytes(len(value) % 2)
    if values_at + len(values) > _MAX_BYTES:
        raise OutputError("a TIFF holds at most 4 GiB, got more; write a smaller picture")
    stream.write(struct.pack(order + "H", len(table)) + rows + bytes(4) + values)
