"""Colour: what networks see, and numbers between integers and [0, 1]."""

from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from PIL import Image, ImageCms

from maskwright.errors import UsageError
from maskwright.image.photo import Photo

_FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
_FLOATS = {np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)}


def network_rgb(photo: Photo) -> Float32[np.ndarray, "h w 3"]:
    """Return a photo in sRGB, float32 in [0, 1], as networks were trained on.

    Pixels without a profile, or with one that means sRGB, are only scaled. Others are converted
    with relative colorimetric intent and black point compensation, 16 bit and floating point
    through 8 bit; a damaged profile is ignored, as viewers do.
    """
    profile = photo.icc_profile
    if profile is None or _means_srgb(profile):
        return to_float(photo.pixels)
    eight_bit = from_float(to_float(photo.pixels), np.uint8)
    try:
        return to_float(_through_profile(eight_bit, profile))
    except (ImageCms.PyCMSError, OSError):
        return to_float(photo.pixels)


def from_srgb(
    colours: Float32[np.ndarray, "*size 3"], icc_profile: bytes | None
) -> Float32[np.ndarray, "*size 3"]:
    """Return sRGB colours, of [0, 1], in a photo's colour space: the way back of `network_rgb`.

    Without a profile, with one that means sRGB, or with a damaged one, they are returned as they
    are; else converted with relative colorimetric intent and black point compensation, through 8
    bit.

    Args:
        colours: One colour (3,), or a picture (h, w, 3).
        icc_profile: The profile of the photo.
    """
    if icc_profile is None or _means_srgb(icc_profile):
        return colours
    eight_bit = from_float(colours if colours.ndim > 1 else colours[None, None], np.uint8)
    try:
        return to_float(_to_profile(eight_bit, icc_profile)).reshape(colours.shape)
    except (ImageCms.PyCMSError, OSError):
        return colours


def to_float(array: NDArray[Any]) -> Float32[np.ndarray, "..."]:
    """Return uint8 or uint16 divided by its full scale; floating point as float32.

    Raises:
        UsageError: If the array has another type.
    """
    if array.dtype in _FLOATS:
        return array.astype(np.float32, copy=False)
    if array.dtype not in _FULL_SCALE:
        raise UsageError(f"an image must be uint8, uint16 or floating point, got {array.dtype}")
    scaled = array.astype(np.float32)
    scaled /= _FULL_SCALE[array.dtype]
    return scaled


def from_float(array: NDArray[Any], dtype: type[np.generic] | np.dtype[np.generic]) -> NDArray[Any]:
    """Return values of [0, 1] as `dtype`, uint8, uint16 or float32; others are clipped.

    Integers are rounded half to even; `from_float(to_float(x), x.dtype)` is exactly x.

    Raises:
        UsageError: If `array` is not floating point, or `dtype` is another one.
    """
    target = np.dtype(dtype)
    if array.dtype not in _FLOATS:
        raise UsageError(f"values of [0, 1] must be floating point, got {array.dtype}")
    if target == np.float32:
        return np.clip(array, 0, 1).astype(np.float32, copy=False)
    if target not in _FULL_SCALE:
        raise UsageError(f"an image is written as uint8, uint16 or float32, got {target}")
    wide = np.float64 if array.dtype == np.float64 else np.float32
    scaled = np.multiply(array, _FULL_SCALE[target], dtype=wide)
    np.rint(scaled, out=scaled)
    np.clip(scaled, 0, _FULL_SCALE[target], out=scaled)
    return scaled.astype(target)


def at_depth(pixels: NDArray[Any], dtype: type[np.generic] | np.dtype[np.generic]) -> NDArray[Any]:
    """Return pixels of any type as `dtype`, uint8, uint16 or float32; themselves if they are."""
    target = np.dtype(dtype)
    return pixels if pixels.dtype == target else from_float(to_float(pixels), target)


@lru_cache(maxsize=16)
def _means_srgb(profile: bytes) -> bool:
    """Return whether a profile changes no colour of a coarse grid by more than a rounding."""
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(6, 36, 3)
    try:
        converted = _through_profile(grid, profile)
    except (ImageCms.PyCMSError, OSError):
        return True
    return bool(np.abs(converted.astype(int) - grid).max() <= 1)


def _through_profile(pixels: NDArray[Any], profile: bytes) -> NDArray[Any]:
    """Return (h, w, 3) uint8 pixels of a profile in sRGB."""
    return _converted(pixels, _opened(profile), _srgb())


def _to_profile(pixels: NDArray[Any], profile: bytes) -> NDArray[Any]:
    """Return (h, w, 3) uint8 pixels of sRGB in a profile."""
    return _converted(pixels, _srgb(), _opened(profile))


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(BytesIO(profile))


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _converted(
    pixels: NDArray[Any], source: ImageCms.ImageCmsProfile, target: ImageCms.ImageCmsProfile
) -> NDArray[Any]:
    converted = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        source,
        target,
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return np.asarray(converted)
