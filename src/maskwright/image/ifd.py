"""Directories of tags, as they stand in TIFF files and in EXIF blocks.

Source of the format: Adobe, "TIFF, Revision 6.0" (1992), section 2; BigTIFF as in libtiff.
Values are kept as raw bytes in the byte order of the file, so that they survive unread.
"""

import struct
from dataclasses import dataclass
from typing import Literal, NamedTuple

from maskwright.image.stream import Readable

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I"}
_CODES |= {16: "Q", 17: "q", 18: "Q"}
_RATIONALS = {5: "I", 10: "i"}
_MAX_ENTRIES = 4096


class Layout(NamedTuple):
    """Byte order ("<" or ">") of a file, and whether its offsets have 64 bits."""

    order: Literal["<", ">"]
    is_big: bool = False


@dataclass(frozen=True)
class Entry:
    """One tag: its type and count, and where its value lies.

    Args:
        type: 1 to 13 as in TIFF 6.0, 16 to 18 as in BigTIFF.
        count: How many values of that type.
        start: Offset of the value in the stream, in bytes.
    """

    type: int
    count: int
    start: int

    @property
    def length(self) -> int:
        """Length of the value in bytes."""
        return _SIZES[self.type] * self.count


class Directory(NamedTuple):
    """The tags of one directory, and the offset of the next one (0 for none)."""

    entries: dict[int, Entry]
    next: int
    end: int


def read_layout(stream: Readable) -> tuple[Layout, int]:
    """Return the layout of a TIFF file or EXIF block, and the offset of its first directory.

    Raises:
        ValueError: If it does not begin like one.
    """
    stream.seek(0)
    head = stream.read(16)
    order: Literal["<", ">"] = "<" if head[:2] == b"II" else ">"
    if head[:4] in {b"II*\0", b"MM\0*"}:
        return Layout(order), _unpack(order + "I", head[4:8])[0]
    if head[:4] in {b"II+\0", b"MM\0+"}:
        return Layout(order, is_big=True), _unpack(order + "Q", head[8:16])[0]
    raise ValueError("no TIFF byte order at its beginning")


def read_directory(stream: Readable, offset: int, layout: Layout) -> Directory:
    """Return the directory at `offset`; entries of unknown types are left out.

    Raises:
        ValueError: If it is cut off or absurdly long.
    """
    order, is_big = layout
    stream.seek(offset)
    count = _unpack(order + ("Q" if is_big else "H"), stream.read(8 if is_big else 2))[0]
    if count > _MAX_ENTRIES:
        raise ValueError(f"a directory of {count} tags")
    start, step = stream.tell(), 20 if is_big else 12
    table = stream.read(count * step)
    following = stream.read(8 if is_big else 4)
    if len(table) < count * step:
        raise ValueError("the file ends within its tags")
    entries = {}
    for i in range(count):
        tag, type, values = _unpack(order + ("HHQ" if is_big else "HHI"), table[i * step :])
        if type not in _SIZES:
            continue
        place, room = i * step + step - (8 if is_big else 4), 8 if is_big else 4
        if _SIZES[type] * values <= room:
            at = start + place
        else:
            at = _unpack(order + ("Q" if is_big else "I"), table[place:])[0]
        entries[tag] = Entry(type, values, at)
    size = 8 if is_big else 4
    has_next = len(following) == size
    next_offset = _unpack(order + ("Q" if is_big else "I"), following)[0] if has_next else 0
    return Directory(entries, next_offset, start + len(table))


def read_raw(stream: Readable, entry: Entry) -> bytes:
    """Return the value of a tag as it is stored.

    Raises:
        ValueError: If the file ends before it does.
    """
    end = stream.seek(0, 2)
    if entry.start + entry.length > end:  # checked first: a forged count must not cost memory
        raise ValueError("the file ends within a tag")
    stream.seek(entry.start)
    return stream.read(entry.length)


def read_numbers(stream: Readable, entry: Entry, layout: Layout) -> tuple[float | int, ...]:
    """Return the values of a numeric tag; a ratio with denominator 0 is 0.

    Raises:
        ValueError: If the tag is a text, or the file ends before it does.
    """
    raw = read_raw(stream, entry)
    if entry.type in _RATIONALS:
        parts = _unpack(f"{layout.order}{2 * entry.count}{_RATIONALS[entry.type]}", raw)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return tuple(top / bottom if bottom else 0.0 for top, bottom in pairs)
    if entry.type not in _CODES:
        raise ValueError("a text where numbers belong")
    return _unpack(f"{layout.order}{entry.count}{_CODES[entry.type]}", raw)


def read_number(stream: Readable, entry: Entry, layout: Layout) -> int:
    """Return the first value of a numeric tag as an integer.

    Raises:
        ValueError: If there is none.
    """
    values = read_numbers(stream, entry, layout)
    if not values:
        raise ValueError("a tag without a value")
    return int(values[0])


def _unpack(format: str, data: bytes) -> tuple[int, ...]:
    size = struct.calcsize(format)
    if len(data) < size:
        raise ValueError("the file ends within its tags")
    return struct.unpack(format, data[:size])
