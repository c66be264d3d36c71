"""Small crops with all that is to be found in them, many a second, things pasted into some.

The paper resizes and crops whole photos; here one affine map carries a photo, or a part of it,
straight into a crop. Cut-out things are pasted into a share of them, as in Ghiasi et al., "Simple
Copy-Paste", CVPR 2021, arXiv:2012.07177: foregrounds with a known alpha, or objects of other
photos by their masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from maskwright.data.loader import Key
from maskwright.data.object_crops import (
    OUTSIDE,
    ObjectCropPlan,
    Thing,
    backdrop,
    drawn_noise,
    drawn_part,
    laid_over,
    layer_of_part,
    layer_of_thing,
    recorded,
    relit,
    seen_through,
    view_of_photo,
)
from maskwright.data.scenes import Part, Scene
from maskwright.data.segment_samples import Known, segment_tensors

_OF_SCENES = ObjectCropPlan(
    whole_probability=0.5,
    whole_extent=(0.9, 1.5),
    extent=(0.3, 1.2),
    turn_degrees=10.0,
    most_stretched=0.2,
)
_OF_THINGS = ObjectCropPlan(extent=(0.25, 1.2), turn_degrees=7.0, most_stretched=0.3)


@dataclass(frozen=True)
class SegmentCropPlan:
    """How crops are varied.

    Attributes:
        side_px: Side of a crop.
        backdrop_probability: How often nothing is there but what is pasted.
        pasted: How likely 0, 1, 2, … things are pasted into a photo.
        pasted_alone: The same of a backdrop.
        matted_probability: How often a pasted thing is one with an alpha, if there are some.
        relit_probability: How often what is pasted comes in a light of its own.
        least_share: Of a crop; of what is smaller, or covered up to so little, nothing is asked.
        most: Targets of a sample.
        scenes: How photos are varied.
        things: How what is pasted is varied.
    """

    side_px: int = 320
    backdrop_probability: float = 0.3
    pasted: tuple[float, ...] = (0.55, 0.33, 0.12)
    pasted_alone: tuple[float, ...] = (0.05, 0.5, 0.3, 0.15)
    matted_probability: float = 0.4
    relit_probability: float = 0.5
    least_share: float = 0.003
    most: int = 24
    scenes: ObjectCropPlan = field(default=_OF_SCENES)
    things: ObjectCropPlan = field(default=_OF_THINGS)


@dataclass(frozen=True, eq=False)
class Matted:
    """A foreground with its alpha, and the class it belongs to."""

    thing: Thing
    category: int


@dataclass(frozen=True, eq=False)
class Pasteboard:
    """What a crop is composed of.

    Attributes:
        scenes: Lists of photos, each with its share of the samples; the classes of a label are
            those of `category_of`.
        matted: Foregrounds to paste.
        backdrops: Photos without any of the classes, uint8 (h, w, 3) at three sizes.
        categories: How many classes there are.
    """

    scenes: Sequence[tuple[float, Sequence[Scene]]]
    matted: Sequence[Matted]
    backdrops: Sequence[tuple[UInt8[np.ndarray, "_ _ 3"], ...]]
    categories: int


def label_of(category: int, instance: int, *, categories: int) -> int:
    """Return the label of an object in a scene's map, which tells its class.

    Args:
        category: Its class.
        instance: Its number among those of its class in the photo, from 0 on.
        categories: How many classes there are.
    """
    return 1 + category + categories * instance


def category_of(label: int, *, categories: int) -> int:
    """Return the class of a label that `label_of` made."""
    return (label - 1) % categories


class SegmentCrops(Dataset[dict[str, Tensor]]):
    """Crops of photos in memory and of backdrops, with things pasted into some.

    Args:
        found: What they are composed of.
        plan: How they are varied.
        seed: Of all random draws.
        length: Samples in an epoch; any number.
    """

    def __init__(
        self,
        found: Pasteboard,
        *,
        plan: SegmentCropPlan,
        seed: int = 0,
        length: int = 10_000,
    ) -> None:
        self.found, self.plan, self.seed, self.length = found, plan, seed, length
        self.scenes = [[s for s in scenes if s.parts] for _, scenes in found.scenes]
        shares = np.array([share for share, _ in found.scenes], float)
        self.shares = shares / shares.sum() if len(shares) else shares
        self.noise = drawn_noise()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """Return a sample as `segment_tensors` does.

        Args:
            key: Epoch and index, 0 or more.
        """
        rng = np.random.default_rng([self.seed, *key])
        crop, plan = self._crop(rng), self.plan
        image = recorded(crop.image, rng, noise=self.noise, most_noise=plan.scenes.noise)
        image[crop.outside] = OUTSIDE
        layers = crop.labels[None].astype(np.uint16)
        least_px = max(1, round(plan.least_share * crop.labels.size))
        classes = np.array(crop.classes, np.int64)
        return segment_tensors(Known(image, layers, classes), most=plan.most, least_px=least_px)

    def _crop(self, rng: np.random.Generator) -> "Crop":
        plan, found = self.plan, self.found
        alone = not self.scenes or rng.random() < plan.backdrop_probability
        if alone:
            levels = found.backdrops[int(rng.integers(len(found.backdrops)))]
            crop = Crop.empty(backdrop(levels, rng, plan.side_px))
        else:
            scene, part = self._draw(rng)
            crop = Crop.of_scene(scene, part, rng, plan=plan, categories=found.categories)
        odds = plan.pasted_alone if alone else plan.pasted
        for _ in range(int(rng.choice(len(odds), p=odds))):
            self._paste(crop, rng)
        return crop

    def _paste(self, crop: "Crop", rng: np.random.Generator) -> None:
        plan, found = self.plan, self.found
        things = _sided(plan.things, plan.side_px)
        if not self.scenes or (found.matted and rng.random() < plan.matted_probability):
            matted = found.matted[int(rng.integers(len(found.matted)))]
            category, layer = matted.category, layer_of_thing(matted.thing, rng, plan=things)
        else:
            scene, part = self._draw(rng)
            category = category_of(part.labels[0], categories=found.categories)
            layer = layer_of_part(scene, part, rng, plan=things)
        if rng.random() < plan.relit_probability:
            layer = relit(layer, rng)
        crop.paste(layer, category)

    def _draw(self, rng: np.random.Generator) -> tuple[Scene, Part]:
        scenes = self.scenes[int(rng.choice(len(self.shares), p=self.shares))]
        scene = scenes[int(rng.integers(len(scenes)))]
        return scene, drawn_part(scene, rng)


@dataclass(eq=False)
class Crop:
    """What is composed: pixels, the number of the object on each, and the objects' classes.

    Attributes:
        image: What is to be seen.
        labels: 0, or the number of an object from 1 on.
        outside: Where there is no photo.
        classes: Of the objects 1 to n.
    """

    image: UInt8[np.ndarray, "h w 3"]
    labels: Int64[np.ndarray, "h w"]
    outside: np.ndarray
    classes: list[int]

    @classmethod
    def empty(cls, image: UInt8[np.ndarray, "h w 3"]) -> "Crop":
        """Return a crop in which nothing is to be found."""
        size = image.shape[:2]
        return cls(image, np.zeros(size, np.int64), np.zeros(size, np.bool_), [])

    @classmethod
    def of_scene(
        cls,
        scene: Scene,
        part: Part,
        rng: np.random.Generator,
        *,
        plan: SegmentCropPlan,
        categories: int,
    ) -> "Crop":
        """Return a crop that shows a part of a photo, or the whole, and all that is in it."""
        labels = scene.maps[part.map_index]
        size = (labels.shape[0], labels.shape[1])
        view = view_of_photo(rng, size, part.box, plan=_sided(plan.scenes, plan.side_px))
        image = seen_through(scene.levels, view, plan.side_px, border=OUTSIDE)
        known = cv2.merge([labels, np.full(size, 1, np.uint8)])
        seen = seen_through(
            (known,), view, plan.side_px, border=(0, 0), interpolation=cv2.INTER_NEAREST
        )
        numbers = np.flatnonzero(np.bincount(seen[..., 0].ravel()))
        numbers = numbers[numbers > 0]
        table = np.zeros(256, np.int64)
        table[numbers] = np.arange(1, len(numbers) + 1)
        classes = [category_of(int(number), categories=categories) for number in numbers]
        return cls(image, table[seen[..., 0]], seen[..., 1] == 0, classes)

    def paste(self, layer: UInt8[np.ndarray, "h w 4"], category: int) -> None:
        """Lay an object over what is there."""
        self.image, alpha = laid_over(self.image, layer), layer[..., 3]
        self.classes.append(category)
        self.labels[alpha >= 128] = len(self.classes)
        self.outside = self.outside & (alpha == 0)


def _sided(plan: ObjectCropPlan, side_px: int) -> ObjectCropPlan:
    return replace(plan, side_px=side_px)
