"""What the papers' recipes train on, found in the folders of published sets."""

from pathlib import Path

import numpy as np

from maskwright.data.augmentation import Augmentation
from maskwright.data.foreground import Foreground
from maskwright.data.interactive import benchmark_objects
from maskwright.data.labelled import InstancePhotos, MaskedPhotos, PanopticPhotos
from maskwright.data.loader import Compositions
from maskwright.data.matting import pictures, training_set
from maskwright.data.sources import (
    FolderBackgrounds,
    FolderForegrounds,
    ProceduralBackgrounds,
    ProceduralForegrounds,
    Source,
)
from maskwright.data.uhr_report import PAIRS, training_sources

DRAWN_PX = (640, 640)
DRAWN_THINGS, DRAWN_SCENES = 400, 2000


def paper_compositions(
    folder: str, *, layout: str = "plain", backgrounds: str = "", plan: Augmentation, seed: int
) -> Compositions:
    """Return augmented samples of a data set, or of things drawn from the seed.

    Args:
        folder: Of the data set; empty draws all. A set made by `maskwright synthesize uhr` brings
            its pairs with it.
        layout: One of `matting.LAYOUTS`.
        backgrounds: Folder of scenes; empty: `bg` in the data set, or those of its pairs.
        plan: The paper's augmentation.
        seed: Of all random draws.

    Raises:
        DataError: If a folder or file is missing, or as `training_set` says.
        UsageError: If the layout is unknown or has no foregrounds.
    """
    things: Source[Foreground]
    scenes: Source[np.ndarray]
    root = Path(folder)
    if not folder:
        things = ProceduralForegrounds(DRAWN_THINGS, DRAWN_PX, seed=seed)
        scenes = ProceduralBackgrounds(DRAWN_SCENES, DRAWN_PX, seed=seed)
    elif layout == "uhr-395" and (root / PAIRS).is_file():
        given = Path(backgrounds) if backgrounds else None
        things, scenes = training_sources(root, backgrounds=given)
    else:
        things = FolderForegrounds(training_set(root, layout=layout))
        found = pictures(Path(backgrounds) if backgrounds else root / "bg")
        scenes = FolderBackgrounds(list(found.values()))
    return Compositions(things, scenes, plan=plan, seed=seed)


def coco_panoptic_photos(folder: Path) -> PanopticPhotos:
    """Return COCO panoptic train2017; its maps lie beside the annotations or in the folder.

    Raises:
        DataError: If a file is missing or not COCO's.
    """
    name = "panoptic_train2017"
    beside = folder / "annotations" / name
    maps = beside if beside.is_dir() else folder / name
    return PanopticPhotos(folder / "annotations" / f"{name}.json", maps, folder / "train2017")


def lvis_photos(folder: Path, *, images: Path) -> InstancePhotos:
    """Return LVIS v1 train; its annotations lie in the folder or in `annotations` in it.

    Args:
        folder: Of the annotations.
        images: Folder with COCO's `train2017` and `val2017`.

    Raises:
        DataError: If a file is missing or not LVIS's.
    """
    name = "lvis_v1_train.json"
    below = folder / "annotations" / name
    return InstancePhotos(below if below.is_file() else folder / name, images)


def masked_photos(folder: Path, *, layout: str = "plain") -> MaskedPhotos:
    """Return the photos of a folder with masks; see `interactive.benchmark_objects`.

    Raises:
        DataError: If a file is missing or has no partner.
        UsageError: If the layout is unknown.
    """
    return MaskedPhotos(benchmark_objects(folder, layout=layout))
