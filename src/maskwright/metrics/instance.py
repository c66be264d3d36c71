"""Mask AP, AP at IoU 0.5, and boundary AP, as COCO computes them.

Average precision: the mean over IoU thresholds 0.5, 0.55, … 0.95, over 101 recalls and over
classes, of the 100 surest objects of a photo (Lin et al., ECCV 2014, and
https://cocodataset.org/#detection-eval); pycocotools does it. Boundary AP: the same with the
smaller of mask IoU and boundary IoU, which compares only the pixels within d of the outlines, d =
2 % of the photo's diagonal (Cheng et al., "Boundary IoU: Improving Object-Centric Image
Segmentation Evaluation", CVPR 2021, arXiv:2103.16562). Crowd regions are neither to be found nor
missed; against them the mask IoU counts.
"""

import contextlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float64

from maskwright.errors import ShapeError, UsageError
from maskwright.structures import rle
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

DILATION_RATIO = 0.02  # of the diagonal, as Cheng et al. use for COCO
_Row = dict[str, Any]


@dataclass(frozen=True)
class Precision:
    """Average precisions, each in [0, 1].

    Attributes:
        ap: Mean over the thresholds 0.5 to 0.95, and classes that occur in the truth.
        ap50: At the threshold 0.5.
        per_class: `ap` of each class by name; None where the truth has none.
    """

    ap: float
    ap50: float
    per_class: dict[str, float | None]


@dataclass(eq=False)
class InstancePrecision:
    """Objects of photos, true and predicted, collected until the scores are asked for.

    Args:
        names: Of the classes.
        with_boundary: Whether boundaries are kept for boundary AP.
    """

    names: tuple[str, ...]
    with_boundary: bool = True
    _images: list[_Row] = field(init=False, default_factory=list)
    _truth: list[_Row] = field(init=False, default_factory=list)
    _found: list[_Row] = field(init=False, default_factory=list)

    def add(self, truth: Segmentation, prediction: Segmentation) -> None:
        """Collect one photo; segments that are not things do not count.

        Raises:
            ShapeError: If the sizes differ.
            UsageError: If one has other classes, or a prediction is a crowd region.
        """
        if tuple(truth.size) != tuple(prediction.size):
            raise ShapeError(
                f"truth and prediction must have one size, got {truth.size} and"
                f" {prediction.size}; compare them at the size of the photo"
            )
        for kind, one in (("truth", truth), ("prediction", prediction)):
            if one.categories != self.names:
                raise UsageError(
                    f"the {kind} must have the {len(self.names)} classes counted, got others"
                )
        if any(segment.is_crowd for segment in prediction.segments):
            raise UsageError("a prediction is of single objects, got a crowd region; split it")
        image = len(self._images) + 1
        height, width = truth.size
        self._images.append({"id": image, "height": height, "width": width})
        for rows, one in ((self._truth, truth), (self._found, prediction)):
            things = [segment for segment in one.segments if segment.is_thing]
            rows += [self._row(segment, image, len(rows) + i) for i, segment in enumerate(things)]

    def masks(self) -> Precision:
        """Return the mask APs.

        Raises:
            UsageError: If there is no true object.
        """
        return self._evaluated("segmentation")

    def boundaries(self) -> Precision:
        """Return the boundary APs.

        Raises:
            UsageError: If there is no true object, or boundaries were not kept.
        """
        if not self.with_boundary:
            raise UsageError("boundary AP needs boundaries, got none; collect with_boundary=True")
        return self._evaluated("boundary")

    def scores(self) -> dict[str, float]:
        """Return `ap ap50`, and `boundary_ap` if boundaries were kept, each in [0, 1].

        Raises:
            UsageError: If there is no true object.
        """
        masks = self.masks()
        scores = {"ap": masks.ap, "ap50": masks.ap50}
        return scores | ({"boundary_ap": self.boundaries().ap} if self.with_boundary else {})

    def _row(self, segment: Segment, image: int, index: int) -> _Row:
        row = {
            "id": index + 1,
            "image_id": image,
            "category_id": segment.category_id,
            "segmentation": dict(segment.rle),
            "area": segment.area,
            "iscrowd": int(segment.is_crowd),
            "score": segment.score,
        }
        return row | ({"boundary": boundary_of(segment)} if self.with_boundary else {})

    def _evaluated(self, key: str) -> Precision:
        from pycocotools.cocoeval import COCOeval

        if not any(not row["iscrowd"] for row in self._truth):
            raise UsageError("a score needs one true object or more, got none; check the data")
        with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress there
            judge = COCOeval(self._dataset(self._truth), self._dataset(self._found), "segm")
            judge.computeIoU = _comparison(judge, key)
            judge.evaluate()
            judge.accumulate()
        # (threshold, recall, class, area range, most objects); -1 where the truth has none
        precision = judge.eval["precision"][:, :, :, 0, -1]
        per_class = {
            name: _mean(precision[:, :, i]) if (precision[:, :, i] > -1).any() else None
            for i, name in enumerate(self.names)
        }
        return Precision(_mean(precision), _mean(precision[0]), per_class)

    def _dataset(self, rows: Sequence[_Row]) -> Any:
        from pycocotools.coco import COCO

        dataset = COCO()
        dataset.dataset = {
            "images": self._images,
            "annotations": [dict(row) for row in rows],
            "categories": [{"id": i, "name": name} for i, name in enumerate(self.names)],
        }
        dataset.createIndex()
        return dataset


def boundary_of(segment: Segment, *, ratio: float = DILATION_RATIO) -> dict[str, Any]:
    """Return the run lengths of the pixels of a mask that lie within d of its outline.

    d is `ratio` of the photo's diagonal, at least one pixel; the photo's edge is an outline, too.
    """
    height, width = segment.size
    distance = max(1, round(ratio * math.hypot(height, width)))
    x0, y0, x1, y1 = segment.box
    inside = segment.mask()
    inside[y0:y1, x0:x1] &= ~_eroded(inside[y0:y1, x0:x1], distance)
    return rle.encode(inside)


def boundary_iou(truth: Segment, prediction: Segment, *, ratio: float = DILATION_RATIO) -> float:
    """Return |T ∩ P| / |T ∪ P| of the boundaries T and P, in [0, 1].

    Raises:
        ShapeError: If the sizes differ.
    """
    if truth.size != prediction.size:
        raise ShapeError(f"masks must have one size, got {truth.size} and {prediction.size}")
    first, second = (rle.decode(boundary_of(one, ratio=ratio)) for one in (truth, prediction))
    return int((first & second).sum()) / int((first | second).sum())


def _eroded(mask: Bool[np.ndarray, "h w"], distance: int) -> Bool[np.ndarray, "h w"]:
    """Return the pixels with nothing but the mask within `distance` rows and columns."""
    padded = np.pad(mask, 1).astype(np.uint8)
    # What lies outside of the padding never wears anything away, but the padding does.
    core = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)
    return core[1:-1, 1:-1].astype(np.bool_)


def _comparison(judge: Any, key: str) -> Callable[[Any, Any], Any]:
    """Return the function (image, class) → IoU (prediction, truth) that the judge is to use."""
    from pycocotools import mask as coco

    def compute(image: Any, category: Any) -> Float64[np.ndarray, "found true"] | list[Any]:
        true: Sequence[Mapping[str, Any]] = judge._gts[image, category]
        found: Sequence[Mapping[str, Any]] = judge._dts[image, category]
        if not true or not found:
            return []
        order = np.argsort([-row["score"] for row in found], kind="mergesort")
        surest = [found[index] for index in order[: judge.params.maxDets[-1]]]
        crowds = [int(row["iscrowd"]) for row in true]
        iou = np.array(_iou(coco, surest, true, key="segmentation", crowds=crowds))
        if key == "segmentation":
            return iou
        single = np.array(crowds) == 0
        edges = np.array(_iou(coco, surest, true, key=key, crowds=crowds))
        iou[:, single] = np.minimum(iou, edges)[:, single]
        return iou

    return compute


def _iou(
    coco: Any,
    found: Sequence[Mapping[str, Any]],
    true: Sequence[Mapping[str, Any]],
    *,
    key: str,
    crowds: list[int],
) -> Any:
    return coco.iou([row[key] for row in found], [row[key] for row in true], crowds)


def _mean(precision: Float64[np.ndarray, "*_"]) -> float:
    counted = precision[precision > -1]
    return float(counted.mean()) if counted.size else 0.0
