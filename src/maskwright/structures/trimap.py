"""A trimap: which pixels are surely background, surely foreground, and which are open."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from maskwright.errors import ShapeError, TrimapError

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255


@dataclass(frozen=True, eq=False)
class Trimap:
    """Three values per photo: 0 background, 128 unknown, 255 foreground.

    Args:
        values: uint8 (h, w) of exactly these values. It is kept, not copied.

    Raises:
        ShapeError: If `values` is not (h, w) with at least one pixel.
        TrimapError: If its type or a value is another one.
    """

    values: NDArray[np.generic]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.size == 0:
            raise ShapeError(f"a trimap must be (h, w), got an array of shape {self.values.shape}")
        if self.values.dtype != np.uint8:
            raise TrimapError(f"a trimap must be uint8, got {self.values.dtype}")
        counts = np.bincount(self.values.ravel(), minlength=256)
        present = np.flatnonzero(counts).tolist()
        foreign = [value for value in present if value not in {BACKGROUND, UNKNOWN, FOREGROUND}]
        if foreign:
            raise TrimapError(
                "a trimap holds only 0 (background), 128 (unknown) and 255 (foreground),"
                f" got {len(foreign)} other values, the first {foreign[0]};"
                " make one from a mask with trimap_from_mask"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def background(self) -> Bool[np.ndarray, "h w"]:
        """True where the pixel is surely background."""
        return self.values == BACKGROUND

    @property
    def unknown(self) -> Bool[np.ndarray, "h w"]:
        """True where a matting network has to decide."""
        return self.values == UNKNOWN

    @property
    def foreground(self) -> Bool[np.ndarray, "h w"]:
        """True where the pixel is surely foreground."""
        return self.values == FOREGROUND

    @property
    def fractions(self) -> tuple[float, float, float]:
        """Shares of background, unknown and foreground, each in [0, 1], with the sum 1."""
        counts = np.bincount(self.values.ravel(), minlength=256) / self.values.size
        return float(counts[BACKGROUND]), float(counts[UNKNOWN]), float(counts[FOREGROUND])
