"""What is new about an object, and what the network is told of it: the reference map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from maskwright.data.reference import unknown_map, with_clicks, with_prediction
from maskwright.data.starts import Start, start_from_box, start_from_scribble
from maskwright.errors import UsageError
from maskwright.inference.answer import Answer
from maskwright.inference.features import ImageFeatures
from maskwright.inference.scale import Scale
from maskwright.inference.zoom import region_for
from maskwright.structures.box import Box
from maskwright.structures.click import Click
from maskwright.structures.scribble import Scribble


@dataclass(frozen=True, eq=False)
class Prompt:
    """What is new about one object.

    Attributes:
        clicks: The new clicks only, in their order; where disks meet, the newest wins.
        previous: The answer to what was clicked before; None begins anew.
        box: Around the object.
        scribbles: Lines on it or beside it.
    """

    clicks: Sequence[Click] = ()
    previous: Answer | None = None
    box: Box | None = None
    scribbles: Sequence[Scribble] = ()


@dataclass(frozen=True, eq=False)
class Told:
    """What the network is told of one object.

    Attributes:
        reference: What is known of each pixel seen, with the new clicks.
        clicks: How many clicks it holds.
        previous: The answer to what was clicked before.
    """

    reference: UInt8[np.ndarray, "padded_height padded_width"]
    clicks: int
    previous: Answer | None

    def region(self, scale: Scale) -> Box:
        """Return the part of what is seen that refining blocks are confined to."""
        if self.previous is None:
            mask = np.zeros(scale.padded, np.bool_)
        else:
            mask = self.previous.seen_mask
        return region_for(self.reference, mask, clicks=self.clicks)


def tell(features: ImageFeatures, prompt: Prompt) -> Told:
    """Return the state of a dialogue with what is new.

    Args:
        features: Of the photo.
        prompt: What is new about one object.

    Raises:
        UsageError: As for `Clicker.answer`.
    """
    previous, scale = prompt.previous, features.scale
    if previous is not None and (previous.image, previous.scale) != (features.image, scale):
        raise UsageError(
            "expected an answer about this photo as the previous one, got one about another photo"
            " or size; begin anew with None"
        )
    starts = _starts(scale, prompt)
    clicks = sum(len(start.clicks) for start in starts)
    if not clicks:
        raise UsageError("an answer needs a click, a box or a scribble, got none; add one")
    reference = unknown_map(scale.padded) if previous is None else previous.reference
    for start in starts:
        if start.mask is not None:
            reference = with_prediction(reference, scale.fill_up(start.mask))
        for click in start.clicks:
            reference = with_clicks(reference, [click])
    return Told(reference, clicks + (previous.clicks if previous else 0), previous)


def _starts(scale: Scale, prompt: Prompt) -> list[Start]:
    """Return box, scribbles and clicks, in this order, in pixels of what the network sees."""
    starts = []
    if prompt.box is not None:
        starts.append(start_from_box(scale.box(prompt.box), scale.seen))
    for scribble in prompt.scribbles:
        clicks = [scale.click(Click(x, y, scribble.positive)) for x, y in scribble.points]
        points = [(click.x, click.y) for click in clicks]
        starts.append(start_from_scribble(points, scale.seen, positive=scribble.positive))
    starts.append(Start(tuple(map(scale.click, prompt.clicks))))
    return starts
