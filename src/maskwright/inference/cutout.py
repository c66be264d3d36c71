"""Cutting out: the photo's pixels, the matte's alpha, and colours free of the old background."""

from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from maskwright.errors import ShapeError
from maskwright.image.colour import from_float, to_float
from maskwright.image.foreground import estimate_foreground
from maskwright.image.io import read_photo
from maskwright.image.photo import Photo
from maskwright.structures.cutout import Cutout
from maskwright.structures.matte import Matte


def cut_out(image: Any, matte: Matte, *, decontaminate: bool = True) -> Cutout:
    """Return the object with straight alpha, at the photo's depth, with its profile and EXIF.

    Args:
        image: A path, bytes, PIL image, array (h, w, 3) or `Photo`; its own alpha is kept as an
            upper bound: what was transparent stays so.
        matte: Of the same size; its foreground is used where it has one.
        decontaminate: Replace the colours of soft pixels by the object's own. Pixels with alpha 1
            are copied bit by bit.

    Raises:
        ImageError: If the photo cannot be read.
        ShapeError: If photo and matte differ in size.
    """
    photo = read_photo(image)
    if photo.size != matte.size:
        raise ShapeError(f"photo and matte must have one size, got {photo.size} and {matte.size}")
    alpha = np.asarray(matte.alpha, np.float32)
    if photo.alpha is not None:
        alpha = alpha * to_float(photo.alpha)
    rgba = np.empty((*photo.size, 4), photo.pixels.dtype)
    rgba[..., :3] = _colours(photo, matte) if decontaminate else photo.pixels
    rgba[..., 3] = from_float(alpha, photo.pixels.dtype)
    return Cutout(rgba, icc_profile=photo.icc_profile, exif=photo.exif, dpi=photo.dpi)


def _colours(photo: Photo, matte: Matte) -> NDArray[Any]:
    foreground: Float32[np.ndarray, "h w 3"]
    if matte.foreground is not None:
        foreground = np.asarray(matte.foreground, np.float32)
    else:
        foreground = estimate_foreground(to_float(photo.pixels), np.asarray(matte.alpha))
    colours = from_float(foreground, photo.pixels.dtype)
    np.copyto(colours, photo.pixels, where=(matte.alpha == 1)[..., None])
    return colours
