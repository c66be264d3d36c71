"""Small crops with one object each, many a second: what the small click network learns from.

The paper resizes, pads and crops whole photos; here one affine map carries an object straight
into a crop. It is shown whole and in parts, near and far, as photos are clicked on. A share of
the samples are composites: foregrounds with a known alpha, or objects of other photos cut out by
their masks, on new backgrounds. Not from a paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int8, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from maskwright.data.labelled import Labelled
from maskwright.data.loader import Key
from maskwright.data.object_samples import in_hsv, object_tensors
from maskwright.data.scenes import Map, Part, Scene

OUTSIDE = (124, 116, 104)  # beyond the photo: ImageNet's mean colour, 0 once normalised
TRIES = 6
_NOISE_VALUES = 1 << 21  # larger crops meet the same ones again
View = Float64[np.ndarray, "2 3"]


@dataclass(frozen=True)
class ObjectCropPlan:
    """How crops are varied.

    Attributes:
        side_px: Side of a crop.
        whole_probability: How often the whole photo is shown.
        whole_extent: Range of its longer side then, of the side of the crop; more than 1 cuts off
            some of it, and leaves less of the crop empty.
        extent: Range of an object's longer side in the others, of the side of the crop.
        most_enlarged: A photo is never enlarged more than this.
        turn_degrees: Standard deviation of the turn.
        most_stretched: Largest logarithm of what width is stretched and height pressed by.
        join_probability: How often a region and its neighbour are one object.
        share: Range of the crop that an object may cover.
        second_probability: How often a composite shows another foreground beside the object.
        matted_probability: How often what a composite shows has an alpha, not a mask, if both are
            there.
        relit_probability: How often it comes in a light of its own.
        noise: Largest standard deviation of the noise, of 255.
    """

    side_px: int = 256
    whole_probability: float = 0.4
    whole_extent: tuple[float, float] = (0.85, 1.3)
    extent: tuple[float, float] = (0.2, 1.2)
    most_enlarged: float = 2.5
    turn_degrees: float = 7.0
    most_stretched: float = 0.08
    join_probability: float = 0.2
    share: tuple[float, float] = (0.004, 0.9)
    second_probability: float = 0.4
    matted_probability: float = 0.35
    relit_probability: float = 0.5
    noise: float = 9.0


@dataclass(frozen=True, eq=False)
class Thing:
    """A foreground with its alpha, in memory at three sizes: uint8 (h, w, 4)."""

    levels: tuple[UInt8[np.ndarray, "_ _ 4"], ...]


@dataclass(frozen=True, eq=False)
class Composites:
    """What composites are made of.

    Attributes:
        things: Foregrounds with an alpha.
        backgrounds: Photos to lay them on, uint8 (h, w, 3) at three sizes.
        scenes: Photos whose objects are cut out by their masks; may be none.
    """

    things: Sequence[Thing]
    backgrounds: Sequence[tuple[UInt8[np.ndarray, "_ _ 3"], ...]]
    scenes: Sequence[Scene] = ()


@dataclass(frozen=True, eq=False)
class Cut:
    """A crop: its pixels, where the object is, and where there is a photo at all."""

    image: UInt8[np.ndarray, "h w 3"]
    mask: Bool[np.ndarray, "h w"]
    inside: Bool[np.ndarray, "h w"]


class ObjectCrops(Dataset[dict[str, Tensor]]):
    """Crops of photos in memory, and of composites.

    Args:
        scenes: Lists to draw from, each with its share of the samples.
        composites: Foregrounds and backgrounds, and their share; None goes without.
        plan: How crops are varied.
        seed: Of all random draws.
        length: Samples in an epoch; any number.
    """

    def __init__(
        self,
        scenes: Sequence[tuple[float, Sequence[Scene]]],
        composites: tuple[float, Composites] | None = None,
        *,
        plan: ObjectCropPlan,
        seed: int = 0,
        length: int = 10_000,
    ) -> None:
        # A photo without objects teaches nothing.
        self.scenes = [[s for s in found if s.parts] for _, found in scenes]
        self.composites = composites[1] if composites else None
        shares = [share for share, _ in scenes] + ([composites[0]] if composites else [])
        self.shares = np.array(shares, float) / sum(shares)
        self.plan, self.seed, self.length = plan, seed, length
        self.noise = drawn_noise()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """Return image float32 (3, h, w) in [0, 1] and label uint8 (h, w): 0, or 1 on the object.

        Args:
            key: Epoch and index, 0 or more.
        """
        rng = np.random.default_rng([self.seed, *key])
        source = int(rng.choice(len(self.shares), p=self.shares))
        for _ in range(TRIES):
            cut = self._cut(rng, source)
            if self.plan.share[0] <= cut.mask.mean() <= self.plan.share[1]:
                break
        image = recorded(cut.image, rng, noise=self.noise, most_noise=self.plan.noise)
        if not cut.inside.all():
            image[~cut.inside] = OUTSIDE
        return object_tensors(Labelled(image, cut.mask.astype(np.int32)), 1)

    def _cut(self, rng: np.random.Generator, source: int) -> Cut:
        if source == len(self.scenes):
            assert self.composites is not None
            return composite(self.composites, rng, plan=self.plan)
        scenes = self.scenes[source]
        return cut_scene(scenes[rng.integers(len(scenes))], rng, plan=self.plan)


def cut_scene(scene: Scene, rng: np.random.Generator, *, plan: ObjectCropPlan) -> Cut:
    """Return a crop of a photo and where an object of it is, drawn by its size's square root."""
    part = drawn_part(scene, rng)
    mask = scene.mask(part)
    if scene.may_join and rng.random() < plan.join_probability:
        mask = joined(mask, scene.maps[part.map_index], rng)
    size = (mask.shape[0], mask.shape[1])
    view = view_of_photo(rng, size, part.box, plan=plan)
    image = seen_through(scene.levels, view, plan.side_px, border=OUTSIDE)
    known = cv2.merge([mask.view(np.uint8) * np.uint8(255), np.full(size, 255, np.uint8)])
    seen = seen_through((known,), view, plan.side_px, border=(0, 0)) > 127
    return Cut(image, seen[..., 0], seen[..., 1])


def joined(
    mask: Bool[np.ndarray, "h w"], labels: Map, rng: np.random.Generator
) -> Bool[np.ndarray, "h w"]:
    """Return a region together with one that touches it, drawn by the length of their border."""
    around = cv2.dilate(mask.view(np.uint8), np.ones((3, 3), np.uint8)).view(np.bool_) & ~mask
    touching = np.bincount(labels[around], minlength=256).astype(np.float64)
    touching[0] = 0
    if not touching.any():
        return mask
    return mask | (labels == rng.choice(256, p=touching / touching.sum()))


def composite(found: Composites, rng: np.random.Generator, *, plan: ObjectCropPlan) -> Cut:
    """Return foregrounds on a background, and where the front one covers half of a pixel."""
    image = backdrop(
        found.backgrounds[int(rng.integers(len(found.backgrounds)))], rng, plan.side_px
    )
    for _ in range(1 + int(rng.random() < plan.second_probability)):
        layer = _layer(found, rng, plan=plan)
        image, alpha = laid_over(image, layer), layer[..., 3]
    return Cut(image, alpha >= 128, np.ones(alpha.shape, np.bool_))


def _layer(
    found: Composites, rng: np.random.Generator, *, plan: ObjectCropPlan
) -> UInt8[np.ndarray, "side side 4"]:
    if found.scenes and rng.random() >= plan.matted_probability:
        scene = found.scenes[int(rng.integers(len(found.scenes)))]
        layer = layer_of_part(scene, drawn_part(scene, rng), rng, plan=plan)
    else:
        thing = found.things[int(rng.integers(len(found.things)))]
        layer = layer_of_thing(thing, rng, plan=plan)
    return relit(layer, rng) if rng.random() < plan.relit_probability else layer


def drawn_part(scene: Scene, rng: np.random.Generator) -> Part:
    """Return an object of a photo, drawn by its size's square root."""
    weights = np.sqrt([part.share for part in scene.parts])
    return scene.parts[int(rng.choice(len(weights), p=weights / weights.sum()))]


def layer_of_thing(
    thing: Thing, rng: np.random.Generator, *, plan: ObjectCropPlan
) -> UInt8[np.ndarray, "side side 4"]:
    """Return a foreground at some place in a crop, with its alpha."""
    height, width = thing.levels[0].shape[:2]
    view = view_of_thing(rng, (height, width), plan=plan)
    return seen_through(thing.levels, view, plan.side_px, border=(0, 0, 0, 0))


def layer_of_part(
    scene: Scene, part: Part, rng: np.random.Generator, *, plan: ObjectCropPlan
) -> UInt8[np.ndarray, "side side 4"]:
    """Return an object of a photo at some place in a crop; its alpha is its mask, a bit soft."""
    left, top, right, bottom = part.box
    view = view_of_thing(rng, (bottom - top, right - left), plan=plan)
    view[:, 2] -= view[:, :2] @ (left, top)
    mask = scene.mask(part).view(np.uint8) * np.uint8(255)
    alpha = seen_through((mask,), view, plan.side_px, border=(0,))
    image = seen_through(scene.levels, view, plan.side_px, border=OUTSIDE)
    return np.dstack([image, np.asarray(cv2.GaussianBlur(alpha, (3, 3), 0), np.uint8)])


def relit(
    layer: UInt8[np.ndarray, "side side 4"], rng: np.random.Generator
) -> UInt8[np.ndarray, "side side 4"]:
    """Return a layer in another light, its alpha as it was."""
    colour = in_other_light(np.ascontiguousarray(layer[..., :3]), rng)
    return np.dstack([colour, layer[..., 3]])


def laid_over(
    image: UInt8[np.ndarray, "side side 3"], layer: UInt8[np.ndarray, "side side 4"]
) -> UInt8[np.ndarray, "side side 3"]:
    """Return `image + alpha (layer - image)`, rounded."""
    share = (layer[..., 3].astype(np.float32) / 255)[..., None]
    mixed = image + share * (layer[..., :3] - image.astype(np.float32))
    return np.rint(mixed).astype(np.uint8)


def drawn_noise() -> Int8[np.ndarray, " n"]:
    """Return normal noise, standard deviation 32, to take pieces of: drawing it takes long."""
    noise = np.random.default_rng(0).standard_normal(_NOISE_VALUES, np.float32)
    return np.clip(noise * 32, -127, 127).astype(np.int8)


def recorded(
    image: UInt8[np.ndarray, "h w 3"],
    rng: np.random.Generator,
    *,
    noise: Int8[np.ndarray, " n"],
    most_noise: float,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the crop in other light and colours, blurred, noisy, compressed, or none of it.

    Args:
        image: The crop.
        rng: Draws what happens.
        noise: Of `drawn_noise`, of which a piece is taken.
        most_noise: Largest standard deviation, of 255.
    """
    if rng.random() < 0.75:
        image = in_other_light(image, rng)
    if rng.random() < 0.3:
        hue = int(rng.integers(-12, 13))
        image = in_hsv(image, saturation=rng.uniform(0.4, 1.5), hue=hue)
    if rng.random() < 0.04:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if rng.random() < 0.12:
        blurred = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.6)))
        image = np.asarray(blurred, np.uint8)
    if rng.random() < 0.35:
        first = int(rng.integers(max(0, len(noise) - image.size) + 1))
        strength = np.float32(rng.uniform(0, most_noise) / 32)
        piece = np.resize(noise[first : first + image.size], image.shape)
        image = np.clip(np.rint(image + strength * piece), 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))]
        stored = cv2.imencode(".jpg", image, quality)[1]
        return np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR), np.uint8)
    return image


def in_other_light(
    image: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a picture in another exposure, white balance and contrast."""
    return np.asarray(cv2.LUT(image, _light(rng)), np.uint8)


def _light(rng: np.random.Generator) -> UInt8[np.ndarray, "1 256 3"]:
    """Return a table of another exposure, white balance and contrast."""
    values = (np.arange(256) / 255) ** np.exp(rng.uniform(-0.35, 0.35))
    gain = np.exp(rng.uniform(-0.2, 0.2) + rng.uniform(-0.08, 0.08, 3))
    bright = (values[:, None] * gain - 0.5) * rng.uniform(0.75, 1.25) + 0.5
    return np.rint(np.clip(bright, 0, 1) * 255).astype(np.uint8)[None]


def view_of_photo(
    rng: np.random.Generator,
    size: tuple[int, int],
    box: tuple[int, int, int, int],
    *,
    plan: ObjectCropPlan,
) -> View:
    """Return the map of a photo to a crop that shows all of it, or an object of it nearer."""
    side, whole = plan.side_px, np.array(size[::-1], float)
    if rng.random() < plan.whole_probability:
        scale = side / whole.max() * float(rng.uniform(*plan.whole_extent))
        centre, half = whole / 2, scale * whole / 2
        target = side / 2 + rng.uniform(-1, 1, 2) * np.abs(side / 2 - half)
        return _view(rng, centre, target, scale=scale, turn_degrees=0.0, plan=plan)
    low, high = np.array(box[:2], float), np.array(box[2:], float)
    scale = side / (high - low).max() * float(np.exp(rng.uniform(*np.log(plan.extent))))
    scale = float(np.clip(scale, 0.9 * side / whole.max(), plan.most_enlarged))
    centre, half = (low + high) / 2, scale * (high - low) / 2
    target = side / 2 + rng.uniform(-1, 1, 2) * np.maximum(side / 2 - half, half / 2)
    # Along an axis on which the photo is larger than the crop it fills it, else it is all seen.
    ends = np.stack([side - scale * (whole - centre), scale * centre])
    target = np.clip(target, ends.min(axis=0), ends.max(axis=0))
    turn = plan.turn_degrees if rng.random() < 0.5 else 0.0
    return _view(rng, centre, target, scale=scale, turn_degrees=turn, plan=plan)


def view_of_thing(rng: np.random.Generator, size: tuple[int, int], *, plan: ObjectCropPlan) -> View:
    """Return the map of a foreground to a place in a crop, a part of it perhaps outside."""
    scale = plan.side_px / max(size) * float(np.exp(rng.uniform(*np.log(plan.extent))))
    centre = np.array(size[::-1]) / 2
    target = plan.side_px * rng.uniform(0.15, 0.85, 2)
    turn = 3 * plan.turn_degrees
    scale = min(scale, plan.most_enlarged)
    return _view(rng, centre, target, scale=scale, turn_degrees=turn, plan=plan)


def _view(
    rng: np.random.Generator,
    centre: Float64[np.ndarray, " 2"],
    target: Float64[np.ndarray, " 2"],
    *,
    scale: float,
    turn_degrees: float,
    plan: ObjectCropPlan,
) -> View:
    """Return the map that lays `centre` on `target`, turned, stretched, mirrored."""
    angle = np.deg2rad(rng.normal(0, turn_degrees))
    stretch = np.exp(rng.uniform(-plan.most_stretched, plan.most_stretched))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.diag([stretch, 1 / stretch])
    if rng.random() < 0.5:
        linear[:, 0] *= -1
    return np.column_stack([linear, target - linear @ centre])


def seen_through(
    levels: Sequence[np.ndarray],
    view: View,
    side_px: int,
    *,
    border: tuple[int, ...],
    interpolation: int = cv2.INTER_LINEAR,
) -> UInt8[np.ndarray, "side side *_"]:
    """Return a crop, read from the smallest size that is large enough.

    Args:
        levels: A picture at its size and, if there are, smaller ones.
        view: From the coordinates of the first to those of the crop, both along pixels' edges.
        side_px: Side of the crop.
        border: What lies beyond the picture.
        interpolation: OpenCV's; the nearest pixel for labels.
    """
    scale = float(np.sqrt(abs(np.linalg.det(view[:, :2]))))
    smaller = int(np.clip(np.floor(-np.log2(scale / 1.2)), 0, len(levels) - 1))
    image = levels[smaller]
    factor = np.array(levels[0].shape[1::-1]) / np.array(image.shape[1::-1])
    linear = view[:, :2] * factor
    offset = view[:, 2] + linear @ (0.5, 0.5) - 0.5  # OpenCV counts from the pixels' centres
    matrix = np.column_stack([linear, offset])
    return np.asarray(
        cv2.warpAffine(image, matrix, (side_px, side_px), flags=interpolation, borderValue=border),
        np.uint8,
    )


def backdrop(
    levels: Sequence[UInt8[np.ndarray, "_ _ 3"]], rng: np.random.Generator, side_px: int
) -> UInt8[np.ndarray, "side side 3"]:
    """Return a square of a background; what was small is enlarged."""
    height, width = levels[0].shape[:2]
    scale = side_px / min(height, width) * float(np.exp(rng.uniform(0, np.log(2.5))))
    whole = scale * np.array([width, height])
    first = rng.uniform(0, 1, 2) * (whole - side_px)
    view = np.array([[scale, 0, -first[0]], [0, scale, -first[1]]])
    image = seen_through(levels, view, side_px, border=OUTSIDE)
    return np.ascontiguousarray(image[:, ::-1]) if rng.random() < 0.5 else image
