"""The one reader of photos and masks, and the way to the one writer.

Whatever comes in, a `Photo` comes out: upright RGB in its own depth and colour space, its alpha
beside it, its metadata ready to be written again.
"""

import os
from io import BytesIO
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from maskwright.errors import ImageError, MissingExtraError, ShapeError, TrimapError
from maskwright.image import bmp, exif, heif, jpeg, png, tiff_read, webp
from maskwright.image.modes import GREY_16, Decoded, from_array, from_pillow
from maskwright.image.photo import DEFAULT_MAX_PIXELS, Header, Photo, check_pixel_count, check_type
from maskwright.image.source import open_source, reading, recognise
from maskwright.image.stream import Readable
from maskwright.image.write import write_image

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "Header",
    "Photo",
    "PhotoSource",
    "read_grey",
    "read_header",
    "read_mask",
    "read_photo",
    "write_image",
]
PhotoSource = str | os.PathLike[str] | bytes | Image.Image | NDArray[Any] | Photo
_READERS: dict[str, ModuleType] = {
    "PNG": png,
    "JPEG": jpeg,
    "TIFF": tiff_read,
    "WEBP": webp,
    "BMP": bmp,
    "HEIF": heif,
}


def read_header(source: PhotoSource) -> Header:
    """Return size, format and depth of a photo without decoding it.

    Raises:
        ImageError: If it cannot be read.
    """
    if isinstance(source, str | os.PathLike | bytes):
        with open_source(source) as (stream, name):
            return _header(stream, name)[0]
    if isinstance(source, Image.Image):
        with reading("the Pillow image"):
            size = exif.upright_size((source.height, source.width), _orientation(source))
        return Header(size, "Pillow", 16 if source.mode in GREY_16 else 8)
    photo = read_photo(source)
    return Header(photo.size, "array", photo.bit_depth)


def read_photo(source: PhotoSource, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Photo:
    """Return a photo, upright, in its own depth and colour space.

    Args:
        source: A path; a file's bytes; a Pillow image; an array (h, w), (h, w, 3) or (h, w, 4)
            of uint8, uint16, or floating point in [0, 1], RGB and straight alpha; or a photo.
        max_pixels: A file with more is refused before it is decoded.

    Raises:
        ImageError: If it is missing, damaged, foreign, or a value is not in [0, 1].
        ImageTooLargeError: If its header announces more pixels.
        MissingExtraError: If it is a HEIC and the extra is not installed.
        ShapeError: If an array has another shape.
        UsageError: If an array has another type.
    """
    if isinstance(source, Photo):
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_pillow(source, max_pixels)
    with open_source(source) as (stream, name):
        header, reader = _header(stream, name)
        check_pixel_count(name, header.size, max_pixels)
        with reading(name):
            decoded: Decoded = reader.decode(stream)
        return _finish(decoded, name)


def read_grey(
    source: PhotoSource, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> UInt[np.ndarray, "h w"]:
    """Return a picture of one channel, such as an alpha or a trimap, as uint8 or uint16.

    A colour picture whose three channels are equal counts as grey.

    Raises:
        ImageError: If its channels differ, it is floating point or partly transparent, or it
            cannot be read.
    """
    photo = read_photo(source, max_pixels=max_pixels)
    if photo.pixels.dtype.kind == "f":
        raise ImageError(f"{photo.source}: expected grey of 8 or 16 bit, got floating point")
    return _grey(photo)


def read_mask(
    source: PhotoSource, size: tuple[int, int], *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Bool[np.ndarray, "h w"]:
    """Return a mask: True on the object, where a picture is at least half as bright as white.

    Args:
        source: As for `read_photo`, in grey; or an array (h, w) of bool, or of 0 and 1.
        size: The (height, width) it must have, that of the upright photo.
        max_pixels: A file with more is refused before it is decoded.

    Raises:
        TrimapError: If it has another size, or is darker than half everywhere but not black.
        ImageError: If it is coloured or partly transparent, or cannot be read.
    """
    if isinstance(source, np.ndarray) and source.dtype == np.bool_:
        source = source.astype(np.uint8)
    photo = read_photo(source, max_pixels=max_pixels)
    if photo.size != tuple(size):
        raise TrimapError(
            f"{photo.source}: a mask must be as large as its photo, {size[1]} x {size[0]},"
            f" got {photo.size[1]} x {photo.size[0]}"
        )
    grey = _grey(photo)
    if grey.dtype.kind == "f":
        return grey >= 0.5
    full, highest = int(np.iinfo(grey.dtype).max), int(grey.max())
    if highest in {0, 1}:
        return grey == 1
    if 2 * highest < full:
        raise TrimapError(
            f"{photo.source}: a mask is white on the object, got nothing brighter than {highest}"
            f" of {full}; if these are labels, choose one and write it as white"
        )
    return grey >= full / 2


def _grey(photo: Photo) -> NDArray[Any]:
    pixels, alpha = photo.pixels, photo.alpha
    if alpha is not None and alpha.min() != alpha.max():
        raise ImageError(
            f"{photo.source}: expected a grey picture, got a partly transparent one;"
            " save it without transparency"
        )
    if (pixels[..., :2] != pixels[..., 1:]).any():
        raise ImageError(
            f"{photo.source}: expected a grey picture, got a coloured one; save it as grey"
        )
    return np.ascontiguousarray(pixels[..., 0])


def _header(stream: Readable, name: str) -> tuple[Header, ModuleType]:
    format = recognise(stream, name)
    reader = _READERS[format]
    with reading(name):
        try:
            header: Header = reader.read_header(stream)
        except MissingExtraError as error:
            raise MissingExtraError(f"{name}: {error}") from error
        if min(header.size) < 1:
            raise ValueError("its header announces no pixels")
    return header, reader


def _from_array(array: NDArray[Any]) -> Photo:
    name = "the array"
    if array.ndim not in {2, 3} or array.size == 0 or array.shape[2:] not in {(), (3,), (4,)}:
        raise ShapeError(
            f"a photo must be (h, w, 3), (h, w) or (h, w, 4), got an array of shape {array.shape}"
        )
    with np.errstate(over="ignore"):  # what is too large for float32 is refused below
        array = array.astype(
            np.float32 if array.dtype.kind == "f" else array.dtype.newbyteorder("="), copy=False
        )
    check_type(array, name)
    return _finish(from_array(array if array.ndim == 3 else array[..., None]), name)


def _from_pillow(image: Image.Image, max_pixels: int) -> Photo:
    name = "the Pillow image"
    check_pixel_count(name, (image.height, image.width), max_pixels)
    with reading(name):
        image.load()
        profile, dpi = image.info.get("icc_profile"), image.info.get("dpi")
        decoded = from_pillow(image, profile)._replace(
            icc_profile=profile,
            exif=exif.strip_prefix(image.info.get("exif")) or _exif_of_tags(image),
            orientation=_orientation(image),
            dpi=exif.tidy_dpi(dpi, per_cm=False) if dpi else None,
        )
    return _finish(decoded, name)


def _exif_of_tags(image: Image.Image) -> bytes | None:
    """Return what Pillow knows of a photo's EXIF where it came without a block, as in a TIFF."""
    tags = image.getexif()
    return exif.describe(BytesIO(tags.tobytes().removeprefix(b"Exif\0\0"))) if len(tags) else None


def _orientation(image: Image.Image) -> int:
    if isinstance(image, TiffImageFile):  # Pillow turns it upright itself
        return 1
    if block := image.info.get("exif"):
        return exif.read_orientation(block)
    value = image.getexif().get(exif.ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def _finish(decoded: Decoded, name: str) -> Photo:
    """Return the photo, turned upright, with the metadata that fits its pixels now."""
    turn, alpha, profile = decoded.orientation, decoded.alpha, decoded.icc_profile
    is_rgb = profile is not None and profile[16:20] == b"RGB " and profile[36:40] == b"acsp"
    return Photo(
        pixels=exif.turn_upright(decoded.pixels, turn),
        alpha=None if alpha is None else exif.turn_upright(alpha, turn),
        icc_profile=profile if is_rgb else None,
        exif=exif.reset(decoded.exif),
        dpi=_turned(decoded.dpi, turn),
        source=name,
    )


def _turned(dpi: tuple[float, float] | None, orientation: int) -> tuple[float, float] | None:
    return (dpi[1], dpi[0]) if dpi and orientation >= 5 else dpi
