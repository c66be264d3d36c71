"""Pictures that hold numbers: label maps, masks of several values, panoptic maps."""

import os
from typing import Any

import numpy as np
from jaxtyping import Int32
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from maskwright.errors import ImageError
from maskwright.image.io import read_header, read_photo
from maskwright.image.photo import DEFAULT_MAX_PIXELS, check_pixel_count
from maskwright.image.quiet import without_pillows_limit
from maskwright.image.source import open_source, reading, recognise

_LOSSLESS = ("PNG", "BMP", "TIFF")
_MODES = ("1", "L", "LA", "P", "PA", "I", "I;16", "I;16B", "I;16L", "RGB", "RGBA")
_CUT_MODES = ("LA", "RGB", "RGBA")  # those to which Pillow cuts what is deeper than 8 bit
_SAMPLE_FORMAT, _SIGNED = 339, 2


def read_labels(
    source: str | os.PathLike[str] | bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Int32[np.ndarray, "h w"]:
    """Return the number of each pixel.

    In grey it is the brightness as stored, with a palette the index, whatever its colour. A
    coloured picture gives r + 256 g + 65536 b, so that equal colours are equal numbers, black 0.

    Raises:
        ImageError: If it is missing, damaged, a JPEG, partly transparent, in colours of 16 bit, or
            holds 2^31 or more.
        ImageTooLargeError: If its header announces more than `max_pixels` pixels.
    """
    values, name = _stored(source, max_pixels)
    if values.ndim == 2:
        return values.astype(np.int32)
    if (values[..., :1] == values[..., 1:3]).all():
        return values[..., 0].astype(np.int32)
    return _joined(values)


def read_panoptic(
    source: str | os.PathLike[str] | bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Int32[np.ndarray, "h w"]:
    """Return the segment of each pixel of a COCO panoptic map, r + 256 g + 65536 b; 0 is void.

    Raises:
        ImageError: As `read_labels`, and if the picture is not in colour.
        ImageTooLargeError: If its header announces more than `max_pixels` pixels.
    """
    values, name = _stored(source, max_pixels)
    if values.ndim == 2:
        raise ImageError(
            f"{name}: a panoptic map must be in colour, got one channel; use COCO's PNG files"
        )
    return _joined(values)


def _joined(values: NDArray[Any]) -> Int32[np.ndarray, "h w"]:
    red, green, blue = (values[..., channel].astype(np.int32) for channel in range(3))
    return red + 256 * green + 65536 * blue


def _stored(source: str | os.PathLike[str] | bytes, max_pixels: int) -> tuple[NDArray[Any], str]:
    """Return what is stored, (h, w) or (h, w, 3 or more), and the name of the picture."""
    with open_source(source) as (stream, name):
        format = recognise(stream, name)
        if format not in _LOSSLESS:
            raise ImageError(
                f"{name}: labels must be PNG, BMP or TIFF, got {format}, which may change them;"
                " export them as PNG"
            )
        with reading(name):
            # Pillow warns of sizes that our own limit is there to judge.
            with without_pillows_limit((1 << 20, 1 << 20)):
                image = Image.open(stream, formats=[format])
            size = (image.height, image.width)
            check_pixel_count(name, size, max_pixels)
            if image.mode not in _MODES:
                raise ImageError(
                    f"{name}: labels must be whole numbers, got the mode {image.mode};"
                    " export them as PNG"
                )
            if image.mode in _CUT_MODES and read_header(source).bit_depth > 8:
                return _deep(source, max_pixels), name
            with without_pillows_limit(size):
                values = np.asarray(image)
            _check_range(image, values, name)
    return _without_alpha(values, image.mode, name), name


def _deep(source: str | os.PathLike[str] | bytes, max_pixels: int) -> NDArray[Any]:
    """Return the grey of a picture deeper than 8 bit that has more channels than that."""
    photo = read_photo(source, max_pixels=max_pixels)
    values = photo.pixels
    if photo.alpha is not None:
        values = _without_alpha(np.dstack([values, photo.alpha]), "RGBA", photo.source)
    if (values[..., :1] != values[..., 1:]).any():
        raise ImageError(
            f"{photo.source}: labels in colour must have 8 bit, got {photo.bit_depth};"
            " export them as PNG of 8 bit, or in grey"
        )
    return values[..., 0]


def _check_range(image: Image.Image, values: NDArray[Any], name: str) -> None:
    """Refuse unsigned numbers that Pillow has made negative."""
    if image.mode != "I" or not isinstance(image, TiffImageFile) or values.min() >= 0:
        return
    if image.tag_v2.get(_SAMPLE_FORMAT, (1,))[0] != _SIGNED:
        raise ImageError(
            f"{name}: labels must be less than 2^31, got {values.view(np.uint32).max()};"
            " number them anew"
        )


def _without_alpha(values: NDArray[Any], mode: str, name: str) -> NDArray[Any]:
    if mode not in {"LA", "PA", "RGBA"}:
        return values
    alpha = values[..., -1]
    if alpha.min() != alpha.max():
        raise ImageError(
            f"{name}: expected labels, got a partly transparent picture;"
            " save it without transparency"
        )
    return values[..., 0] if mode != "RGBA" else values[..., :3]
