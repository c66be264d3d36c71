"""JPEG, read and written by Pillow: grey, colour, and the CMYK of printers."""

from typing import Any

from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from maskwright.errors import OutputError
from maskwright.image import exif
from maskwright.image.modes import Decoded, from_pillow
from maskwright.image.photo import Header
from maskwright.image.quiet import quiet_pillow
from maskwright.image.stream import Readable, Writable

_QUALITY = 95
_MAX_SIDE = 65_535
_MAX_SEGMENT = 65_533  # bytes of EXIF that one segment can hold


def read_header(stream: Readable) -> Header:
    """Return the header of a JPEG.

    Raises:
        SyntaxError: If it is damaged.
    """
    image = _open(stream)
    orientation = exif.read_orientation(image.info.get("exif"))
    return Header(exif.upright_size((image.height, image.width), orientation), "JPEG", 8)


def decode(stream: Readable) -> Decoded:
    """Return the pixels of a JPEG as stored, and its metadata.

    Raises:
        OSError: If it is damaged.
    """
    image = _open(stream)
    image.load()
    profile = image.info.get("icc_profile")
    block = exif.strip_prefix(image.info.get("exif"))
    return from_pillow(image, profile)._replace(
        icc_profile=profile,
        exif=block,
        orientation=exif.read_orientation(block),
        dpi=_dpi(image),
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
    options = {
        "icc_profile": icc_profile,
        "exif": b"Exif\0\0" + exif if exif and len(exif) + 6 <= _MAX_SEGMENT else None,
        "dpi": dpi,
    }
    Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(
        stream,
        "JPEG",
        quality=_QUALITY,
        subsampling="4:4:4",
        **{name: value for name, value in options.items() if value},
    )


def _open(stream: Readable) -> Image.Image:
    stream.seek(0)
    with quiet_pillow():
        # The class itself and not Image.open: nothing but a JPEG is tried, and of a file with
        # several pictures (MPO) the first is read.
        return JpegImageFile(stream)


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    unit = image.info.get("jfif_unit", 0)
    if unit in {1, 2}:
        return exif.tidy_dpi(image.info["jfif_density"], per_cm=unit == 2)
    return exif.read_dpi(image.info.get("exif"))
