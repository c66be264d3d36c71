"""A scribble: a line drawn over an object, or beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from maskwright.errors import UsageError
from maskwright.structures.click import Click


@dataclass(frozen=True)
class Scribble:
    """A line of points, joined in their order.

    Args:
        points: (x, y) in pixels of the upright photo; one or more.
        positive: Whether the line lies on the object.

    Raises:
        UsageError: If there is no point, one is not finite, or `positive` neither True nor False.
    """

    points: Sequence[tuple[float | int, float | int]]
    positive: bool = True

    def __post_init__(self) -> None:
        if not len(self.points):
            raise UsageError("a scribble needs one point or more, got none; draw a line")
        for x, y in self.points:
            Click(x, y, self.positive)
