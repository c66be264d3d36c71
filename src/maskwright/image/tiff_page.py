"""The first page of a TIFF: how its pixels are stored, and where.

Source of the format: Adobe, "TIFF, Revision 6.0" (1992); the numbers are its codes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from maskwright.image.exif import ORIENTATION
from maskwright.image.ifd import Directory, Layout, read_directory, read_layout, read_numbers
from maskwright.image.stream import Readable

NOT_PACKED, LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 8, 32946, 32773
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK = 0, 1, 2, 5
PLAIN_COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3}  # and how many channels they have
_PLAIN_PACKING = {NOT_PACKED, LZW, DEFLATE, OLD_DEFLATE, PACKBITS}
_MAX_SEGMENT_PIXELS = 1 << 24
_MAX_CHANNELS = 8


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
        if self.photometric not in PLAIN_COLOURS or max(self.bits) < 8:
            return False
        return max(self.bits) > 8 or self.compression in _PLAIN_PACKING


class Segment(NamedTuple):
    """A strip or tile: the rows, columns and channels it covers, and where its data lies."""

    top: int
    left: int
    rows: int
    channels: slice
    start: int
    length: int


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
    orientation = numbers(ORIENTATION, (1,))[0]
    photometric = numbers(262, (-1,))[0]
    colours = {RGB: 3, CMYK: 4}.get(photometric, 1)
    return Page(
        layout=layout,
        directory=directory,
        size=(height, width),
        bits=bits,
        sample_format=numbers(339, (1,))[0],
        photometric=photometric,
        compression=numbers(259, (NOT_PACKED,))[0],
        predictor=numbers(317, (1,))[0],
        has_reversed_bits=numbers(266, (1,))[0] == 2,
        is_planar=numbers(284, (1,))[0] == 2 and channels > 1,
        extra=numbers(338, ()) if channels > colours else (),
        orientation=orientation if 1 <= orientation <= 8 else 1,
        segment=(numbers(323, (0,))[0], numbers(322, (0,))[0]) if is_tiled else (rows, width),
        is_tiled=is_tiled,
    )


def read_segments(stream: Readable, page: Page) -> Iterator[Segment]:
    """Yield the strips or tiles, plane by plane, row by row.

    Raises:
        ValueError: If they do not cover the page exactly, or reach beyond the end of the file.
    """
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
    end = stream.seek(0, 2)
    if any(start + length > end for start, length in zip(starts, lengths, strict=True)):
        raise ValueError("the file ends within its pixels")
    corners = product(planes, range(0, height, rows), range(0, width, columns))
    for (plane, top, left), start, length in zip(corners, starts, lengths, strict=True):
        stored_rows = rows if page.is_tiled else min(rows, height - top)
        yield Segment(top, left, stored_rows, plane, int(start), int(length))
