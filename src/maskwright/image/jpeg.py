"""JPEG: grey, colour, and the CMYK of printers; coded by Pillow, its segments read here.

Source of the format: ITU-T T.81 (1992) and T.871 (JFIF, 2011); ICC.1:2022, annex B.4.
"""

import logging
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from maskwright.errors import OutputError
from maskwright.image.exif import (
    read_dpi,
    read_orientation,
    strip_prefix,
    tidy_dpi,
    upright_size,
    with_dpi,
)
from maskwright.image.modes import Decoded, from_pillow
from maskwright.image.photo import Header
from maskwright.image.stream import Readable, Writable

_START = b"\xff\xd8"
_SCAN, _APP0, _APP1, _APP2, _APP14, _COMMENT = 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = {0x00, 0x01, *range(0xD0, 0xD9)}  # markers without a length
_METADATA = {_COMMENT, *range(0xE0, 0xF0)} - {_APP0, _APP14}  # those two tell the colour space
_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"
_QUALITY = 95
_MAX_SIDE = 65_535
_MAX_DENSITY = 65_535  # of JFIF, in whole dots per inch
_MAX_SEGMENT = 65_533  # bytes that one segment can hold


class _Segment(NamedTuple):
    """A marker, where it stands, and the bytes that belong to it."""

    marker: int
    start: int
    payload: bytes


def read_header(stream: Readable) -> Header:
    """Return the header of a JPEG.

    Raises:
        ValueError: If it is damaged.
    """
    segments = list(_segments(_read(stream)))
    frame = next((s.payload for s in segments if s.marker in _FRAMES), b"")
    if len(frame) < 6:
        raise ValueError("its frame header is missing")
    size = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    return Header(upright_size(size, read_orientation(_exif(segments))), "JPEG", frame[0])


def decode(stream: Readable) -> Decoded:
    """Return the pixels of a JPEG as stored, of the first one where there are several.

    Raises:
        ValueError: If a segment is damaged.
        OSError: If the pixels are.
    """
    data = _read(stream)
    segments = list(_segments(data))
    # The class itself and not Image.open: nothing but a JPEG is tried.
    image = JpegImageFile(BytesIO(_pixels_only(data, segments)))
    image.load()
    profile, block = _profile(segments), _exif(segments)
    return from_pillow(image, profile)._replace(
        icc_profile=profile,
        exif=block,
        orientation=read_orientation(block),
        dpi=_dpi(segments) or read_dpi(block),
    )


def encode(
    stream: Writable,
    pixels: NDArray[Any],
    *,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Write (h, w, 1 or 3) uint8 pixels, grey or RGB, as a JPEG of quality 95 without subsampling.

    A density that JFIF cannot hold is written into the EXIF block instead.

    Raises:
        OutputError: If there is an alpha, or a side is too long.
    """
    if pixels.shape[2] in {2, 4}:
        raise OutputError(
            "a JPEG has no transparency, got an alpha;"
            " write a PNG, TIFF or WebP, or put a colour behind it with --background"
        )
    if max(pixels.shape) > _MAX_SIDE:
        raise OutputError(
            f"a JPEG has sides of at most {_MAX_SIDE} pixels, got {max(pixels.shape)}; write a PNG"
        )
    if dpi and round(max(dpi)) > _MAX_DENSITY:
        exif, dpi = with_dpi(exif, dpi), None
    block = _EXIF + exif if exif else b""
    if len(block) > _MAX_SEGMENT:
        logging.getLogger(__name__).info("EXIF of %d bytes does not fit into a JPEG", len(block))
        block = b""
    options = {"icc_profile": icc_profile, "exif": block, "dpi": dpi}
    Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(
        stream,
        "JPEG",
        quality=_QUALITY,
        subsampling="4:4:4",
        **{name: value for name, value in options.items() if value},
    )


def _read(stream: Readable) -> bytes:
    stream.seek(0)
    return stream.read()


def _segments(data: bytes) -> Iterator[_Segment]:
    """Yield the segments before the compressed pixels, and at last the start of these."""
    place = len(_START)
    while True:
        place = data.find(b"\xff", place)
        start = place
        while place >= 0 and data[place : place + 1] == b"\xff":  # any number may stand there
            place += 1
        head = data[place : place + 3]
        if place < 0 or len(head) < 3:
            raise ValueError("the file ends before its pixels")
        if head[0] in _BARE:
            continue
        length = int.from_bytes(head[1:], "big")
        payload = data[place + 3 : place + 1 + length]
        if len(payload) != length - 2:
            raise ValueError("the file ends within a segment")
        yield _Segment(head[0], start, payload)
        if head[0] == _SCAN:
            return
        place += 1 + length


def _pixels_only(data: bytes, segments: list[_Segment]) -> bytes:
    """Return the JPEG without metadata: Pillow then has nothing to warn of."""
    kept = [
        b"\xff" + bytes([s.marker]) + (len(s.payload) + 2).to_bytes(2, "big") + s.payload
        for s in segments[:-1]
        if s.marker not in _METADATA
    ]
    return b"".join([_START, *kept, data[segments[-1].start :]])


def _exif(segments: list[_Segment]) -> bytes | None:
    parts = [s.payload for s in segments if s.marker == _APP1 and s.payload.startswith(_EXIF)]
    return strip_prefix(b"".join(part.removeprefix(_EXIF) for part in parts))


def _profile(segments: list[_Segment]) -> bytes | None:
    """Return the profile put together from its numbered parts, or None if one is missing."""
    parts = [
        s.payload.removeprefix(_ICC)
        for s in segments
        if s.marker == _APP2 and s.payload.startswith(_ICC)
    ]
    parts = sorted(part for part in parts if len(part) > 2)
    numbers = [(part[0], part[1]) for part in parts]
    if not parts or numbers != [(i + 1, len(parts)) for i in range(len(parts))]:
        return None
    return b"".join(part[2:] for part in parts)


def _dpi(segments: list[_Segment]) -> tuple[float, float] | None:
    for segment in segments:
        if segment.marker == _APP0 and segment.payload.startswith(b"JFIF\0"):
            unit = segment.payload[7:8]
            x, y = (int.from_bytes(segment.payload[at : at + 2], "big") for at in (8, 10))
            return tidy_dpi((x, y), per_cm=unit == b"\2") if unit in {b"\1", b"\2"} else None
    return None
