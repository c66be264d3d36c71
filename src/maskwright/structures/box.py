"""A box: two opposite corners of an upright rectangle in a photo."""

from dataclasses import dataclass
from math import ceil, floor, inf
from numbers import Real

from maskwright.errors import UsageError


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright photo, from (x0, y0) to (x1, y1).

    Coordinates are edges: a box around the single pixel (row r, column c) is (c, r, c + 1, r + 1).

    Args:
        x0: Left edge.
        y0: Top edge.
        x1: Right edge, greater than `x0`.
        y1: Bottom edge, greater than `y0`.

    Raises:
        UsageError: If a coordinate is not a finite number, or the box is empty or turned around.
    """

    x0: float | int
    y0: float | int
    x1: float | int
    y1: float | int

    def __post_init__(self) -> None:
        corners = (self.x0, self.y0, self.x1, self.y1)
        if not all(isinstance(v, Real) and -inf < v < inf for v in corners):
            raise UsageError(
                f"a box needs four finite coordinates, got {corners};"
                " give its edges in pixels of the upright photo"
            )
        if self.x0 >= self.x1 or self.y0 >= self.y1:
            raise UsageError(
                f"a box needs x0 < x1 and y0 < y1, got {corners};"
                " give the left, top, right and bottom edge in this order"
            )

    @property
    def width(self) -> float | int:
        """Width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float | int:
        """Height in pixels."""
        return self.y1 - self.y0

    def slices(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """Return (rows, columns) of every pixel the box touches in a photo of `size`.

        Raises:
            UsageError: If the box lies outside the photo.
        """
        height, width = size
        if self.x1 <= 0 or self.y1 <= 0 or self.x0 >= width or self.y0 >= height:
            raise UsageError(
                f"a box must touch the photo, which is {width} pixels wide and {height} high,"
                f" got {(self.x0, self.y0, self.x1, self.y1)}"
            )
        rows = slice(max(floor(self.y0), 0), min(ceil(self.y1), height))
        columns = slice(max(floor(self.x0), 0), min(ceil(self.x1), width))
        return rows, columns
