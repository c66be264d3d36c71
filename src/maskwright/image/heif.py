"""HEIC, the photos of telephones, read by the extra `heif`; 10 and 12 bit become 16."""

from typing import Any

import numpy as np

from maskwright.errors import MissingExtraError
from maskwright.image.exif import read_dpi, strip_prefix
from maskwright.image.modes import Decoded, from_array
from maskwright.image.photo import Header
from maskwright.image.stream import Readable


def read_header(stream: Readable) -> Header:
    """Return the header of a HEIC.

    Raises:
        MissingExtraError: If the extra is not installed.
        ValueError: If it is damaged.
    """
    image = _open(stream)
    width, height = image.size
    return Header((height, width), "HEIF", 16 if ";16" in image.mode else 8)


def decode(stream: Readable) -> Decoded:
    """Return the pixels of a HEIC's main picture, and its metadata.

    Raises:
        MissingExtraError: If the extra is not installed.
        ValueError: If it is damaged.
    """
    image = _open(stream)
    pixels = np.array(image)
    block = strip_prefix(image.info.get("exif"))
    # The orientation in EXIF does not count: a HEIC says elsewhere how to turn it, and libheif has.
    return from_array(pixels if pixels.ndim == 3 else pixels[..., None])._replace(
        icc_profile=image.info.get("icc_profile"),
        exif=block,
        dpi=read_dpi(block),
    )


def _open(stream: Readable) -> Any:
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError(
            "reading HEIC needs an extra that is not installed; run: pip install 'maskwright[heif]'"
        ) from error
    stream.seek(0)
    return pillow_heif.open_heif(stream, convert_hdr_to_8bit=False)
