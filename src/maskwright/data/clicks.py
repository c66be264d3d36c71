"""The simulated user: clicks into the middle of the largest error.

Used to train with the network in the loop and to evaluate. Two protocols are customary. That of
Huang et al., "InterFormer: Real-time Interactive Image Segmentation", ICCV 2023,
arXiv:2304.02942; and that of Sofiiuk et al., "Reviving Iterative Training with Mask Guidance for
Interactive Segmentation" (RITM), ICIP 2022, arXiv:2102.06583, which SimpleClick, FocalClick and
others share. They differ in details that move scores; `PROTOCOLS` lists them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from maskwright.errors import UsageError
from maskwright.image.distance import edge_distance
from maskwright.metrics.interactive import LIMIT, iou
from maskwright.structures.click import Click

TRAINING_SPREAD = 1.7
MOST_MORE_CLICKS, MORE_CLICKS_DECAY = 20, 0.6
_LEAST_SPREAD = 1 + float(np.finfo(np.float32).eps)  # the maxima alone

Pick = Callable[[int], int]
"""Chooses one of n: 0 to n - 1. `numpy.random.Generator.integers` and `Random.randrange` do."""

Answer = Callable[[Sequence[Click]], Bool[np.ndarray, "h w"]]
"""Returns the mask for all the clicks so far."""


@dataclass(frozen=True)
class Protocol:
    """How the user looks for an error, and when he stops.

    Attributes:
        threshold: A pixel belongs to the prediction if its probability is above this.
        stops_at_target: Whether the dialogue ends once the IoU is reached; else it goes on to the
            limit.
        clicks_are_holes: Whether clicked pixels are taken out of the error before its middle is
            looked for, which moves the middle; else they are only never clicked again.
        takes_any_middle: Whether one of several equal middles is drawn; else the first is taken,
            row by row.
        skips_ignored: Whether ignored pixels are never an error; else they are background to the
            user. The IoU leaves them out under both protocols.
    """

    threshold: float
    stops_at_target: bool
    clicks_are_holes: bool
    takes_any_middle: bool
    skips_ignored: bool


PROTOCOLS = {
    "interformer": Protocol(
        threshold=0.5,
        stops_at_target=False,
        clicks_are_holes=True,
        takes_any_middle=True,
        skips_ignored=False,
    ),
    "ritm": Protocol(
        threshold=0.49,
        stops_at_target=True,
        clicks_are_holes=False,
        takes_any_middle=False,
        skips_ignored=True,
    ),
}
INTERFORMER, RITM = PROTOCOLS["interformer"], PROTOCOLS["ritm"]


@dataclass(frozen=True)
class Dialogue:
    """What came of clicking on one object: the clicks, and the IoU after each."""

    clicks: tuple[Click, ...]
    ious: tuple[float, ...]


def distance_inside(mask: Bool[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Return how far each pixel of a mask is from the nearest one outside it, 0 outside, in px.

    Distances are exact and Euclidean, from centre to centre; beyond the edge of the photo lies
    the outside.
    """
    distance = np.zeros(mask.shape, np.float32)
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if width:  # what lies outside the box is outside the mask: no pixel is nearer than its rim
        inside = np.s_[y : y + height, x : x + width]
        distance[inside] = edge_distance(np.pad(mask[inside], 1))[1:-1, 1:-1]
    return distance


def next_click(
    prediction: Bool[np.ndarray, "h w"],
    truth: Bool[np.ndarray, "h w"],
    *,
    clicks: Sequence[Click] = (),
    protocol: Protocol = INTERFORMER,
    ignored: Bool[np.ndarray, "h w"] | None = None,
    spread: float = 1.0,
    pick: Pick | None = None,
) -> Click | None:
    """Return a click into the middle of the largest error, or None where there is nothing wrong.

    The error is what is missing or what is too much, whichever reaches the larger distance d from
    its own edge; if equal, what is too much. The click lies on a pixel with d = max d or, with
    spread s > 1, d > max d / s.

    Args:
        prediction: True where the object is taken to be.
        truth: True where it is.
        clicks: Those made so far; no pixel is clicked twice.
        protocol: One of `PROTOCOLS`.
        ignored: True where nobody knows.
        spread: How far from the middle a click may lie; `TRAINING_SPREAD` in training.
        pick: Chooses among the pixels; None is the first, row by row.

    Raises:
        UsageError: If an earlier click lies outside the photo, or the spread is below 1.
    """
    if not spread >= 1:
        raise UsageError(f"a spread must be 1 or more, got {spread}; 1 is the middle alone")
    if ignored is not None:
        known = ~ignored
        truth = truth & known
        prediction = prediction & known if protocol.skips_ignored else prediction
    missing = _middle_of(truth & ~prediction, clicks, protocol)
    too_much = _middle_of(prediction & ~truth, clicks, protocol)
    positive = bool(missing.max(initial=0) > too_much.max(initial=0))
    distance = missing if positive else too_much
    highest = float(distance.max(initial=0))
    if highest == 0:
        return None
    rows, columns = np.nonzero(distance > highest / max(spread, _LEAST_SPREAD))
    chosen = 0
    if pick is not None and (protocol.takes_any_middle or spread > 1):
        chosen = int(pick(len(rows)))
    return Click(float(columns[chosen]) + 0.5, float(rows[chosen]) + 0.5, positive)


def first_click(
    truth: Bool[np.ndarray, "h w"],
    *,
    protocol: Protocol = INTERFORMER,
    spread: float = 1.0,
    pick: Pick | None = None,
) -> Click:
    """Return a positive click into the middle of the object: the error of an empty prediction.

    Raises:
        UsageError: If the object is empty, or the spread is below 1.
    """
    nothing = np.zeros(truth.shape, np.bool_)
    click = next_click(nothing, truth, protocol=protocol, spread=spread, pick=pick)
    if click is None:
        raise UsageError("a click needs an object of one pixel or more, got none; leave it out")
    return click


def draw_more_clicks(rng: np.random.Generator) -> int:
    """Return how many clicks follow the first in training: k of 0 to 20, P(k) ∝ 0.6^k."""
    weights = more_click_weights()
    return int(rng.choice(len(weights), p=weights))


def more_click_weights() -> np.ndarray:
    """Return the probability of each number of clicks that follow the first, float64 (21,)."""
    weights = MORE_CLICKS_DECAY ** np.arange(MOST_MORE_CLICKS + 1)
    return weights / weights.sum()


def hold_dialogue(
    answer: Answer,
    truth: Bool[np.ndarray, "h w"],
    *,
    protocol: Protocol = INTERFORMER,
    ignored: Bool[np.ndarray, "h w"] | None = None,
    target: float = 1.0,
    limit: int = LIMIT,
    pick: Pick | None = None,
) -> Dialogue:
    """Return what comes of clicking on one object until the protocol ends.

    It also ends when nothing is left to correct; `metrics.interactive` lets the last IoU hold on.

    Args:
        answer: Gets the clicks so far and returns the mask.
        truth: True where the object is.
        protocol: One of `PROTOCOLS`.
        ignored: True where nobody knows.
        target: The IoU at which to stop, where the protocol stops: the highest that is reported.
        limit: The most clicks.
        pick: Chooses among equal middles; None is the first.

    Raises:
        UsageError: If the object is empty, counting no ignored pixel.
    """
    wanted = truth if ignored is None else truth & ~ignored
    click: Click | None = first_click(wanted, protocol=protocol, pick=pick)
    clicks: list[Click] = []
    ious: list[float] = []
    while click is not None and len(clicks) < limit:
        clicks.append(click)
        mask = answer(tuple(clicks))
        ious.append(iou(mask, truth, ignored))
        if protocol.stops_at_target and ious[-1] >= target:
            break
        click = next_click(
            mask, truth, clicks=clicks, protocol=protocol, ignored=ignored, pick=pick
        )
    return Dialogue(tuple(clicks), tuple(ious))


def _middle_of(
    error: Bool[np.ndarray, "h w"], clicks: Sequence[Click], protocol: Protocol
) -> Float32[np.ndarray, "h w"]:
    """Return the distance inside an error, 0 where a click lies already."""
    at = tuple(np.array([c.pixel(error.shape) for c in clicks], np.int64).reshape(-1, 2).T)
    if protocol.clicks_are_holes:
        error = error.copy()
        error[at] = False
        return distance_inside(error)
    distance = distance_inside(error)
    distance[at] = 0
    return distance
