"""A photo in memory: upright pixels, and what its file said about itself."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskwright.errors import ImageError, ImageTooLargeError, ShapeError, UsageError

DEFAULT_MAX_PIXELS = 200_000_000
_DEPTHS = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16, np.dtype(np.float32): 32}


@dataclass(frozen=True)
class Header:
    """What a photo says about itself before it is decoded.

    Args:
        size: Height and width in pixels of the upright photo.
        format: "PNG", "JPEG", "TIFF", "WEBP", "BMP" or "HEIF"; "array" or "Pillow" in memory.
        bit_depth: Bits per channel: 8, 16, or 32 for floating point; 1 to 4 in small palettes.
    """

    size: tuple[int, int]
    format: str
    bit_depth: int


@dataclass(frozen=True, eq=False)
class Photo:
    """An upright photo in its own colour space.

    Args:
        pixels: (h, w, 3) RGB: uint8, uint16, or float32 in [0, 1]. It is kept, not copied.
        alpha: The straight alpha the photo came with, (h, w) of the same type, or None.
        icc_profile: The RGB profile of `pixels`, or None for sRGB.
        exif: The EXIF block, from its byte order (`II` or `MM`) on, its orientation reset to 1
            and its thumbnail removed; or None.
        dpi: Pixels per inch (horizontal, vertical), or None.
        source: The name of the photo in messages.

    Raises:
        ShapeError: If `pixels` is not (h, w, 3), or `alpha` not (h, w) of the same size.
        UsageError: If their types are others, or not the same.
        ImageError: If a floating-point value is not finite or not in [0, 1].
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    icc_profile: bytes | None = field(default=None, repr=False)
    exif: bytes | None = field(default=None, repr=False)
    dpi: tuple[float, float] | None = None
    source: str = "the photo"

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if len(shape) != 3 or shape[2] != 3 or self.pixels.size == 0:
            raise ShapeError(f"{self.source}: pixels must be (h, w, 3), got the shape {shape}")
        check_type(self.pixels, self.source)
        if self.alpha is None:
            return
        if self.alpha.shape != shape[:2] or self.alpha.dtype != self.pixels.dtype:
            raise ShapeError(
                f"{self.source}: alpha must be {shape[:2]} {self.pixels.dtype} like the pixels,"
                f" got {self.alpha.shape} {self.alpha.dtype}"
            )
        check_type(self.alpha, self.source)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def bit_depth(self) -> int:
        """Bits per channel: 8, 16, or 32 for floating point."""
        return _DEPTHS[self.pixels.dtype]


def check_type(pixels: NDArray[Any], name: str) -> None:
    """Refuse pixels whose full scale is unknown, and floating point outside [0, 1].

    Raises:
        UsageError: If the type is not uint8, uint16 or float32.
        ImageError: If a value is NaN, infinite, or not in [0, 1].
    """
    if pixels.dtype not in _DEPTHS:
        raise UsageError(
            f"{name}: pixels must be uint8, uint16, or float32 in [0, 1], got {pixels.dtype}"
        )
    if pixels.dtype != np.float32 or pixels.size == 0:
        return
    low, high = float(pixels.min()), float(pixels.max())  # both are NaN if one value is
    if not np.isfinite([low, high]).all():
        found = "NaN" if np.isnan(low) else "infinity"
        raise ImageError(f"{name}: floating-point pixels must be finite, got {found}; replace them")
    if low < 0 or high > 1:
        raise ImageError(
            f"{name}: floating-point pixels must lie in [0, 1], got values from {low:g} to"
            f" {high:g}; scale them first"
        )


def check_pixel_count(name: str, size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a photo with too many pixels, before it is decoded.

    Raises:
        ImageTooLargeError: If there are more than `max_pixels` pixels.
    """
    height, width = size
    if height * width > max_pixels:
        raise ImageTooLargeError(
            f"{name}: at most {max_pixels} pixels are allowed, got {width} x {height} ="
            f" {height * width}; allow more with --max-pixels (in Python: max_pixels)"
        )
