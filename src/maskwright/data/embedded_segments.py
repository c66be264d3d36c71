"""What the embedded segmenter is trained on, and the photos it is measured with.

Four classes of things; whatever belongs to none is background. Sets and their shares stand in one
table; `splits.py` says which photos are held out, the same ones as for clicking.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int32

from maskwright.data.embedded_objects import LONG_SIDE_PX, ObjectSources
from maskwright.data.ground_truth import GroundTruth
from maskwright.data.scenes import (
    Maps,
    Scene,
    SceneSet,
    coco_scenes,
    davis_scenes,
    horse_scenes,
    people_scenes,
    yolo_polygons,
    yolo_scenes,
)
from maskwright.data.segment_crops import (
    Matted,
    Pasteboard,
    SegmentCropPlan,
    SegmentCrops,
    category_of,
    label_of,
)
from maskwright.data.splits import sequence_of, split_foregrounds
from maskwright.formats.classes import published_classes
from maskwright.image.io import read_header
from maskwright.image.polygons import Polygon, mask_from_polygons
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

CLASSES = ClassList(("person", "animal", "vehicle", "object"))
PERSON, ANIMAL, VEHICLE, OBJECT = range(len(CLASSES))
_ANIMALS = {"bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"}
_VEHICLES = {
    *("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
}
# Of DAVIS; who rides and what is ridden are one object there.
_ANIMAL_FILMS = {
    *("bear", "dog-agility", "elephant", "flamingo", "horsejump-low", "mallard-fly"),
    *("mallard-water", "rhino"),
}
_VEHICLE_FILMS = {
    *("bmx-bumps", "boat", "bus", "car-turn", "drift-turn", "motocross-bumps", "motorbike"),
    *("scooter-gray", "train"),
}
_OBJECT_FILMS = {"soccerball", "paragliding"}
_ANIMAL_FOREGROUNDS, _PERSON_FOREGROUNDS = ("am2k",), ("p3m",)
_MOST_OBJECTS = 60  # of a photo: labels end at 255
HELD_OUT_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Collection:
    """A set of photos with classed objects.

    Attributes:
        folder: Below the data folder.
        open: Lists its photos.
        share: Of the training samples that show photos.
        category: Of the one object in a photo; None where the labels of maps tell the classes.
    """

    folder: str
    open: Callable[[Path], SceneSet]
    share: float
    category: Callable[[Path], int] | None = None

    def scenes(self, root: Path) -> SceneSet:
        """Return its photos, in whose maps a label tells the class.

        Args:
            root: The data folder.
        """
        found = self.open(root / self.folder)
        return found if self.category is None else whole(found, self.category)


def film_category(file: Path) -> int:
    """Return the class of the one object in a frame of DAVIS."""
    film = sequence_of(file)
    table = ((ANIMAL, _ANIMAL_FILMS), (VEHICLE, _VEHICLE_FILMS), (OBJECT, _OBJECT_FILMS))
    return next((category for category, films in table if film in films), PERSON)


def coco_category(name: str) -> int:
    """Return the class of one of COCO's 80."""
    if name == "person":
        return PERSON
    return ANIMAL if name in _ANIMALS else VEHICLE if name in _VEHICLES else OBJECT


def foreground_category(name: str) -> int:
    """Return the class of a foreground by its file's name."""
    if name.startswith(_PERSON_FOREGROUNDS):
        return PERSON
    return ANIMAL if name.startswith(_ANIMAL_FOREGROUNDS) else OBJECT


def whole(found: SceneSet, category: Callable[[Path], int]) -> SceneSet:
    """Return a set with one object in each photo: all labels of its first map together.

    Args:
        found: The set.
        category: Of the object in a photo.
    """

    def read(file: Path) -> Maps:
        label = label_of(category(file), 0, categories=len(CLASSES))
        return [(found.read_maps(file)[0] > 0).astype(np.int32) * np.int32(label)]

    return replace(found, read_maps=read, has_whole=False, may_join=False)


def classed_yolo_scenes(folder: Path) -> SceneSet:
    """Return photos with a text file of polygons each, their classes being COCO's 80."""
    names = published_classes("coco-instance").names

    def read(file: Path) -> Maps:
        size = read_header(file).size
        objects = [
            (coco_category(names[number]), mask_from_polygons([Polygon(ring)], size))
            for number, ring in yolo_polygons(folder / "labels" / f"{file.stem}.txt", size)
            if len(ring) >= 3
        ]
        objects.sort(key=lambda pair: int(pair[1].sum()), reverse=True)
        return [_painted(objects[:_MOST_OBJECTS], size)]

    return replace(yolo_scenes(folder), read_maps=read)


COLLECTIONS = (
    Collection("ccp", people_scenes, 0.25, lambda _: PERSON),
    Collection("weizmann_horse", horse_scenes, 0.13, lambda _: ANIMAL),
    Collection("davis2016_train", davis_scenes, 0.2, film_category),
    Collection("coco128_seg", classed_yolo_scenes, 0.3),
    Collection("car_parts_train", coco_scenes, 0.12, lambda _: VEHICLE),
)


@dataclass(frozen=True)
class SegmentSources:
    """Photos with classed objects in a folder.

    Attributes:
        folder: Holds the folders of `COLLECTIONS`, `matting_fg_real` and `backgrounds`; empty for
            drawn things on drawn scenes, none of them held out.
        seed: Of everything random in training.
        drawn: How many things are drawn where there is no folder.
    """

    folder: str
    seed: int = 0
    drawn: int = 160

    def training(self, plan: SegmentCropPlan) -> SegmentCrops:
        """Return crops of the photos to train on; reads them all, which takes half a minute.

        Raises:
            DataError: If a folder is missing or damaged.
        """
        scenes = []
        for collection in COLLECTIONS if self.folder else ():
            found = collection.scenes(Path(self.folder))
            files = found.files.training
            read = [found.scene(file, long_side_px=LONG_SIDE_PX) for file in files]
            scenes.append((collection.share, read))
        composites = ObjectSources(self.folder, seed=self.seed, drawn=self.drawn).composites()
        matted = [
            Matted(thing, category)
            for thing, category in zip(composites.things, self._categories(), strict=True)
        ]
        found_all = Pasteboard(scenes, matted, composites.backgrounds, len(CLASSES))
        return SegmentCrops(found_all, plan=plan, seed=self.seed)

    def held_out(self, count: int) -> tuple[GroundTruth, ...]:
        """Return photos to measure with, at full size, the same ones each time.

        Args:
            count: Of each set at most a share of so many, spread evenly over it.

        Raises:
            DataError: If a folder is missing or damaged.
        """
        photos: list[GroundTruth] = []
        for collection in COLLECTIONS if self.folder else ():
            found = collection.scenes(Path(self.folder))
            files = found.files.held_out
            wanted = min(len(files), -(-count // len(COLLECTIONS)))
            for index in range(wanted):
                file = files[index * len(files) // wanted]
                scene = found.scene(file, least_share=HELD_OUT_LEAST_SHARE)
                photos.append(GroundTruth(file, segmentation_of(scene)))
        return tuple(photos)

    def _categories(self) -> list[int]:
        """Return the classes of the foregrounds to paste."""
        if not self.folder:
            return [OBJECT] * self.drawn
        files = split_foregrounds(Path(self.folder) / "matting_fg_real" / "fg").training
        return [foreground_category(file.stem) for file in files]


def segmentation_of(scene: Scene) -> Segmentation:
    """Return the objects of a scene as a panoptic segmentation; the background is void."""
    segments = []
    for number, part in enumerate(scene.parts, start=1):
        category = category_of(part.labels[0], categories=len(CLASSES))
        code = rle.encode(scene.mask(part))
        segments.append(Segment(number, category, CLASSES.names[category], code))
    height, width = scene.levels[0].shape[:2]
    return Segmentation((height, width), "panoptic", CLASSES.names, tuple(segments))


def _painted(
    objects: Sequence[tuple[int, Bool[np.ndarray, "h w"]]], size: tuple[int, int]
) -> Int32[np.ndarray, "h w"]:
    """Return a map of objects, each laid over those before it."""
    labels = np.zeros(size, np.int32)
    counts = [0] * len(CLASSES)
    for category, mask in objects:
        labels[mask] = label_of(category, counts[category], categories=len(CLASSES))
        counts[category] += 1
    return labels
