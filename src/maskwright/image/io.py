"""The one reader of photos and masks, and the way to the one writer.

Whatever comes in, a `Photo` comes out: upright RGB in its own depth and colour space, its alpha
beside it, its metadata ready to be written again.
"""

import os
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Bool, UInt
from numpy.typing import NDArray
from PIL import Image

from maskwright.errors import ImageError, MissingExtraError, ShapeError, TrimapError
from maskwright.image import bmp, exif, heif, jpeg, png, tiff_read, webp
from maskwright.image.modes import Decoded, from_array, from_pillow
from maskwright.image.photo import DEFAULT_MAX_PIXELS, Header, Photo, check_pixel_count, check_type
from maskwright.image.quiet import quiet_pillow
from maskwright.image.source import open_source, reading, recognise
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
        with quiet_pillow():
            orientation = source.getexif().get(exif.ORIENTATION, 1)
        size = exif.upright_size((source.height, source.width), orientation)
        return Header(size, "Pillow", 16 if source.mode.startswith("I;16") else 8)
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

    A colour picture whose three channels are equal counts as grey; an alpha is ignored.

    Raises:
        ImageError: If the channels differ, it is floating point, or it cannot be read.
    """
    photo = read_photo(source, max_pixels=max_pixels)
    pixels = photo.pixels
    if pixels.dtype.kind == "f":
        raise ImageError(f"{photo.source}: expected grey of 8 or 16 bit, got floating point")
    if (pixels[..., 0] != pixels[..., 1]).any() or (pixels[..., 0] != pixels[..., 2]).any():
        raise ImageError(
            f"{photo.source}: expected a grey picture, got a coloured one; save it as grey"
        )
    return np.ascontiguousarray(pixels[..., 0])


def read_mask(
    source: PhotoSource | NDArray[np.bool_],
    size: tuple[int, int],
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Bool[np.ndarray, "h w"]:
    """Return a mask, True on the object: a bool array, or a picture of black and white.

    Any value but the full scale and 0 is refused, for a soft edge is not a mask.

    Args:
        source: As for `read_photo`, or bool (h, w), or uint8 (h, w) of 0 and 1.
        size: The (height, width) it must have, that of the upright photo.
        max_pixels: A file with more is refused before it is decoded.

    Raises:
        TrimapError: If it has another size or other values.
        ImageError: If it cannot be read.
    """
    if isinstance(source, np.ndarray) and source.dtype == np.bool_:
        mask: NDArray[Any] = source
        if mask.ndim != 2:
            raise ShapeError(f"a mask must be (h, w), got an array of shape {mask.shape}")
        name = "the mask"
    else:
        photo = read_photo(source, max_pixels=max_pixels)
        name = photo.source
        mask = read_grey(photo)
        mask = _binary(mask, name)
    if mask.shape != size:
        raise TrimapError(
            f"{name}: a mask must be as large as its photo, {size[1]} x {size[0]},"
            f" got {mask.shape[1]} x {mask.shape[0]}"
        )
    return mask.astype(bool, copy=False)


def _binary(grey: NDArray[Any], name: str) -> NDArray[np.bool_]:
    full = np.iinfo(grey.dtype).max
    highest = grey.max()
    top = 1 if highest == 1 else full
    if ((grey != 0) & (grey != top)).any():
        raise TrimapError(
            f"{name}: a mask holds only 0 (background) and {full} (object), got other values;"
            " give soft edges as a trimap, or cut them at half"
        )
    return grey == top


def _header(stream: BinaryIO, name: str) -> tuple[Header, ModuleType]:
    format = recognise(stream, name)
    reader = _READERS[format]
    with reading(name):
        try:
            return reader.read_header(stream), reader
        except MissingExtraError as error:
            raise MissingExtraError(f"{name}: {error}") from error


def _from_array(array: NDArray[Any]) -> Photo:
    name = "the array"
    if array.ndim not in {2, 3} or array.size == 0 or array.shape[2:] not in {(), (3,), (4,)}:
        raise ShapeError(
            f"a photo must be (h, w, 3), (h, w) or (h, w, 4), got an array of shape {array.shape}"
        )
    if array.dtype in {np.dtype(np.float16), np.dtype(np.float64)}:
        array = array.astype(np.float32)
    check_type(array, name)
    return _finish(from_array(array if array.ndim == 3 else array[..., None]), name)


def _from_pillow(image: Image.Image, max_pixels: int) -> Photo:
    name = "the Pillow image"
    check_pixel_count(name, (image.height, image.width), max_pixels)
    with reading(name), quiet_pillow():
        image.load()
        block = image.info.get("exif")
        profile = image.info.get("icc_profile")
        tags = image.getexif()
        if not block and len(tags):
            block = tags.tobytes()
        decoded = from_pillow(image, profile)._replace(
            icc_profile=profile, exif=exif.strip_prefix(block)
        )
        dpi = image.info.get("dpi")
        return _finish(
            decoded._replace(dpi=exif.tidy_dpi(dpi, per_cm=False) if dpi else None), name
        )


def _finish(decoded: Decoded, name: str) -> Photo:
    """Return the photo, turned upright once, with metadata that fits its pixels."""
    orientation = 1 if decoded.is_upright else exif.read_orientation(decoded.exif)
    alpha = decoded.alpha
    profile = decoded.icc_profile
    return Photo(
        pixels=exif.turn_upright(decoded.pixels, orientation),
        alpha=None if alpha is None else exif.turn_upright(alpha, orientation),
        icc_profile=profile if profile and profile[16:20] == b"RGB " else None,
        exif=exif.reset(decoded.exif) if decoded.exif else None,
        dpi=_turned(decoded.dpi, orientation),
        source=name,
    )


def _turned(dpi: tuple[float, float] | None, orientation: int) -> tuple[float, float] | None:
    return (dpi[1], dpi[0]) if dpi and orientation >= 5 else dpi
