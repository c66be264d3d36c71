"""What clicks are answered with: the mask of one object, and the state of the dialogue about it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy.typing import NDArray

from maskwright.data.reference import BACKGROUND, OBJECT
from maskwright.inference.enlarge import enlarged_changes, enlarged_mask, enlarged_probability
from maskwright.inference.scale import Scale
from maskwright.structures import rle


@dataclass(frozen=True, eq=False)
class Answer:
    """The mask of one object, and the state of the dialogue about it.

    Attributes:
        image: Which photo, as in `ImageFeatures`.
        scale: Its size, and the size at which it was seen.
        reference: What is known of each pixel seen, 0 to 4, moved by this answer.
        margin: By how much the object's logit exceeds the background's, at a quarter of what was
            seen; None where no network was asked.
        given: The mask that came from elsewhere, bool (h, w); None once a network has answered.
        clicks: How many clicks the reference map holds, those that boxes and scribbles became too.
        milliseconds: From the clicks to the margin; of all objects that were answered together.
    """

    image: str
    scale: Scale
    reference: UInt8[np.ndarray, "padded_height padded_width"]
    margin: Float32[np.ndarray, "rows columns"] | None = None
    given: Bool[np.ndarray, "h w"] | None = None
    clicks: int = 0
    milliseconds: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the upright photo."""
        return self.scale.size

    @cached_property
    def mask(self) -> Bool[np.ndarray, "h w"]:
        """True on the object; made at the photo's size when first asked for."""
        if self.margin is None:
            return np.zeros(self.size, np.bool_) if self.given is None else self.given
        mask = enlarged_mask(self.margin, self.size, seen=self.scale.seen)
        return self._as_clicked(mask) if self.scale.is_enlarged else mask

    @cached_property
    def probability(self) -> Float32[np.ndarray, "h w"]:
        """How likely each pixel belongs to the object, in [0, 1]; made when first asked for."""
        if self.margin is None:
            return self.mask.astype(np.float32)
        probability = enlarged_probability(self.margin, self.size, seen=self.scale.seen)
        return self._as_clicked(probability) if self.scale.is_enlarged else probability

    @property
    def seen_mask(self) -> Bool[np.ndarray, "padded_height padded_width"]:
        """The mask at the size of what was seen, with what fills it up; made whenever asked for."""
        if self.margin is not None:
            return enlarged_mask(self.margin, self.scale.padded, seen=self.scale.padded)
        if self.given is not None:
            return self.scale.mask(self.given)
        return np.zeros(self.scale.padded, np.bool_)

    @cached_property
    def rle(self) -> dict[str, Any]:
        """The mask in COCO's compressed run-length code; made when first asked for."""
        if self.margin is not None and not self.scale.is_enlarged:
            changes = enlarged_changes(self.margin, self.size, seen=self.scale.seen)
            return rle.from_changes(changes, self.size)
        # Runs go down the columns; OpenCV turns a large mask five times faster than NumPy does.
        turned = cv2.transpose(np.ascontiguousarray(self.mask).view(np.uint8))
        return rle.encode(turned.view(np.bool_).T)

    @cached_property
    def area(self) -> int:
        """How many pixels belong to the object."""
        return rle.area(self.rle)

    def _as_clicked(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a map with 0 and 1 where clicks are sure: in an icon, each pixel counts."""
        states = self.scale.at_centres(self.reference)
        return np.select([states == BACKGROUND, states == OBJECT], [0, 1], values).astype(
            values.dtype
        )
