"""A segment: one object, or one kind of ground, found in a photo."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np
from jaxtyping import Bool

from maskwright.errors import UsageError
from maskwright.structures import rle as runs


@dataclass(frozen=True)
class Segment:
    """A mask with a class, kept as run lengths and decoded when asked for.

    Args:
        id: From 1 on; its number in the `Segmentation`.
        category_id: Index into `Segmentation.categories`.
        category: The name there.
        rle: COCO's run-length code of the mask, compressed or not; kept compressed.
        is_thing: True for what can be counted (a dog), False for stuff (grass).
        score: How sure the network is, in [0, 1]; 1 where a person drew it.
        is_crowd: Whether it covers several objects nobody told apart; ground truth only.

    Attributes:
        area: Pixels.
        box: (x0, y0, x1, y1), half-open pixel edges.

    Raises:
        UsageError: If a number is out of its range, or the mask has no pixel.
        DataError: If the code is damaged.
    """

    id: int
    category_id: int
    category: str
    rle: Mapping[str, Any]
    is_thing: bool = True
    score: float | int = 1.0
    is_crowd: bool = False
    area: int = field(init=False)
    box: tuple[int, int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._check()
        spans = runs.spans(self.rle)
        height, width = (int(length) for length in self.rle["size"])
        if not len(spans):
            raise UsageError(
                f"segment {self.id} ({self.category}) must have one pixel or more, got none;"
                " leave it out"
            )
        for name, value in {
            "id": int(self.id),
            "category_id": int(self.category_id),
            "rle": runs.from_spans(spans, (height, width)),
            "score": float(self.score),
            "area": int((spans[:, 1] - spans[:, 0]).sum()),
            "box": runs.box_of_spans(spans, height),
        }.items():
            object.__setattr__(self, name, value)

    def _check(self) -> None:
        for name, least in (("id", 1), ("category_id", 0)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < least:
                raise UsageError(f"a segment's {name} must be {least} or more, got {value!r}")
        if not isinstance(self.category, str) or not self.category:
            raise UsageError(f"a segment's category must be a name, got {self.category!r}")
        if not isinstance(self.score, Real) or not 0 <= self.score <= 1:
            raise UsageError(f"a segment's score must lie in [0, 1], got {self.score!r}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the photo."""
        height, width = self.rle["size"]
        return height, width

    def mask(self) -> Bool[np.ndarray, "h w"]:
        """Return the mask, True on the segment; decoded anew at each call."""
        return runs.decode(self.rle)
