"""Semantic scores: intersection over union of classes, and pixel accuracy.

IoU_c = TP / (TP + FP + FN) over all pixels of all photos (Everingham et al., "The Pascal Visual
Object Classes Challenge", IJCV 2015); mIoU is its mean, fwIoU its mean weighted by how many true
pixels a class has, pixel accuracy the share of true pixels that are right (Long et al., "Fully
Convolutional Networks for Semantic Segmentation", CVPR 2015). Pixels whose truth is void do not
count, not even as wrong predictions; a prediction that is void there where the truth is not is a
miss. Means are over the classes that occur in the truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Int64, Integer

from maskwright.errors import ShapeError, UsageError
from maskwright.structures.segmentation import VOID


@dataclass(eq=False)
class Confusion:
    """How often each class was taken for each, counted over photos.

    Args:
        names: Of the classes.

    Attributes:
        counts: Rows are the truth, columns the prediction; the last column is void.
    """

    names: tuple[str, ...]
    counts: Int64[np.ndarray, "class predicted"] = field(init=False)

    def __post_init__(self) -> None:
        if not self.names or len(self.names) > VOID:
            raise UsageError(f"scores need 1 to {VOID} classes, got {len(self.names)}")
        self.counts = np.zeros((len(self.names), len(self.names) + 1), np.int64)

    def add(self, truth: np.ndarray, prediction: np.ndarray) -> None:
        """Count one photo.

        Args:
            truth: The class of each pixel, integers (h, w), 255 where it is void.
            prediction: The same of the prediction.

        Raises:
            ShapeError: If the sizes differ.
            UsageError: If a label is neither a class nor void.
        """
        if truth.ndim != 2 or truth.shape != prediction.shape:
            raise ShapeError(
                f"truth and prediction must be label maps of one size, got {truth.shape} and"
                f" {prediction.shape}; compare them at the size of the photo"
            )
        count = len(self.names)
        self._check(truth, "truth")
        self._check(prediction, "prediction")
        counted = truth != VOID
        found = np.minimum(prediction[counted].astype(np.int64), count)
        pairs = truth[counted].astype(np.int64) * (count + 1) + found
        self.counts += np.bincount(pairs, minlength=self.counts.size).reshape(self.counts.shape)

    def merge(self, other: "Confusion") -> None:
        """Add the counts of other photos.

        Raises:
            UsageError: If its classes are others.
        """
        if other.names != self.names:
            raise UsageError("counts to be merged must be of the same classes, got others")
        self.counts += other.counts

    def iou(self) -> Float64[np.ndarray, " class"]:
        """Return the IoU of each class in [0, 1]; NaN for those without a true pixel."""
        right, true = self._right(), self._true()
        union = true + self.counts[:, :-1].sum(axis=0) - right
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(true > 0, right / union, np.nan)

    def accuracy(self) -> Float64[np.ndarray, " class"]:
        """Return which share of each class was found; NaN for those without a true pixel."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self._true() > 0, self._right() / self._true(), np.nan)

    def scores(self) -> dict[str, float]:
        """Return `miou fwiou pixel_accuracy`, each in [0, 1].

        Raises:
            UsageError: If no pixel was counted.
        """
        true, iou = self._true(), self.iou()
        if not true.any():
            raise UsageError("a score needs pixels with a class, got none; add photos")
        occurs = true > 0
        return {
            "miou": float(iou[occurs].mean()),
            "fwiou": float((iou[occurs] * true[occurs]).sum() / true.sum()),
            "pixel_accuracy": float(self._right().sum() / true.sum()),
        }

    def per_class(self) -> dict[str, dict[str, float | None]]:
        """Return `iou` and `accuracy` of each class by name; None where it has no true pixel."""
        values = zip(self.names, self.iou().tolist(), self.accuracy().tolist(), strict=True)
        return {
            name: {
                "iou": None if np.isnan(iou) else iou,
                "accuracy": None if np.isnan(accuracy) else accuracy,
            }
            for name, iou, accuracy in values
        }

    def _right(self) -> Int64[np.ndarray, " class"]:
        return self.counts.diagonal()

    def _true(self) -> Int64[np.ndarray, " class"]:
        return self.counts.sum(axis=1)

    def _check(self, labels: Integer[np.ndarray, "h w"], kind: str) -> None:
        strange = labels[(labels != VOID) & ((labels < 0) | (labels >= len(self.names)))]
        if strange.size:
            raise UsageError(
                f"a {kind} must have labels from 0 to {len(self.names) - 1}, or {VOID} for void,"
                f" got {int(strange[0])}; check the list of classes"
            )


def confusion(
    truths: Sequence[np.ndarray], predictions: Sequence[np.ndarray], *, names: tuple[str, ...]
) -> Confusion:
    """Return the counts of some photos, in the order of both.

    Args:
        truths: Label maps.
        predictions: As many.
        names: Of the classes.

    Raises:
        ShapeError: If the numbers or sizes differ.
        UsageError: If a label is neither a class nor void.
    """
    if len(truths) != len(predictions):
        raise ShapeError(
            f"there must be a prediction for each truth, got {len(predictions)} for {len(truths)}"
        )
    counts = Confusion(names)
    for truth, prediction in zip(truths, predictions, strict=True):
        counts.add(truth, prediction)
    return counts
