"""What the embedded click network is trained on, and the objects it is measured with.

Sets and their shares stand in one table; `splits.py` says which photos are held out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool

from maskwright.data.foreground import Foreground
from maskwright.data.matting import TrainingRow
from maskwright.data.object_crops import Composites, ObjectCropPlan, ObjectCrops, Thing
from maskwright.data.scenes import (
    Part,
    Scene,
    SceneSet,
    bsds_scenes,
    coco_scenes,
    davis_scenes,
    horse_scenes,
    people_scenes,
    pyramid,
    yolo_scenes,
)
from maskwright.data.sources import (
    FolderBackgrounds,
    FolderForegrounds,
    ProceduralBackgrounds,
    ProceduralForegrounds,
    Source,
)
from maskwright.data.splits import split_backgrounds, split_foregrounds
from maskwright.image.resize import resize
from maskwright.structures import rle

LONG_SIDE_PX = 512  # of photos in memory
DRAWN_PX = (512, 512)
HELD_OUT_SEED = 4
HELD_OUT_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Collection:
    """A set of photos with objects, and what is made of it.

    Attributes:
        folder: Below the data folder.
        open: Lists its photos.
        share: Of the training samples, beside the others and `COMPOSITE_SHARE`; all are made to
            add up to 1.
        held_out_objects: At most so many of a held-out photo.
    """

    folder: str
    open: Callable[[Path], SceneSet]
    share: float
    held_out_objects: int


COLLECTIONS = (
    Collection("bsds500", bsds_scenes, 0.27, 2),
    Collection("davis2016_train", davis_scenes, 0.12, 1),
    Collection("ccp", people_scenes, 0.20, 2),
    Collection("weizmann_horse", horse_scenes, 0.09, 1),
    Collection("coco128_seg", yolo_scenes, 0.10, 3),
    Collection("car_parts_train", coco_scenes, 0.09, 2),
)
COMPOSITE_SHARE = 0.25


@dataclass(frozen=True)
class HeldOutObject:
    """An object that nothing was trained on.

    Attributes:
        name: Set, photo, and number of the object in it.
        image: The photo.
        code: Its mask as COCO's run-length code, at the size of the photo.
        share: Of the photo's pixels.
    """

    name: str
    image: Path
    code: Mapping[str, Any]
    share: float

    def mask(self) -> Bool[np.ndarray, "h w"]:
        """Return where the object is."""
        return rle.decode(self.code)


@dataclass(frozen=True)
class ObjectSources:
    """Photos with objects in a folder.

    Attributes:
        folder: Holds the folders of `COLLECTIONS`, `matting_fg_real` and `backgrounds`; empty
            for drawn things on drawn scenes, none of them held out.
        seed: Of everything random in training.
        drawn: How many things are drawn where there is no folder.
    """

    folder: str
    seed: int = 0
    drawn: int = 160

    def training(self, plan: ObjectCropPlan, *, length: int = 10_000) -> ObjectCrops:
        """Return crops of the photos to train on; reads them all, which takes half a minute.

        Raises:
            DataError: If a folder is missing or damaged.
        """
        scenes = []
        for collection in COLLECTIONS if self.folder else ():
            found = collection.open(Path(self.folder) / collection.folder)
            files = found.files.training
            read = [found.scene(file, long_side_px=LONG_SIDE_PX) for file in files]
            scenes.append((collection.share, read))
        composites = with_photos(self.composites(), [s for _, found in scenes for s in found])
        return ObjectCrops(
            scenes, (COMPOSITE_SHARE, composites), plan=plan, seed=self.seed, length=length
        )

    def held_out(self) -> tuple[HeldOutObject, ...]:
        """Return the objects to measure with, at full size, the same ones each time.

        Raises:
            DataError: If a folder is missing or damaged.
        """
        objects: list[HeldOutObject] = []
        for number, collection in enumerate(COLLECTIONS if self.folder else ()):
            found = collection.open(Path(self.folder) / collection.folder)
            rng = np.random.default_rng([HELD_OUT_SEED, number])
            for file in found.files.held_out:
                scene = found.scene(file, least_share=HELD_OUT_LEAST_SHARE)
                parts = chosen(scene, rng, most=collection.held_out_objects)
                for index, part in enumerate(parts, start=1):
                    code = rle.encode(scene.mask(part))
                    objects.append(HeldOutObject(f"{scene.name}#{index}", file, code, part.share))
        return tuple(objects)

    def composites(self) -> Composites:
        """Return the foregrounds to train on, in the order of their files, and backgrounds."""
        things, scenes = self._things(), self._scenes()
        return Composites(
            [_thing(things[index]) for index in range(len(things))],
            [pyramid(_shrunk(scenes[index])) for index in range(len(scenes))],
        )

    def _things(self) -> Source[Foreground]:
        if not self.folder:
            return ProceduralForegrounds(self.drawn, DRAWN_PX, seed=self.seed)
        folder = Path(self.folder) / "matting_fg_real"
        files = split_foregrounds(folder / "fg").training
        rows = [TrainingRow(file.stem, file, folder / "alpha" / file.name) for file in files]
        return FolderForegrounds(rows)

    def _scenes(self) -> Source[np.ndarray]:
        if not self.folder:
            return ProceduralBackgrounds(self.drawn, DRAWN_PX, seed=self.seed)
        return FolderBackgrounds(split_backgrounds(Path(self.folder) / "backgrounds").training)


def chosen(scene: Scene, rng: np.random.Generator, *, most: int) -> list[Part]:
    """Return some objects of one of the photo's maps: the whole first, the others at random."""
    maps = sorted({part.map_index for part in scene.parts})
    if not maps:
        return []
    one = maps[int(rng.integers(len(maps)))]
    parts = [part for part in scene.parts if part.map_index == one]
    whole = [part for part in parts if len(part.labels) > 1]
    others = [part for part in parts if len(part.labels) == 1]
    order = rng.permutation(len(others))
    return [*whole, *(others[index] for index in order)][:most]


def with_photos(composites: Composites, scenes: Sequence[Scene]) -> Composites:
    """Return composites that also show objects of photos, and lay them on photos of regions.

    Regions are not cut out: what they end at belongs to their neighbours.
    """
    return replace(
        composites,
        backgrounds=[*composites.backgrounds, *(s.levels for s in scenes if s.may_join)],
        scenes=[scene for scene in scenes if scene.parts and not scene.may_join],
    )


def _thing(foreground: Foreground) -> Thing:
    """Return a foreground in memory, without the empty margin around it."""
    alpha = np.rint(foreground.alpha * 255).astype(np.uint8)
    x, y, width, height = cv2.boundingRect((alpha > 127).view(np.uint8))
    both = np.dstack([foreground.colour, alpha])[y : y + height, x : x + width]
    return Thing(pyramid(_shrunk(both)))


def _shrunk(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    scale = min(1.0, LONG_SIDE_PX / max(height, width))
    return resize(image, (max(1, round(height * scale)), max(1, round(width * scale))))
