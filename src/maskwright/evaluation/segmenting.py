"""Segmentations against the truth: the score of each photo, and those of all of them.

A network is called as users call it, and its classes are found by name among those of the truth.
What a photo adds to the scores is a few numbers that JSON knows, so that a stopped run can go on:
`score` returns them under "kept", `add` counts them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from maskwright.data.ground_truth import TruthSet
from maskwright.errors import DataError, ShapeError
from maskwright.evaluation.run import Row, row_of
from maskwright.image.source import display_name
from maskwright.metrics.instance import InstancePrecision
from maskwright.metrics.panoptic import PanopticQuality
from maskwright.metrics.semantic import Confusion
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

KEPT = "kept"
PredictFunction = Callable[[int], Segmentation]  # of the photo with this index


@dataclass(frozen=True)
class Item:
    """A photo of a set.

    Attributes:
        name: Its path below the folder that all photos of the set share, without suffix.
        index: In the set.
        files: All that its score is made of.
    """

    name: str
    index: int
    files: tuple[Path, ...]


@runtime_checkable
class Tally(Protocol):
    """What adds up the scores of a set's photos."""

    truth: TruthSet

    def score(self, index: int, predict: PredictFunction) -> dict[str, Any]:
        """Return what a photo is worth, as JSON knows it, with what `add` needs under "kept"."""

    def add(self, index: int, kept: Any) -> None:
        """Count a photo that was scored, now or in an earlier run."""

    def averages(self) -> dict[str, float | None]:
        """Return the scores over all photos, each in [0, 1]; None where nothing is known."""

    def per_class(self) -> dict[str, dict[str, Any]]:
        """Return the scores of each class by name; None for those that the truth lacks."""


@dataclass(eq=False)
class SemanticTally:
    """Adds up confusions of classes.

    Args:
        truth: Of the task "semantic".
    """

    truth: TruthSet
    counts: Confusion = field(init=False)

    def __post_init__(self) -> None:
        self.counts = Confusion(self.truth.classes.names)

    def score(self, index: int, predict: PredictFunction) -> dict[str, Any]:
        """Return `miou` and `pixel_accuracy` of a photo; None if all its truth is void."""
        labels = self.truth.labels(index)
        one = Confusion(self.counts.names)
        one.add(labels, predict(index).label_map())
        found = one.scores() if one.counts.any() else {}
        rows, columns = one.counts.nonzero()
        kept = np.stack([rows, columns, one.counts[rows, columns]], axis=1).tolist()
        return {name: found.get(name) for name in ("miou", "pixel_accuracy")} | {KEPT: kept}

    def add(self, index: int, kept: Any) -> None:
        """Count pixels: (true class, predicted class, how many)."""
        for true, found, count in kept:
            self.counts.counts[true, found] += count

    def averages(self) -> dict[str, float | None]:
        """Return `miou fwiou pixel_accuracy`."""
        if not self.counts.counts.any():
            return dict.fromkeys(("miou", "fwiou", "pixel_accuracy"))
        return {**self.counts.scores()}

    def per_class(self) -> dict[str, dict[str, Any]]:
        """Return `iou`, `accuracy`, and `share`, of all true pixels."""
        true = self.counts.counts.sum(axis=1)
        shares = (true / max(1, true.sum())).tolist()
        found = self.counts.per_class()
        return {
            name: {**scores, "share": share}
            for (name, scores), share in zip(found.items(), shares, strict=True)
        }


@dataclass(eq=False)
class PanopticTally:
    """Adds up matches of segments.

    Args:
        truth: Of the task "panoptic".
    """

    truth: TruthSet
    counts: PanopticQuality = field(init=False)

    def __post_init__(self) -> None:
        self.counts = self._empty()

    def score(self, index: int, predict: PredictFunction) -> dict[str, Any]:
        """Return `pq sq rq` of a photo; None if nothing is in it and nothing was found."""
        one = self._empty()
        one.add(self.truth[index].segmentation, predict(index))
        occurs = np.flatnonzero(one.matched + one.wrong + one.missed)
        counted = zip(
            *(values[occurs].tolist() for values in (one.iou, one.matched, one.wrong, one.missed)),
            strict=True,
        )
        kept = [[int(c), *values] for c, values in zip(occurs, counted, strict=True)]
        scores = one.scores() if kept else {}
        return {name: scores.get(name) for name in ("pq", "sq", "rq")} | {KEPT: kept}

    def add(self, index: int, kept: Any) -> None:
        """Count segments: (class, sum of IoUs, matched, wrong, missed)."""
        for category, iou, matched, wrong, missed in kept:
            self.counts.iou[category] += iou
            self.counts.matched[category] += matched
            self.counts.wrong[category] += wrong
            self.counts.missed[category] += missed

    def averages(self) -> dict[str, float | None]:
        """Return `pq sq rq`, and the same of things and of stuff, None where neither occurs."""
        counts, scores = self.counts, self.counts.scores()
        occurs = {"": counts.all(), "_things": counts.things(), "_stuff": counts.stuff()}
        return {
            f"{name}{suffix}": scores[f"{name}{suffix}"] if quality.classes else None
            for suffix, quality in occurs.items()
            for name in ("pq", "sq", "rq")
        }

    def per_class(self) -> dict[str, dict[str, Any]]:
        """Return `pq sq rq`, and how many segments were `matched`, `missed`, `wrong`."""
        rows = {}
        for index, (name, quality) in enumerate(self.counts.per_class().items()):
            known = quality.classes > 0
            rows[name] = {
                "pq": quality.pq if known else None,
                "sq": quality.sq if known else None,
                "rq": quality.rq if known else None,
                "matched": int(self.counts.matched[index]),
                "missed": int(self.counts.missed[index]),
                "wrong": int(self.counts.wrong[index]),
            }
        return rows

    def _empty(self) -> PanopticQuality:
        return PanopticQuality(self.truth.classes.names, self.truth.classes.is_thing)


@dataclass(eq=False)
class InstanceTally:
    """Collects objects; precision is known only when all are there.

    Args:
        truth: Of the task "instance".
    """

    truth: TruthSet
    counts: InstancePrecision = field(init=False)
    objects: list[int] = field(init=False)  # how many true ones there are of each class

    def __post_init__(self) -> None:
        self.counts = InstancePrecision(self.truth.classes.names)
        self.objects = [0] * len(self.truth.classes)

    def score(self, index: int, predict: PredictFunction) -> dict[str, Any]:
        """Return how many objects a photo has, `true`, and how many were `found`."""
        truth, found = self.truth[index].segmentation, predict(index)
        if tuple(truth.size) != tuple(found.size):
            raise ShapeError(
                f"truth and prediction must have one size, got {truth.size} and {found.size};"
                " compare them at the size of the photo"
            )
        objects = [one for one in found.segments if one.is_thing]
        kept = [[one.category_id, one.score, one.rle["counts"]] for one in objects]
        true = sum(one.is_thing and not one.is_crowd for one in truth.segments)
        return {"true": true, "found": len(kept), KEPT: kept}

    def add(self, index: int, kept: Any) -> None:
        """Collect objects: (class, score, run lengths); those of the truth are read again."""
        truth = self.truth[index].segmentation
        names = self.truth.classes.names
        segments = [
            Segment(number, category, names[category], _rle(truth.size, code), score=score)
            for number, (category, score, code) in enumerate(kept, start=1)
        ]
        self.counts.add(truth, Segmentation(truth.size, "instance", names, tuple(segments)))
        for one in truth.segments:
            self.objects[one.category_id] += one.is_thing and not one.is_crowd

    def averages(self) -> dict[str, float | None]:
        """Return `ap ap50 boundary_ap`."""
        if not any(self.objects):
            return dict.fromkeys(("ap", "ap50", "boundary_ap"))
        return {**self.counts.scores()}

    def per_class(self) -> dict[str, dict[str, Any]]:
        """Return `ap`, `boundary_ap`, and how many true `objects` there are."""
        names = self.truth.classes.names
        empty: dict[str, float | None] = dict.fromkeys(names)
        known = any(self.objects)
        masks = self.counts.masks().per_class if known else empty
        edges = self.counts.boundaries().per_class if known else empty
        return {
            name: {"ap": masks[name], "boundary_ap": edges[name], "objects": count}
            for name, count in zip(names, self.objects, strict=True)
        }


TALLIES: dict[str, Callable[[TruthSet], Tally]] = {
    "semantic": SemanticTally,
    "panoptic": PanopticTally,
    "instance": InstanceTally,
}


def items_of(truth: TruthSet, predictions: TruthSet | None = None) -> list[Item]:
    """Return the photos of a set.

    Args:
        truth: The set.
        predictions: What was found in its photos, if that is read from files.

    Raises:
        DataError: If a photo has no prediction; names the first five.
    """
    where = prediction_indices(truth, predictions) if predictions else {}
    names = names_of(truth.photos)
    items = []
    for index, photo in enumerate(truth.photos):
        files = [photo, *(truth.files[index] if truth.files else ())]
        if predictions and predictions.files:
            files += predictions.files[where[index]]
        items.append(Item(names[index], index, tuple(file for file in files if file.exists())))
    return items


def names_of(photos: Sequence[Path]) -> list[str]:
    """Return short names: paths below the folder that all share, without suffix if they differ."""
    parts = [photo.parts[:-1] for photo in photos]
    shared = 0
    while all(len(one) > shared and one[shared] == parts[0][shared] for one in parts):
        shared += 1
    short = [Path(*photo.parts[shared:]) for photo in photos]
    plain = [path.with_suffix("").as_posix() for path in short]
    is_clear = len(set(plain)) == len(plain)
    return plain if is_clear else [path.as_posix() for path in short]


def prediction_indices(truth: TruthSet, predictions: TruthSet) -> dict[int, int]:
    """Return which prediction belongs to each photo of a set.

    Raises:
        DataError: If a photo has none; names the first five.
    """
    known = {photo.resolve(): index for index, photo in enumerate(predictions.photos)}
    found = {index: known.get(photo.resolve()) for index, photo in enumerate(truth.photos)}
    missing = [display_name(truth.photos[index]) for index in found if found[index] is None]
    if missing:
        shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        raise DataError(
            f"every photo must have a prediction, there is none for {len(missing)}: {shown};"
            " add them, or score the photos that have one"
        )
    return {index: where for index, where in found.items() if where is not None}


def predicted(truth: TruthSet, predictions: TruthSet) -> PredictFunction:
    """Return what reads the predictions for a set's photos.

    Raises:
        DataError: If a photo has none; names the first five.
    """
    where = prediction_indices(truth, predictions)

    def predict(index: int) -> Segmentation:
        found = predictions[where[index]].segmentation
        for one in found.segments:
            if one.is_crowd:
                photo = display_name(truth.photos[index])
                raise DataError(
                    f"{photo}: a prediction is of single objects, segment {one.id}"
                    f" ({one.category}) is a crowd region; split it, or leave it out"
                )
        return found

    return predict


def score_photos(items: Sequence[Item], *, tally: Tally, predict: PredictFunction) -> Iterator[Row]:
    """Yield a row for each photo, in order, as soon as it is scored; nothing is added up yet."""
    return (row_of(item.name, partial(tally.score, item.index, predict)) for item in items)


def _rle(size: tuple[int, int], counts: str) -> dict[str, Any]:
    return {"size": list(size), "counts": counts}
