"""WebP, read and written by Pillow; its header is read here, before Pillow makes room for it.

Source of the format: RFC 9649, "WebP Image Format" (2024).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from maskwright.errors import OutputError
from maskwright.image import exif
from maskwright.image.exif import with_dpi
from maskwright.image.modes import Decoded, from_pillow
from maskwright.image.photo import Header
from maskwright.image.quiet import without_pillows_limit
from maskwright.image.stream import Readable, Writable

_QUALITY = 95
_MAX_SIDE = 16_383
_MAX_CHUNKS = 4096


def read_header(stream: Readable) -> Header:
    """Return the header of a WebP.

    Raises:
        ValueError: If it is damaged.
    """
    orientation, size = 1, _canvas(stream)
    for kind, start, length in _chunks(stream):
        if kind == b"EXIF":
            stream.seek(start)
            orientation = exif.read_orientation(stream.read(length))
    return Header(exif.upright_size(size, orientation), "WEBP", 8)


def decode(stream: Readable) -> Decoded:
    """Return the pixels of a WebP, the first one of an animation, and its metadata.

    Raises:
        OSError: If it is damaged.
    """
    size = _canvas(stream)
    stream.seek(0)
    with without_pillows_limit(size):
        image = WebPImageFile(stream)
    image.load()
    profile = image.info.get("icc_profile")
    block = exif.strip_prefix(image.info.get("exif"))
    return from_pillow(image, profile)._replace(
        icc_profile=profile,
        exif=block,
        orientation=exif.read_orientation(block),
        dpi=exif.read_dpi(block),
    )


def encode(
    stream: Writable,
    pixels: NDArray[Any],
    *,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Write (h, w, 1, 3 or 4) uint8 pixels as a WebP, without loss unless they are plain RGB.

    A WebP has no field of its own for `dpi`, so it goes into the EXIF block.

    Raises:
        OutputError: If a side is too long.
    """
    if max(pixels.shape) > _MAX_SIDE:
        raise OutputError(
            f"a WebP has sides of at most {_MAX_SIDE} pixels, got {max(pixels.shape)}; write a PNG"
        )
    channels = pixels.shape[2]
    image = Image.fromarray(pixels if channels >= 3 else np.repeat(pixels[..., :1], 3, axis=2))
    if channels == 2:
        image.putalpha(Image.fromarray(pixels[..., 1]))
    lossless = channels != 3
    image.save(
        stream,
        "WEBP",
        lossless=lossless,
        exact=True,
        quality=75 if lossless else _QUALITY,  # when lossless: the effort spent
        icc_profile=icc_profile or b"",
        exif=with_dpi(exif, dpi) or b"",
    )


def _chunks(stream: Readable) -> list[tuple[bytes, int, int]]:
    """Return kind, start and length of each chunk."""
    chunks: list[tuple[bytes, int, int]] = []
    place = 12
    end = stream.seek(0, 2)
    while place + 8 <= end and len(chunks) < _MAX_CHUNKS:
        stream.seek(place)
        head = stream.read(8)
        length = int.from_bytes(head[4:], "little")
        chunks.append((head[:4], place + 8, min(length, end - place - 8)))
        place += 8 + length + length % 2
    return chunks


def _canvas(stream: Readable) -> tuple[int, int]:
    """Return (height, width) as the first chunk has it."""
    stream.seek(12)
    head = stream.read(8 + 10)
    kind, data = head[:4], head[8:]
    if len(data) == 10:
        if kind == b"VP8X":
            return _int(data[7:10]) + 1, _int(data[4:7]) + 1
        if kind == b"VP8L" and data[0] == 0x2F:
            bits = _int(data[1:5])
            return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
        if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
            return _int(data[8:10]) & 0x3FFF, _int(data[6:8]) & 0x3FFF
    raise ValueError("its first chunk is damaged")


def _int(data: bytes) -> int:
    return int.from_bytes(data, "little")
