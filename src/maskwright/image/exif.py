r"""The EXIF block of a photo: which way up it is, and what else is worth keeping.

Source of the format: CIPA DC-008, "Exchangeable image file format" (Exif 2.32).
A block here begins with its byte order, as a PNG stores it; JPEG puts `Exif\0\0` before it.
"""

import struct
from contextlib import suppress
from io import BytesIO
from math import isfinite
from typing import Any, NamedTuple, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from maskwright.image.ifd import (
    Directory,
    Entry,
    Layout,
    read_directory,
    read_layout,
    read_number,
    read_numbers,
    read_raw,
)
from maskwright.image.stream import Readable

ORIENTATION = 0x0112
DIRECTORIES = {0x8769, 0x8825}  # of the exposure, of the place
_INTEROP_DIRECTORY = 0xA005
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_THUMBNAIL_START, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_PREFIX = b"Exif\0\0"
_JPEG_START = b"\xff\xd8"
_DAMAGE = (ValueError, OverflowError, OSError, struct.error)  # a forged offset may be any
_CM_PER_INCH = 2.54
_DPI_STEP = 0.013  # a PNG counts in whole dots per metre, half of which is 0.0127 dpi
# What a TIFF file says about the photo, as opposed to how its pixels are stored.
DESCRIPTIVE = {0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, *range(0x9C9B, 0x9CA0)}
DESCRIPTIVE |= {_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT}


def turn_upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return stored pixels, (h, w) or (h, w, c), as they are meant to be seen.

    Args:
        pixels: Rows and columns as stored.
        orientation: EXIF's code: 1 is upright, 2 to 8 are turned or mirrored.
    """
    if orientation >= 5:  # the stored rows are columns
        pixels = pixels.swapaxes(0, 1)
    flip_rows = orientation in {3, 4, 7, 8}
    flip_columns = orientation in {2, 3, 6, 7}
    pixels = pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    return np.ascontiguousarray(pixels)


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the (height, width) a photo of the stored `size` has when upright."""
    return (size[1], size[0]) if orientation >= 5 else size


def read_orientation(exif: bytes | None) -> int:
    """Return EXIF's orientation, 1 to 8; 1 where it is missing or damaged."""
    value = _numbers(exif, ORIENTATION)
    return int(value[0]) if value and value[0] in range(1, 9) else 1


def read_dpi(exif: bytes | None) -> tuple[float, float] | None:
    """Return pixels per inch (horizontal, vertical), or None where EXIF does not say."""
    x, y = _numbers(exif, _X_RESOLUTION), _numbers(exif, _Y_RESOLUTION)
    unit = _numbers(exif, _RESOLUTION_UNIT) or (2,)
    return tidy_dpi((x[0], y[0]), per_cm=unit[0] == 3) if x and y and unit[0] in {2, 3} else None


def tidy_dpi(
    density: tuple[SupportsFloat, SupportsFloat], *, per_cm: bool
) -> tuple[float, float] | None:
    """Return a density in pixels per inch, without the dust of unit changes; None if senseless."""
    x, y = (_tidy(float(value) * (_CM_PER_INCH if per_cm else 1)) for value in density)
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def _tidy(dots: float) -> float:
    if not isfinite(dots):
        return 0.0
    whole = float(round(dots))
    return whole if abs(dots - whole) < _DPI_STEP else round(dots, 2)


def strip_prefix(exif: bytes | None) -> bytes | None:
    """Return the block from its byte order on, or None if it does not have one."""
    block = (exif or b"").removeprefix(_PREFIX)
    return block if block[:4] in {b"II*\0", b"MM\0*"} else None


def reset(exif: bytes | None) -> bytes | None:
    """Return the block for pixels that are upright now, or None if it is damaged.

    Only the orientation is changed, in its place, so that makers' notes stay readable; the
    thumbnail goes, for it shows the photo as it was, background and all. A pointer to a thumbnail
    that leads nowhere just goes.
    """
    block = bytearray(strip_prefix(exif) or b"")
    stream = BytesIO(block)
    try:
        layout, first = read_layout(stream)
        main = read_directory(stream, first, layout)
        if main.next:
            _blank_thumbnail(block, _next_directory(stream, main, layout), layout)
            block[main.end : main.end + 4] = bytes(4)
    except ValueError:
        return None
    if (entry := main.entries.get(ORIENTATION)) and entry.length <= 4:
        code = {1: "B", 3: "H", 4: "I"}.get(entry.type, "H")
        struct.pack_into(layout.order + code, block, entry.start, 1)
    return bytes(block)


def describe(stream: Readable) -> bytes | None:
    """Return an EXIF block with what a TIFF file says about its photo, or None if nothing."""
    try:
        layout, first = read_layout(stream)
        return _rewrite(stream, read_directory(stream, first, layout), layout)
    except _DAMAGE:
        return None


def with_dpi(exif: bytes | None, dpi: tuple[float, float] | None) -> bytes | None:
    """Return the block with these pixels per inch, a new one if there is none.

    A new main directory is put at the end; nothing else moves.
    """
    if dpi is None or read_dpi(exif) == dpi:
        return exif
    block = bytearray(exif or _empty("<"))
    stream = BytesIO(block)
    try:
        layout, first = read_layout(stream)
        entries = read_directory(stream, first, layout).entries if exif else {}
        rows = {row.tag: row for row in _rows(stream, entries)}
    except ValueError:
        return exif
    order = layout.order
    for tag, value in zip((_X_RESOLUTION, _Y_RESOLUTION), dpi, strict=True):
        rows[tag] = _Row(tag, 5, 1, struct.pack(order + "II", round(value * 1000), 1000))
    rows[_RESOLUTION_UNIT] = _Row(_RESOLUTION_UNIT, 3, 1, struct.pack(order + "H", 2))
    block += bytes(len(block) % 2)
    struct.pack_into(order + "I", block, 4, len(block))
    _append(block, list(rows.values()), order)
    return bytes(block)


def _empty(order: str) -> bytes:
    """Return the beginning of a block, its main directory to follow at once."""
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)


def _numbers(exif: bytes | None, tag: int) -> tuple[float | int, ...]:
    stream = BytesIO(strip_prefix(exif) or b"")
    try:
        layout, first = read_layout(stream)
        return read_numbers(stream, read_directory(stream, first, layout).entries[tag], layout)
    except (KeyError, ValueError):
        return ()


def _next_directory(stream: Readable, main: Directory, layout: Layout) -> Directory:
    """Return the directory behind the main one, an empty one if there is none at its offset."""
    try:
        return read_directory(stream, main.next, layout)
    except ValueError:
        return Directory({}, 0, 0)


def _blank_thumbnail(block: bytearray, directory: Directory, layout: Layout) -> None:
    stream = BytesIO(block)
    entries = directory.entries
    if _THUMBNAIL_START in entries and _THUMBNAIL_LENGTH in entries:
        start = read_number(stream, entries[_THUMBNAIL_START], layout)
        length = read_number(stream, entries[_THUMBNAIL_LENGTH], layout)
        length = min(length, len(block) - start)
        if block[start : start + 2] == _JPEG_START and length > 0:  # else the tags are damaged
            block[start : start + length] = bytes(length)


def _rewrite(stream: Readable, directory: Directory, layout: Layout) -> bytes | None:
    main = {tag: entry for tag, entry in directory.entries.items() if tag in DESCRIPTIVE}
    children = {}
    for tag in DIRECTORIES:
        if tag in directory.entries:
            # A pointer that leads nowhere costs what it points to, and nothing else.
            with suppress(*_DAMAGE):
                at = read_number(stream, directory.entries[tag], layout)
                children[tag] = _rows(stream, read_directory(stream, at, layout).entries)
    if not main and not children:
        return None
    order = layout.order
    block = bytearray(_empty(order))
    pointers = [_Row(tag, 4, 1, bytes(4)) for tag in children]
    places = _append(block, _rows(stream, main) + pointers, order)
    for tag, rows in children.items():
        struct.pack_into(order + "I", block, places[tag], len(block))
        _append(block, rows, order)
    return bytes(block)


class _Row(NamedTuple):
    tag: int
    type: int
    length: int
    raw: bytes


def _rows(stream: Readable, entries: dict[int, Entry]) -> list[_Row]:
    return [
        _Row(tag, entry.type, entry.count, read_raw(stream, entry))
        for tag, entry in entries.items()
        if entry.type <= 12 and tag != _INTEROP_DIRECTORY  # neither BigTIFF's nor pointers
    ]


def _append(block: bytearray, rows: list[_Row], order: str) -> dict[int, int]:
    """Append a directory to `block`; return where each tag's four-byte field stands."""
    start = len(block)
    values = start + 2 + 12 * len(rows) + 4
    block += struct.pack(order + "H", len(rows)) + bytes(12 * len(rows) + 4)
    places = {}
    for i, row in enumerate(sorted(rows)):
        at = start + 2 + 12 * i
        places[row.tag] = at + 8
        struct.pack_into(order + "HHI", block, at, row.tag, row.type, row.length)
        if len(row.raw) <= 4:
            block[at + 8 : at + 8 + len(row.raw)] = row.raw
        else:
            struct.pack_into(order + "I", block, at + 8, values)
            block += row.raw + bytes(len(row.raw) % 2)
            values = len(block)
    return places
