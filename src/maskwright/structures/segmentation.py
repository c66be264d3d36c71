"""A segmentation: what is in a photo, as masks with classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int32, Integer

from maskwright.errors import ShapeError, UsageError
from maskwright.structures import rle
from maskwright.structures.segment import Segment

TASKS = ("panoptic", "instance", "semantic")
VOID = 255
"""In the label map of a semantic segmentation: a pixel without a class."""


@dataclass(frozen=True)
class Segmentation:
    """The segments of a photo.

    Panoptic: they do not overlap, and what none covers is void. Instance: objects, which may
    overlap. Semantic: one segment for each class there is, without overlap.

    Args:
        size: Height and width of the upright photo.
        task: One of `TASKS`.
        categories: Names of the classes; the index is the category id.
        segments: Their ids are 1 to n, in this order.

    Raises:
        ShapeError: If the size is not two positive lengths, or a mask has another one.
        UsageError: If ids or categories do not fit together, or segments overlap that may not.
    """

    size: tuple[int, int]
    task: str
    categories: tuple[str, ...]
    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "categories", tuple(self.categories))
        object.__setattr__(self, "segments", tuple(self.segments))
        if len(self.size) != 2 or min(self.size) < 1:
            raise ShapeError(f"a size must be a height and a width, got {self.size}")
        if self.task not in TASKS:
            raise UsageError(f"a task must be one of {', '.join(TASKS)}, got {self.task!r}")
        for number, segment in enumerate(self.segments, start=1):
            self._check_segment(number, segment)
        if self.task == "semantic":
            _check_semantic(self.segments)
        if self.task != "instance":
            _check_disjoint(self.segments)

    def _check_segment(self, number: int, segment: Segment) -> None:
        if segment.id != number:
            raise UsageError(f"segment {number} must have the id {number}, got {segment.id}")
        if segment.size != tuple(self.size):
            raise ShapeError(
                f"segment {number} ({segment.category}) must be as large as its photo,"
                f" {self.size}, got {segment.size}; decode it at the size of the photo"
            )
        known = dict(enumerate(self.categories))
        if known.get(segment.category_id) != segment.category:
            raise UsageError(
                f"segment {number} must have the name of its category {segment.category_id},"
                f" {known.get(segment.category_id)!r}, got {segment.category!r}"
            )

    def label_map(self) -> Int32[np.ndarray, "h w"]:
        """Return a number per pixel: panoptic the segment's id, 0 void; semantic its class, 255.

        Raises:
            UsageError: For instances, which may overlap.
        """
        if self.task == "instance":
            raise UsageError(
                "a label map needs segments that do not overlap, got instances;"
                " take each segment's mask(), or segment with task='panoptic'"
            )
        is_semantic = self.task == "semantic"
        spans, ids = _spans(self.segments)
        values = np.array([0, *(s.category_id if is_semantic else s.id for s in self.segments)])
        background = VOID if is_semantic else 0
        return rle.paint(spans, values[ids], size=self.size, background=background)


def semantic_segmentation(
    labels: Integer[np.ndarray, "h w"],
    categories: Sequence[str],
    *,
    is_thing: Sequence[bool] | None = None,
) -> Segmentation:
    """Return a label map as a segmentation.

    Args:
        labels: The category id of each pixel; 255 is void.
        categories: Names; the index is the id.
        is_thing: For each category; all are stuff if None.

    Raises:
        UsageError: If a label is neither a category nor void.
    """
    found = rle.encode_labels(labels)
    found.pop(VOID, None)
    segments = []
    for number, (category, code) in enumerate(found.items(), start=1):
        if not 0 <= category < len(categories):
            raise UsageError(
                f"a label must be one of the {len(categories)} categories from 0 on, or {VOID}"
                f" for none, got {category}; check the list of classes"
            )
        thing = False if is_thing is None else bool(is_thing[category])
        segments.append(Segment(number, category, categories[category], code, is_thing=thing))
    size = (labels.shape[0], labels.shape[1])
    return Segmentation(size, "semantic", tuple(categories), tuple(segments))


def as_semantic(segmentation: Segmentation) -> Segmentation:
    """Return a panoptic segmentation with the segments of each class united.

    Raises:
        UsageError: For instances, which may overlap.
    """
    if segmentation.task == "semantic":
        return segmentation
    ids = segmentation.label_map()
    table = np.full(len(segmentation.segments) + 1, VOID, np.int32)
    is_thing = [True] * len(segmentation.categories)
    for segment in segmentation.segments:
        table[segment.id] = segment.category_id
        is_thing[segment.category_id] = segment.is_thing
    return semantic_segmentation(table[ids], segmentation.categories, is_thing=is_thing)


def _check_semantic(segments: Sequence[Segment]) -> None:
    taken: dict[int, int] = {}
    for segment in segments:
        if segment.category_id >= VOID:
            raise UsageError(
                f"a semantic segmentation has categories below {VOID}, which stands for none, got"
                f" {segment.category_id} ({segment.category})"
            )
        if segment.category_id in taken:
            raise UsageError(
                "a semantic segmentation has one segment for each category, got"
                f" {taken[segment.category_id]} and {segment.id} for {segment.category};"
                " unite them"
            )
        taken[segment.category_id] = segment.id


def _check_disjoint(segments: Sequence[Segment]) -> None:
    """Refuse segments that share a pixel; no mask is decoded for it."""
    spans, owners = _spans(segments)
    order = np.argsort(spans[:, 0], kind="stable")
    spans, owners = spans[order], owners[order]
    overlaps = np.flatnonzero(spans[:-1, 1] > spans[1:, 0])
    if len(overlaps):
        first, second = sorted(owners[overlaps[0] : overlaps[0] + 2].tolist())
        names = {segment.id: segment.category for segment in segments}
        raise UsageError(
            f"segments may not overlap, got {first} ({names[first]}) and {second}"
            f" ({names[second]}) with pixels in common; give each pixel to one,"
            " or use the task 'instance'"
        )


def _spans(
    segments: Sequence[Segment],
) -> tuple[Int[np.ndarray, "span 2"], Int[np.ndarray, " span"]]:
    """Return the spans of all segments, and the id each belongs to."""
    found = [rle.spans(segment.rle) for segment in segments]
    ids = np.repeat(np.arange(1, len(found) + 1), [len(one) for one in found])
    return np.concatenate([np.zeros((0, 2), np.int64), *found]), ids
