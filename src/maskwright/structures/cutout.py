"""A cut-out: the object alone, with straight alpha, ready to be written."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskwright.errors import ShapeError, UsageError


@dataclass(frozen=True, eq=False)
class Cutout:
    """Colour and alpha of the object, and what the photo's file said about itself.

    Args:
        rgba: (h, w, 4), straight (not premultiplied) alpha: uint8 or uint16, full scale is 255
            or 65535; or float32, full scale is 1. It is kept, not copied.
        icc_profile: The colour profile of `rgba`, or None for sRGB.
        exif: An EXIF block that starts with its byte order (`II` or `MM`), or None.
        dpi: Pixels per inch (horizontal, vertical), or None.

    Raises:
        ShapeError: If `rgba` is not (h, w, 4).
        UsageError: If its type is another one.
    """

    rgba: NDArray[np.generic]
    icc_profile: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        shape = self.rgba.shape
        if len(shape) != 3 or shape[2] != 4 or self.rgba.size == 0:
            raise ShapeError(f"a cut-out must be (h, w, 4), got an array of shape {shape}")
        if self.rgba.dtype not in (np.uint8, np.uint16, np.float32):
            raise UsageError(f"a cut-out must be uint8, uint16 or float32, got {self.rgba.dtype}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.rgba.shape[0], self.rgba.shape[1]
