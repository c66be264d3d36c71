"""A click: a point of the upright photo and whether it lies on the object."""

from dataclasses import dataclass
from math import floor, inf
from numbers import Real

import numpy as np

from maskwright.errors import UsageError


@dataclass(frozen=True)
class Click:
    """A point somebody clicked.

    Pixel (row r, column c) covers [c, c + 1) × [r, r + 1); the origin is the top-left corner.

    Args:
        x: Distance from the left edge of the upright photo, in pixels.
        y: Distance from its top edge, in pixels.
        positive: True on the object, False beside it.

    Raises:
        UsageError: If a coordinate is not a finite number, or `positive` neither True nor False.
    """

    x: float | int
    y: float | int
    positive: bool = True

    def __post_init__(self) -> None:
        if not all(isinstance(v, Real) and -inf < v < inf for v in (self.x, self.y)):
            raise UsageError(
                f"a click needs two finite coordinates, got ({self.x!r}, {self.y!r});"
                " give x and y in pixels of the upright photo"
            )
        if not isinstance(self.positive, bool | np.bool_):
            raise UsageError(
                "a click is positive (True, on the object) or not (False, beside it),"
                f" got {self.positive!r}; give one of the two"
            )

    def pixel(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return (row, column) of the pixel clicked, in a photo of `size` (height, width).

        Raises:
            UsageError: If the click lies outside the photo.
        """
        height, width = size
        if not (0 <= self.x < width and 0 <= self.y < height):
            raise UsageError(
                f"a click must lie in the photo, 0 <= x < {width} and 0 <= y < {height},"
                f" got ({self.x}, {self.y})"
            )
        return floor(self.y), floor(self.x)
