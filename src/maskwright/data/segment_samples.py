"""Photos and all that is to be found in them, augmented as Mask2Former's training does.

Cheng et al., "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR 2022,
arXiv:2112.01527, section 4.1. COCO: large-scale jitter (Ghiasi et al., "Simple Copy-Paste",
CVPR 2021, arXiv:2012.07177). ADE20K, Cityscapes: a shorter side among several, a crop, other
colours, mirrored or not. Masks travel as packed bits, an eighth of the memory.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64, Integer, UInt8, UInt16
from torch import Tensor
from torch.utils.data import Dataset

from maskwright.data.ground_truth import TruthSet
from maskwright.data.loader import Key
from maskwright.data.object_samples import ObjectPlan, distorted
from maskwright.data.sources import read_colour
from maskwright.image.resize import resize
from maskwright.structures.segmentation import VOID, Segmentation

NOTHING = -1  # a class that stands for no mask
PADDING = 128  # of 255, beside a photo that is smaller than the crop
COLOURS = ObjectPlan()  # the distortion of colours is InterFormer's, which is SSD's
SCALES = tuple(number / 10 for number in range(5, 21))
LONGEST = 4  # times the usual shorter side


@dataclass(frozen=True, eq=False)
class Known:
    """A photo and what is to be found in it.

    Attributes:
        image: uint8 (h, w, 3), sRGB.
        layers: The number of a target for each pixel, 0 for none; targets that overlap lie in
            different layers.
        classes: Of the targets 1 to n; what is left out is no target, in no layer.
    """

    image: UInt8[np.ndarray, "h w 3"]
    layers: UInt16[np.ndarray, "layer h w"]
    classes: Int64[np.ndarray, " target"]

    def each(
        self, change: Callable[[np.ndarray], np.ndarray], *, image: np.ndarray | None = None
    ) -> "Known":
        """Return it with a change made to every layer, and to the photo if none is given."""
        changed = np.stack([change(layer) for layer in self.layers])
        return replace(self, image=change(self.image) if image is None else image, layers=changed)


@runtime_checkable
class KnownPhotos(Protocol):
    """What has a length and gives a photo and its targets for each index below it."""

    def __len__(self) -> int:
        """Return the number of photos."""

    def known(self, index: int) -> Known:
        """Return one."""


@dataclass(frozen=True, eq=False)
class TruthPhotos:
    """The photos of a set whose segmentation is known, for the task of the set.

    Attributes:
        truth: The set.
    """

    truth: TruthSet

    def __len__(self) -> int:
        return len(self.truth)

    def known(self, index: int) -> Known:
        """Return a photo: its classes, its segments, or its objects.

        Raises:
            DataError: If its labels are damaged or of another size.
            ImageError: If it cannot be read.
        """
        image = read_colour(self.truth.photos[index])
        if self.truth.task == "semantic":
            return known_classes(image, self.truth.labels(index))
        return known_segments(image, self.truth[index].segmentation)


def known_classes(image: UInt8[np.ndarray, "h w 3"], labels: Integer[np.ndarray, "h w"]) -> Known:
    """Return a target for each class that is present.

    Args:
        image: The photo.
        labels: The class of each pixel; 255 is void, of which nothing is to be found.
    """
    present = np.flatnonzero(np.bincount(labels.ravel(), minlength=VOID + 1))
    present = present[present != VOID]
    table = np.zeros(max(VOID, *present.tolist(), 0) + 1, np.uint16)
    table[present] = np.arange(1, len(present) + 1)
    return Known(image, table[labels][None], present.astype(np.int64))


def known_segments(image: UInt8[np.ndarray, "h w 3"], found: Segmentation) -> Known:
    """Return a target for each segment or object, but crowd regions, of which none can be told.

    Args:
        image: The photo.
        found: Panoptic, instance or semantic.
    """
    segments = [segment for segment in found.segments if not segment.is_crowd]
    layers = [np.zeros(found.size, np.uint16)]
    for number, segment in enumerate(segments, start=1):
        mask = segment.mask()
        free = next((layer for layer in layers if not layer[mask].any()), None)
        if free is None:
            free = np.zeros(found.size, np.uint16)
            layers.append(free)
        free[mask] = number
    classes = np.array([segment.category_id for segment in segments], np.int64)
    return Known(image, np.stack(layers), classes)


@dataclass(frozen=True)
class Jitter:
    """Large-scale jitter: mirrored or not, at any size, cropped or padded to a square.

    Attributes:
        side_px: Of the square.
        scale: Range of the side of the square that the photo is made to fit, in those of the crop.
    """

    side_px: int = 1024
    scale: tuple[float, float] = (0.1, 2.0)

    def __call__(self, photo: Known, rng: np.random.Generator) -> Known:
        """Return a photo as it is learned from.

        Not in the paper, but in the official code: one random number decides how far the crop lies
        to the right and how far below.
        """
        photo = mirrored(photo) if rng.random() < 0.5 else photo
        height, width = photo.image.shape[:2]
        scale = self.side_px * rng.uniform(*self.scale) / max(height, width)
        photo = resized(photo, (_pixels(height * scale), _pixels(width * scale)))
        share = float(rng.random())
        return cut(photo, (self.side_px, self.side_px), shares=(share, share))


@dataclass(frozen=True)
class Crops:
    """One of several sizes, a crop, other colours, mirrored or not.

    Attributes:
        short_side_px: The usual shorter side.
        size_px: Height and width of a crop.
        scales: Factors of the usual side, all equally likely.
        longest: The longer side is at most this many times the usual shorter one.
    """

    short_side_px: int
    size_px: tuple[int, int]
    scales: tuple[float, ...] = SCALES
    longest: float | int = LONGEST

    def __call__(self, photo: Known, rng: np.random.Generator) -> Known:
        """Return a photo as it is learned from; what the crop lacks is padded at the end."""
        height, width = photo.image.shape[:2]
        short = int(rng.choice(self.scales) * self.short_side_px)
        scale = min(
            short / min(height, width), self.longest * self.short_side_px / max(height, width)
        )
        photo = resized(photo, (_pixels(height * scale), _pixels(width * scale)))
        size = tuple(
            min(side, there)
            for side, there in zip(self.size_px, photo.image.shape[:2], strict=True)
        )
        photo = cut(photo, (size[0], size[1]), shares=(float(rng.random()), float(rng.random())))
        photo = replace(photo, image=distorted(photo.image, rng, plan=COLOURS))
        photo = mirrored(photo) if rng.random() < 0.5 else photo
        return cut(photo, self.size_px, shares=(0.0, 0.0))


Augmentation = Jitter | Crops


class SegmentSamples(Dataset[dict[str, Tensor]]):
    """Photos and all that is to be found in them.

    Args:
        photos: To learn from; an epoch goes once through all.
        plan: How they are varied.
        most: Targets of a sample; of more, the largest are kept.
        seed: Of all random draws.
    """

    def __init__(
        self, photos: KnownPhotos, *, plan: Augmentation, most: int, seed: int = 0
    ) -> None:
        self.photos, self.plan, self.most, self.seed = photos, plan, most, seed

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """Return a sample as `segment_tensors` does.

        Args:
            key: Epoch and index, 0 or more.
        """
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index])
        return segment_tensors(self.plan(self.photos.known(index), rng), most=self.most)


def segment_tensors(photo: Known, *, most: int, least_px: int = 1) -> dict[str, Tensor]:
    """Return the tensors of one sample.

    Args:
        photo: Photo and targets; those that are not to be seen are left out.
        most: Targets of a sample; of more, the largest are kept.
        least_px: A target with fewer pixels is not to be seen.

    Returns:
        image: float32 (3, h, w) in [0, 1].
        masks: uint8 (most, h, ceil(w / 8)), a bit for each pixel, the first the highest.
        classes: int64 (most), -1 where there is no mask.
    """
    height, width = photo.image.shape[:2]
    masks = np.zeros((most, height, -(-width // 8)), np.uint8)
    classes = np.full(most, NOTHING, np.int64)
    counts = [np.bincount(layer.ravel(), minlength=1) for layer in photo.layers]
    seen = [
        (int(count[number]), -layer, -int(number))
        for layer, count in enumerate(counts)
        for number in np.flatnonzero(count)
        if number and count[number] >= least_px
    ]
    for row, (_, layer, number) in enumerate(sorted(seen, reverse=True)[:most]):
        masks[row] = np.packbits(photo.layers[-layer] == -number, axis=1)
        classes[row] = photo.classes[-number - 1]
    planes = np.ascontiguousarray(photo.image.transpose(2, 0, 1))
    return {
        "image": torch.from_numpy(planes).float().div_(255),
        "masks": torch.from_numpy(masks),
        "classes": torch.from_numpy(classes),
    }


def resized(photo: Known, size: tuple[int, int]) -> Known:
    """Return a photo and its targets in another size."""
    image = resize(photo.image, size)
    return photo.each(lambda layer: resize(layer, size, kind="nearest"), image=image)


def mirrored(photo: Known) -> Known:
    """Return a photo and its targets, left and right exchanged."""
    return photo.each(lambda pixels: np.ascontiguousarray(pixels[:, ::-1]))


def cut(photo: Known, size: tuple[int, int], *, shares: tuple[float, float]) -> Known:
    """Return a part of a photo, filled up with grey, without targets, at the right and below.

    Args:
        photo: Photo and targets.
        size: Height and width of the part.
        shares: How far it lies from the top and from the left, of how far it can.
    """
    lacking = [wanted - there for wanted, there in zip(size, photo.image.shape[:2], strict=True)]
    room = [max(0, -lack) for lack in lacking]
    first = [min(most, int((most + 1) * share)) for most, share in zip(room, shares, strict=True)]
    at = tuple(slice(start, start + wanted) for start, wanted in zip(first, size, strict=True))
    margin = tuple((0, max(0, lack)) for lack in lacking)
    image = np.pad(photo.image[at], (*margin, (0, 0)), constant_values=PADDING)
    return photo.each(lambda layer: np.pad(layer[at], margin), image=image)


def _pixels(length: float) -> int:
    return max(1, int(length + 0.5))
