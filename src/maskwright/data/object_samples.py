"""One object of a photo, augmented as InterFormer's training does: what a step of it looks at.

Huang et al., "InterFormer: Real-time Interactive Image Segmentation", ICCV 2023,
arXiv:2304.02942. In this order: resize, mirror, pad, crop, distort colours, choose an object of
those that are still to be seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Int32, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from maskwright.data.labelled import IGNORED, Labelled, LabelledPhotos
from maskwright.data.loader import Key
from maskwright.errors import DataError
from maskwright.image.resize import resize

CROPS_TRIED = 10
PHOTOS_TRIED = 20
UNKNOWN_LABEL = 255  # in the tensors; the loss leaves it out


@dataclass(frozen=True)
class ObjectPlan:
    """How a photo is varied.

    Attributes:
        side_px: Side of a crop.
        scale: Range of the factor of the first resizing.
        largest_share: A crop is drawn anew while one label, or none, covers this much of it.
        brightness: Most that is added, of 255.
        contrast: Range of the factor; saturation has the same.
        hue_degrees: Largest turn, of the 180 that OpenCV counts.
    """

    side_px: int = 512
    scale: tuple[float, float] = (0.5, 2.0)
    largest_share: float = 0.75
    brightness: float = 32.0
    contrast: tuple[float, float] = (0.5, 1.5)
    hue_degrees: int = 18


class ObjectSamples(Dataset[dict[str, Tensor]]):
    """A crop of a photo and one object in it.

    Args:
        sources: Whose photos follow each other; an epoch goes once through all.
        plan: How photos are varied.
        seed: Of all random draws.
    """

    def __init__(
        self,
        sources: Sequence[LabelledPhotos],
        *,
        plan: ObjectPlan = ObjectPlan(),
        seed: int = 0,
    ) -> None:
        self.sources = tuple(sources)
        self.ends = np.cumsum([len(source) for source in self.sources])
        self.plan, self.seed = plan, seed

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """Return image float32 (3, h, w) in [0, 1] and label uint8 (h, w): 0, 1, 255 unknown.

        A photo without an object in its crop gives way to another, drawn at random.

        Raises:
            DataError: If many photos in turn show no object.
        """
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index])
        for _ in range(PHOTOS_TRIED):
            found = self._photo(index, rng)
            numbers = np.unique(found.labels)
            numbers = numbers[numbers > 0]
            if len(numbers):
                return object_tensors(found, int(rng.choice(numbers)))
            index = int(rng.integers(len(self)))
        raise DataError(
            f"photos to learn from must show objects, got {PHOTOS_TRIED} in turn without any;"
            " check the annotations"
        )

    def _photo(self, index: int, rng: np.random.Generator) -> Labelled:
        which = int(np.searchsorted(self.ends, index, side="right"))
        first = int(self.ends[which]) - len(self.sources[which])
        photo = self.sources[which].labelled(index - first, rng)
        photo = cropped(padded(resized(photo, rng, plan=self.plan), self.plan), rng, self.plan)
        return Labelled(distorted(photo.image, rng, plan=self.plan), photo.labels)


def object_tensors(photo: Labelled, number: int) -> dict[str, Tensor]:
    """Return a photo and one of its objects as `ObjectSamples` does."""
    label = (photo.labels == number).astype(np.uint8)
    label[photo.labels == IGNORED] = UNKNOWN_LABEL
    planes = np.ascontiguousarray(photo.image.transpose(2, 0, 1))
    return {
        "image": torch.from_numpy(planes).float().div_(255),
        "label": torch.from_numpy(label),
    }


def resized(photo: Labelled, rng: np.random.Generator, *, plan: ObjectPlan) -> Labelled:
    """Return the photo at a random scale, mirrored or not."""
    scale = rng.uniform(*plan.scale)
    height, width = (max(1, round(side * scale)) for side in photo.labels.shape)
    image = resize(photo.image, (height, width), kind="linear")
    labels = resize(photo.labels, (height, width), kind="nearest")
    if rng.random() < 0.5:
        image, labels = image[:, ::-1], labels[:, ::-1]
    return Labelled(image, labels)


def padded(photo: Labelled, plan: ObjectPlan) -> Labelled:
    """Return the photo with black, which is no object, at the right and below, if too small."""
    height, width = photo.labels.shape
    rows, columns = max(0, plan.side_px - height), max(0, plan.side_px - width)
    if not rows and not columns:
        return photo
    margin = ((0, rows), (0, columns))
    return Labelled(np.pad(photo.image, (*margin, (0, 0))), np.pad(photo.labels, margin))


def cropped(photo: Labelled, rng: np.random.Generator, plan: ObjectPlan) -> Labelled:
    """Return a random square; another one while one label covers too much of it."""
    height, width = photo.labels.shape
    side = plan.side_px
    for _ in range(CROPS_TRIED):
        top, left = (int(rng.integers(length - side + 1)) for length in (height, width))
        at = slice(top, top + side), slice(left, left + side)
        if _is_varied(photo.labels[at], plan.largest_share):
            break
    return Labelled(photo.image[at], photo.labels[at])


def distorted(
    image: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator, *, plan: ObjectPlan
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the photo in other colours, each change with probability one half.

    Brightness; contrast; saturation; hue. Contrast comes after hue in every second photo. The
    order is that of SSD: Liu et al., ECCV 2016, arXiv:1512.02325, section 2.2.
    """
    if rng.random() < 0.5:
        image = _linear(image, 1, rng.uniform(-plan.brightness, plan.brightness))
    contrast_first = rng.random() < 0.5
    if contrast_first and rng.random() < 0.5:
        image = _linear(image, rng.uniform(*plan.contrast), 0)
    if rng.random() < 0.5:
        image = in_hsv(image, saturation=rng.uniform(*plan.contrast))
    if rng.random() < 0.5:
        image = in_hsv(image, hue=int(rng.integers(-plan.hue_degrees, plan.hue_degrees + 1)))
    if not contrast_first and rng.random() < 0.5:
        image = _linear(image, rng.uniform(*plan.contrast), 0)
    return image


def _is_varied(labels: Int32[np.ndarray, "h w"], largest_share: float) -> bool:
    values, counts = np.unique(labels, return_counts=True)
    counts = counts[values != IGNORED]
    return len(counts) > 1 and bool(counts.max() < largest_share * counts.sum())


def _linear(
    image: UInt8[np.ndarray, "h w 3"], factor: float | int, shift: float | int
) -> UInt8[np.ndarray, "h w 3"]:
    table = np.clip(np.arange(256) * factor + shift, 0, 255).astype(np.uint8)
    return table[image]


def in_hsv(
    image: UInt8[np.ndarray, "h w 3"], *, saturation: float | int = 1, hue: int = 0
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the photo with saturation multiplied, and hue turned by steps of 2 degrees."""
    hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = ((np.arange(256) + hue) % 180).astype(np.uint8)[hsv[..., 0]]
    hsv[..., 1] = np.clip(np.arange(256) * saturation, 0, 255).astype(np.uint8)[hsv[..., 1]]
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)
