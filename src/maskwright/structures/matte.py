"""A matte: how much of each pixel belongs to the object, and in which colour."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskwright.errors import ShapeError, UsageError


@dataclass(frozen=True, eq=False)
class Matte:
    """The alpha α and, when estimated, the foreground F of the equation I = αF + (1 - α)B.

    Args:
        alpha: float32 (h, w) in [0, 1]; 0 is background, 1 the object. It is kept, not copied.
        foreground: float32 (h, w, 3) in [0, 1], the object's own colour, or None.

    Raises:
        ShapeError: If `alpha` is not (h, w) or `foreground` not (h, w, 3) of the same size.
        UsageError: If an array is not float32, or a value is not in [0, 1].
    """

    alpha: NDArray[np.generic]
    foreground: NDArray[np.generic] | None = None

    def __post_init__(self) -> None:
        if self.alpha.ndim != 2 or self.alpha.size == 0:
            raise ShapeError(f"an alpha must be (h, w), got an array of shape {self.alpha.shape}")
        _check_unit_range(self.alpha, "an alpha")
        if self.foreground is None:
            return
        expected = (*self.alpha.shape, 3)
        if self.foreground.shape != expected:
            raise ShapeError(f"a foreground must be {expected}, got {self.foreground.shape}")
        _check_unit_range(self.foreground, "a foreground")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.alpha.shape[0], self.alpha.shape[1]


def _check_unit_range(array: NDArray[np.generic], name: str) -> None:
    if array.dtype != np.float32:
        raise UsageError(f"{name} must be float32 in [0, 1], got {array.dtype}")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 1):  # a NaN anywhere makes both comparisons false
        raise UsageError(f"{name} must lie in [0, 1], got values from {low} to {high}")
