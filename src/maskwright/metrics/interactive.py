"""How many clicks an object takes: NoC, NoF, IoU after each click, seconds per click.

Definitions: Xu et al., "Deep Interactive Object Selection", CVPR 2016, arXiv:1603.04042 (NoC);
Sofiiuk et al., "Reviving Iterative Training with Mask Guidance for Interactive Segmentation",
ICIP 2022, arXiv:2102.06583 (NoF); Huang et al., "InterFormer: Real-time Interactive Image
Segmentation", ICCV 2023, arXiv:2304.02942 (SPC).

A curve is the IoU after click 1, 2, ... of one object. It may end before the limit: because the
target was met, or because nothing was left to correct; its last value then holds on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from maskwright.errors import ShapeError, UsageError

LIMIT = 20  # clicks; an object that takes more counts as a failure
TARGETS = (0.85, 0.90, 0.95)

Curve = Sequence[float]


def iou(
    prediction: Bool[np.ndarray, "_ _"],
    truth: Bool[np.ndarray, "h w"],
    ignored: Bool[np.ndarray, "_ _"] | None = None,
) -> float:
    """Return |p ∩ t| / |p ∪ t| over the pixels that are not ignored; 1 where both are empty.

    Raises:
        ShapeError: If the masks are not (h, w) of one size.
    """
    for name, mask in (("the prediction", prediction), ("the ignored pixels", ignored)):
        if mask is not None and mask.shape != truth.shape:
            raise ShapeError(
                f"{name} must have the size of the truth, {truth.shape}, got {mask.shape};"
                " compare them at the size of the photo"
            )
    if ignored is not None:
        prediction, truth = prediction & ~ignored, truth & ~ignored
    union = int(np.count_nonzero(prediction | truth))
    return int(np.count_nonzero(prediction & truth)) / union if union else 1.0


def clicks_needed(curve: Curve, target: float, *, limit: int = LIMIT) -> int:
    """Return the number of the first click after which IoU ≥ target; `limit` if there is none.

    Raises:
        UsageError: If the curve is empty, or the target is not in (0, 1].
    """
    reached = _first_reached(curve, target, limit=limit)
    return limit if reached is None else reached


def is_failure(curve: Curve, target: float, *, limit: int = LIMIT) -> bool:
    """Return whether IoU ≥ target after none of the first `limit` clicks. Raises as above."""
    return _first_reached(curve, target, limit=limit) is None


def noc(curves: Iterable[Curve], target: float, *, limit: int = LIMIT) -> float:
    """Return NoC@target: the mean number of clicks to reach it, a failure counting as `limit`.

    Raises:
        UsageError: If there is no curve, one is empty, or the target is not in (0, 1].
    """
    return float(np.mean([clicks_needed(curve, target, limit=limit) for curve in _some(curves)]))


def nof(curves: Iterable[Curve], target: float, *, limit: int = LIMIT) -> int:
    """Return NoF@target: how many objects never reach it. Raises as `noc` does."""
    return sum(is_failure(curve, target, limit=limit) for curve in _some(curves))


def at_limit(curves: Iterable[Curve], target: float, *, limit: int = LIMIT) -> int:
    """Return how many objects take `limit` clicks or more: RITM's count, more than NoF.

    An object that reaches the target with the very last click is counted too.
    Raises as `noc` does.
    """
    return sum(clicks_needed(curve, target, limit=limit) == limit for curve in _some(curves))


def mean_curve(curves: Iterable[Curve], *, limit: int = LIMIT) -> Float64[np.ndarray, " limit"]:
    """Return the mean IoU after click 1 to `limit`; a curve that ended holds its last value.

    Raises:
        UsageError: If there is no curve, or one is empty.
    """
    return np.mean([held_on(curve, limit=limit) for curve in _some(curves)], axis=0)


def held_on(curve: Curve, *, limit: int = LIMIT) -> Float64[np.ndarray, " limit"]:
    """Return one curve as exactly `limit` values.

    Raises:
        UsageError: If it is empty.
    """
    _check(curve)
    values = np.full(limit, curve[-1], np.float64)
    length = min(limit, len(curve))
    values[:length] = curve[:length]
    return values


@dataclass(frozen=True)
class Timing:
    """Seconds spent on objects, to be added up.

    Attributes:
        encoding_seconds: Spent looking at images, once each.
        clicking_seconds: Spent answering clicks.
        clicks: How many were answered.
    """

    encoding_seconds: float = 0.0
    clicking_seconds: float = 0.0
    clicks: int = 0

    def __add__(self, other: "Timing") -> "Timing":
        return Timing(
            self.encoding_seconds + other.encoding_seconds,
            self.clicking_seconds + other.clicking_seconds,
            self.clicks + other.clicks,
        )

    def spc(self, *, with_encoding: bool = True) -> float:
        """Return SPC: seconds per click, the encoding shared out among the clicks or left out.

        Raises:
            UsageError: If no click was answered.
        """
        if self.clicks < 1:
            raise UsageError("seconds per click need a click, got none; time an object first")
        seconds = self.clicking_seconds + (self.encoding_seconds if with_encoding else 0.0)
        return seconds / self.clicks


def scores(
    curves: Sequence[Curve],
    *,
    targets: Sequence[float] = TARGETS,
    limit: int = LIMIT,
    timing: Timing | None = None,
) -> dict[str, float]:
    """Return `noc85`, `nof85` and so on for each target and, with a timing, both SPC.

    Raises:
        UsageError: If there is no curve, one is empty, or a target is not in (0, 1].
    """
    found: dict[str, float] = {}
    for target in targets:
        found[f"noc{round(100 * target)}"] = noc(curves, target, limit=limit)
    for target in targets:
        found[f"nof{round(100 * target)}"] = nof(curves, target, limit=limit)
    if timing is not None:
        found["spc"] = timing.spc()
        found["spc_without_encoding"] = timing.spc(with_encoding=False)
    return found


def _first_reached(curve: Curve, target: float, *, limit: int) -> int | None:
    _check(curve)
    if not 0 < target <= 1:
        raise UsageError(f"a target must be an IoU in (0, 1], got {target}; 0.9 stands for 90 %")
    return next((n for n, value in enumerate(curve[:limit], start=1) if value >= target), None)


def _check(curve: Curve) -> None:
    if not len(curve):
        raise UsageError("a curve needs the IoU after one click or more, got none; click first")


def _some(curves: Iterable[Curve]) -> list[Curve]:
    found = list(curves)
    if not found:
        raise UsageError("a mean needs one object or more, got none; check the data")
    return found
