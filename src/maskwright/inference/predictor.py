"""Clicking through the interface that came with Segment Anything, for programs written for it.

Interface: Kirillov et al., "Segment Anything", ICCV 2023, arXiv:2304.02643. Its predictor is given
all points at every call, and its networks offer three masks; InterFormer makes one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

from maskwright.errors import UsageError
from maskwright.image.io import PhotoSource
from maskwright.inference.click import Answer, Clicker
from maskwright.inference.enlarge import enlarged_mask
from maskwright.inference.features import ImageFeatures
from maskwright.structures.box import Box
from maskwright.structures.click import Click

Prediction = tuple[
    Bool[np.ndarray, "1 h w"], Float32[np.ndarray, "1"], Float32[np.ndarray, "1 rows columns"]
]


class Predictor:
    """Answers `predict` about the photo of `set_image`.

    Args:
        clicker: What answers.
    """

    def __init__(self, clicker: Clicker) -> None:
        self.clicker = clicker
        self.features: ImageFeatures | None = None

    @classmethod
    def load(cls, name: str | Path, *, device: str = "auto") -> "Predictor":
        """Return a predictor with weights as for `Clicker.load`."""
        return cls(Clicker.load(name, device=device))

    def set_image(self, image: PhotoSource | ImageFeatures) -> None:
        """Encode a photo, or take one that has been encoded.

        Raises:
            ImageError: If the photo cannot be read.
            FeaturesError: If the features were made with other weights.
        """
        if isinstance(image, ImageFeatures):
            image.check_weights(self.clicker.weights)
            self.features = image
        else:
            self.features = self.clicker.encode(image)

    def reset_image(self) -> None:
        """Forget the photo."""
        self.features = None

    def predict(
        self,
        point_coords: NDArray[Any] | Sequence[Sequence[float | int]] | None = None,
        point_labels: NDArray[Any] | Sequence[int] | None = None,
        box: NDArray[Any] | Sequence[float | int] | None = None,
        *,
        mask_input: NDArray[Any] | None = None,
        multimask_output: bool = False,
    ) -> Prediction:
        """Return (masks, scores, margins): of one object, so each is one long.

        Args:
            point_coords: (point, 2): all points, (x, y) in pixels of the upright photo.
            point_labels: 1 on the object, 0 beside it.
            box: x0, y0, x1, y1.
            mask_input: The margins of an earlier call, or a mask (h, w) or (1, h, w) of the
                photo's size, True or above 0 on the object.
            multimask_output: Taken for programs that give it; there is one mask either way.

        Returns:
            The mask, bool; an estimate of its intersection over union with the object, made from
            the network's own probabilities; and the margin of the object's logit over the
            background's, at a quarter of what the network saw.

        Raises:
            UsageError: If there is no photo, nothing to answer, or something out of place.
        """
        if self.features is None:
            raise UsageError("expected a photo to predict for, got none; call set_image first")
        answer = self.clicker.answer(
            self.features,
            _clicks(point_coords, point_labels),
            None if mask_input is None else self._previous(self.features, np.asarray(mask_input)),
            box=None if box is None else _box(np.asarray(box)),
        )
        assert answer.margin is not None
        score = np.array([expected_iou(answer)], np.float32)
        return answer.mask[None], score, answer.margin[None]

    def _previous(self, features: ImageFeatures, given: NDArray[Any]) -> Answer:
        scale = features.scale
        given = given[0] if given.ndim == 3 and len(given) == 1 else given
        if given.shape == tuple(features.maps[0].shape[2:]):
            mask = enlarged_mask(given.astype(np.float32), scale.size, seen=scale.seen)
        elif given.shape == scale.size:
            mask = given > 0
        else:
            raise UsageError(
                f"expected a mask of {scale.size} or margins of {features.maps[0].shape[2:]} as"
                f" mask_input, got {given.shape}; give those of this photo"
            )
        return self.clicker.start(features, mask)


def expected_iou(answer: Answer) -> float:
    """Return the IoU that the probabilities p predict for the mask m: sum(p m) / sum(max(p, m))."""
    assert answer.margin is not None
    scale = answer.scale
    rows, columns = (-(-side // 4) for side in scale.seen)
    margin = answer.margin[:rows, :columns]
    probability = 1 / (1 + np.exp(-np.clip(margin, -50, 50)))
    mask = margin > 0
    together = np.maximum(probability, mask).sum()
    return float(probability[mask].sum() / together) if mask.any() else 0.0


def _clicks(coords: Any, labels: Any) -> list[Click]:
    points = np.zeros((0, 2)) if coords is None else np.asarray(coords, np.float64)
    signs = np.zeros(0) if labels is None else np.asarray(labels)
    if points.ndim != 2 or points.shape[1] != 2 or signs.shape != points.shape[:1]:
        raise UsageError(
            "expected points (n, 2) and as many labels, got the shapes"
            f" {points.shape} and {signs.shape}"
        )
    if not np.isin(signs, (0, 1)).all():
        raise UsageError(
            f"expected labels 1 (on the object) and 0 (beside it), got {np.unique(signs).tolist()}"
        )
    return [
        Click(float(x), float(y), bool(sign)) for (x, y), sign in zip(points, signs, strict=True)
    ]


def _box(edges: NDArray[Any]) -> Box:
    if edges.size != 4:
        raise UsageError(f"expected a box x0, y0, x1, y1, got the shape {edges.shape}")
    return Box(*(float(edge) for edge in edges.ravel()))
