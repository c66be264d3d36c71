"""From what decoders return, Pillow's many modes above all, to RGB and alpha."""

from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_ALPHA_MODES = {"LA", "PA", "RGBA", "La", "RGBa"}
GREY_16 = {"I;16", "I;16L", "I;16B", "I;16N"}


class Decoded(NamedTuple):
    """A photo as stored: not turned upright yet, its metadata not cleaned.

    Args:
        pixels: (h, w, 3), uint8, uint16 or float32.
        alpha: (h, w) of the same type, straight, or None.
        icc_profile: As embedded.
        exif: A block from its byte order on, or None.
        dpi: Pixels per inch as stored (horizontal, vertical), or None.
        orientation: EXIF's code of how `pixels` are to be turned; 1 is upright.
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    icc_profile: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    orientation: int = 1


def from_array(pixels: NDArray[Any]) -> Decoded:
    """Return (h, w, 1 to 4) pixels, grey or RGB, without or with alpha, as RGB and alpha."""
    channels = pixels.shape[2]
    alpha = np.ascontiguousarray(pixels[..., -1]) if channels in {2, 4} else None
    colour = np.repeat(pixels[..., :1], 3, axis=2) if channels < 3 else pixels[..., :3]
    return Decoded(np.ascontiguousarray(colour), alpha)


def from_pillow(image: Image.Image, icc_profile: bytes | None) -> Decoded:
    """Return a Pillow image of any mode as RGB and alpha.

    CMYK and Lab become sRGB, through `icc_profile` if it fits; other pixels are not converted.

    Raises:
        ValueError: If the mode has no meaning as a photo.
    """
    mode = image.mode
    if mode in GREY_16:
        return from_array(np.asarray(image).astype(np.uint16)[..., None])
    if mode == "F":
        return from_array(np.array(image, dtype=np.float32)[..., None])
    if mode == "I":
        return from_array(_narrowed(np.asarray(image))[..., None])
    if mode in {"CMYK", "LAB"}:
        return from_array(np.array(_to_srgb(image, icc_profile)))
    if mode in _ALPHA_MODES or "transparency" in image.info:
        image = _with_alpha(image)
    elif mode == "P" and image.palette is not None and image.palette.mode == "RGBA":
        image = image.convert("RGBA")
    elif mode in {"1", "L"}:
        image = image.convert("L")
    elif mode != "RGB":
        image = image.convert("RGB")
    pixels = np.array(image)  # a copy that may be written to, which PyTorch insists on
    return from_array(pixels if pixels.ndim == 3 else pixels[..., None])


def _narrowed(values: NDArray[Any]) -> NDArray[Any]:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ValueError(f"32-bit integers from {low} to {high} do not fit into 16 bit")
    return values.astype(np.uint16)


def _with_alpha(image: Image.Image) -> Image.Image:
    if image.mode == "La":
        return image.convert("LA")
    if image.mode in {"1", "L"}:
        return image.convert("L").convert("LA") if image.mode == "1" else image.convert("LA")
    return image if image.mode in {"LA", "RGBA"} else image.convert("RGBA")


def _to_srgb(image: Image.Image, icc_profile: bytes | None) -> Image.Image:
    space = b"CMYK" if image.mode == "CMYK" else b"Lab "
    srgb = ImageCms.createProfile("sRGB")
    try:
        if icc_profile and icc_profile[16:20] == space:
            source = ImageCms.ImageCmsProfile(BytesIO(icc_profile))
        elif image.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            return image.convert("RGB")
        converted = ImageCms.profileToProfile(
            image,
            source,
            srgb,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")
    assert converted is not None
    return converted
