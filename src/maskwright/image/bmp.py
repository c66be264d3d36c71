"""BMP, read by Pillow."""

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile

from maskwright.image.exif import tidy_dpi
from maskwright.image.modes import Decoded, from_pillow
from maskwright.image.photo import Header
from maskwright.image.stream import Readable


def read_header(stream: Readable) -> Header:
    """Return the header of a BMP.

    Raises:
        OSError: If it is damaged.
    """
    image = _open(stream)
    return Header((image.height, image.width), "BMP", 8)


def decode(stream: Readable) -> Decoded:
    """Return the pixels of a BMP, and its metadata.

    Raises:
        OSError: If it is damaged.
    """
    image = _open(stream)
    image.load()
    dpi = tidy_dpi(image.info.get("dpi", (0, 0)), per_cm=False)
    return from_pillow(image, None)._replace(dpi=dpi)


def _open(stream: Readable) -> Image.Image:
    stream.seek(0)
    return BmpImageFile(stream)
