"""Panoptic quality: how many segments are found, and how well they fit.

Kirillov et al., "Panoptic Segmentation", CVPR 2019, arXiv:1801.00868, Eq. (1).
Void, crowd regions and averages are those of the authors' own evaluator (panopticapi):

* A predicted and a true segment of one class match when their IoU is above 0.5; the union leaves
  out what of the prediction lies on void.
* A crowd region is neither to be found nor missed.
* A prediction without a match does not count when more than half of it lies on void and on a crowd
  region of its class; of several crowd regions of a class in a photo, the last one counts.
* Averages are over the classes that occur at all: matched, missed, or wrongly predicted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Int64

from maskwright.errors import ShapeError, UsageError
from maskwright.structures.segmentation import Segmentation

MATCH_IOU = 0.5  # above it, at most one prediction can match a segment


@dataclass(frozen=True)
class Quality:
    """PQ and its two factors, PQ = SQ · RQ for one class, each in [0, 1].

    Attributes:
        pq: Panoptic quality.
        sq: Segmentation quality: the mean IoU of matches.
        rq: Recognition quality: matches / (matches + half the unmatched on both sides).
        classes: How many classes the averages are over; 1 for a class that occurs, else 0.
    """

    pq: float
    sq: float
    rq: float
    classes: int


@dataclass(eq=False)
class PanopticQuality:
    """Counts over photos, from which the scores follow.

    Args:
        names: Of the classes.
        is_thing: For each class.
    """

    names: tuple[str, ...]
    is_thing: tuple[bool, ...]
    iou: Float64[np.ndarray, " class"] = field(init=False)
    matched: Int64[np.ndarray, " class"] = field(init=False)
    wrong: Int64[np.ndarray, " class"] = field(init=False)
    missed: Int64[np.ndarray, " class"] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.names)
        self.iou = np.zeros(count)
        self.matched, self.wrong, self.missed = (np.zeros(count, np.int64) for _ in range(3))

    def add(self, truth: Segmentation, prediction: Segmentation) -> None:
        """Count one photo.

        Raises:
            ShapeError: If the sizes differ.
            UsageError: If one is no panoptic segmentation, or has other classes.
        """
        self._check(truth, prediction)
        common, areas = _overlaps(truth, prediction)
        true = {segment.id: segment for segment in truth.segments}
        found = {segment.id: segment for segment in prediction.segments}
        matched_true, matched_found = set(), set()
        for (t, p), shared in common.items():
            if not t or not p or true[t].is_crowd or true[t].category_id != found[p].category_id:
                continue
            union = true[t].area + areas[p] - shared - common.get((0, p), 0)
            if shared / union > MATCH_IOU:
                category = true[t].category_id
                self.iou[category] += shared / union
                self.matched[category] += 1
                matched_true.add(t)
                matched_found.add(p)
        for t, segment in true.items():
            self.missed[segment.category_id] += t not in matched_true and not segment.is_crowd
        crowds = {one.category_id: one.id for one in truth.segments if one.is_crowd}
        for p, segment in found.items():
            crowd = crowds.get(segment.category_id, -1)
            ignored = common.get((0, p), 0) + common.get((crowd, p), 0)
            is_counted = p not in matched_found and ignored / areas[p] <= 0.5
            self.wrong[segment.category_id] += is_counted

    def merge(self, other: "PanopticQuality") -> None:
        """Add the counts of other photos.

        Raises:
            UsageError: If its classes are others.
        """
        if other.names != self.names:
            raise UsageError("counts to be merged must be of the same classes, got others")
        for name in ("iou", "matched", "wrong", "missed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def per_class(self) -> dict[str, Quality]:
        """Return the qualities of each class by name; zeros for those that do not occur."""
        return {name: self._average(np.array([i])) for i, name in enumerate(self.names)}

    def all(self) -> Quality:
        """Return the averages over all classes that occur."""
        return self._average(np.arange(len(self.names)))

    def things(self) -> Quality:
        """Return the averages over the things that occur."""
        return self._average(np.flatnonzero(self.is_thing))

    def stuff(self) -> Quality:
        """Return the averages over the stuff that occurs."""
        return self._average(np.flatnonzero(~np.array(self.is_thing, np.bool_)))

    def scores(self) -> dict[str, float]:
        """Return `pq sq rq`, and the same for things and stuff, each in [0, 1]."""
        found = {"": self.all(), "_things": self.things(), "_stuff": self.stuff()}
        return {
            f"{name}{suffix}": getattr(quality, name)
            for suffix, quality in found.items()
            for name in ("pq", "sq", "rq")
        }

    def _average(self, classes: Int64[np.ndarray, " some"]) -> Quality:
        counts = self.matched + 0.5 * self.wrong + 0.5 * self.missed
        classes = classes[counts[classes] > 0]
        if not len(classes):
            return Quality(0.0, 0.0, 0.0, 0)
        matched, iou = self.matched[classes], self.iou[classes]
        pq, rq = iou / counts[classes], matched / counts[classes]
        sq = iou / np.maximum(matched, 1)
        return Quality(float(pq.mean()), float(sq.mean()), float(rq.mean()), len(classes))

    def _check(self, truth: Segmentation, prediction: Segmentation) -> None:
        if tuple(truth.size) != tuple(prediction.size):
            raise ShapeError(
                f"truth and prediction must have one size, got {truth.size} and"
                f" {prediction.size}; compare them at the size of the photo"
            )
        for kind, one in (("truth", truth), ("prediction", prediction)):
            if one.task != "panoptic" or one.categories != self.names:
                raise UsageError(
                    f"the {kind} must be a panoptic segmentation of the {len(self.names)} classes"
                    f" counted, got a {one.task} one of {len(one.categories)}"
                )


def panoptic_quality(
    truths: Sequence[Segmentation],
    predictions: Sequence[Segmentation],
    *,
    is_thing: tuple[bool, ...],
) -> PanopticQuality:
    """Return the counts of some photos, in the order of both.

    Args:
        truths: One or more.
        predictions: As many.
        is_thing: For each class.

    Raises:
        ShapeError: If the numbers or sizes differ.
        UsageError: If there is none, or one is no panoptic segmentation of the same classes.
    """
    if not truths or len(truths) != len(predictions):
        raise ShapeError(
            f"there must be one prediction for each of one truth or more, got {len(predictions)}"
            f" for {len(truths)}"
        )
    counts = PanopticQuality(truths[0].categories, is_thing)
    for truth, prediction in zip(truths, predictions, strict=True):
        counts.add(truth, prediction)
    return counts


def _overlaps(
    truth: Segmentation, prediction: Segmentation
) -> tuple[dict[tuple[int, int], int], dict[int, int]]:
    """Return how many pixels each pair of ids shares (0 is void), and the area of predictions."""
    count = len(prediction.segments) + 1
    pairs = truth.label_map().astype(np.int64) * count + prediction.label_map()
    shared = np.bincount(pairs.ravel())
    common = {divmod(int(pair), count): int(shared[pair]) for pair in np.flatnonzero(shared)}
    return common, {segment.id: segment.area for segment in prediction.segments}
