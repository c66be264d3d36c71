"""COCO and files of its forms: panoptic, instances, stuff, LVIS, and one's own.

Lin et al., ECCV 2014, arXiv:1405.0312; panoptic: Kirillov et al., CVPR 2019, arXiv:1801.00868;
stuff: Caesar et al., "COCO-Stuff", CVPR 2018, arXiv:1612.03716.
"""

from dataclasses import dataclass
from pathlib import Path

from maskwright.data.ground_truth import TruthSet
from maskwright.errors import DataError, UsageError
from maskwright.formats.coco import CocoInstances
from maskwright.formats.panoptic import PanopticMaps
from maskwright.image.source import display_name
from maskwright.structures.class_list import ClassList
from maskwright.structures.segmentation import Segmentation

_FILES = {  # task → files below the root, for a split such as "val2017"
    "panoptic": ("annotations/panoptic_{}.json",),
    "instance": ("annotations/instances_{}.json",),
    # Where the panoptic file is, its segments are united, as Mask2Former's evaluation does.
    "semantic": ("annotations/panoptic_{}.json", "annotations/stuff_{}.json"),
}


@dataclass(frozen=True, eq=False)
class Annotations:
    """A file of one of COCO's forms.

    Attributes:
        file: The file.
    """

    file: CocoInstances | PanopticMaps

    def read(self, index: int) -> Segmentation:
        """Return what is in the photo with this index.

        Raises:
            DataError: If it is damaged; names file and object.
        """
        return self.file[index].segmentation


def coco_folder(root: Path, split: str, *, task: str = "panoptic") -> TruthSet:
    """Return COCO as it is distributed.

    Args:
        root: Folder of `annotations`, `val2017` and others.
        split: "train2017" or "val2017".
        task: "panoptic"; "instance"; "semantic", of the panoptic file if it is there, else of
            COCO stuff's.

    Raises:
        DataError: If a file is missing or damaged.
        UsageError: If the task is unknown.
    """
    if task not in _FILES:
        raise UsageError(f"a task must be one of {', '.join(_FILES)}, got {task!r}")
    candidates = [root / name.format(split) for name in _FILES[task]]
    file = next((path for path in candidates if path.is_file()), candidates[0])
    return coco_file(file, root / split, task=task, is_lenient=True)


def coco_file(
    file: Path,
    images: Path,
    *,
    task: str,
    maps: Path | None = None,
    classes: ClassList | None = None,
    is_lenient: bool = False,
) -> TruthSet:
    """Return the photos of a file of one of COCO's forms, which its content tells apart.

    Args:
        file: Its path.
        images: Folder of the photos, or of folders such as `val2017` or cities.
        task: What is wanted of it.
        maps: Folder of a panoptic file's PNG files; if None, that of its name without suffix,
            beside it or beside its folder, where COCO has it.
        classes: The classes wanted, found by name; None takes the file's.
        is_lenient: Whether objects without a pixel, of which published sets have a few, are left
            out with a warning.

    Raises:
        DataError: If a file is missing or damaged; names it.
    """
    try:
        is_panoptic = b'"segments_info"' in file.read_bytes()
    except OSError as error:
        raise DataError(
            f"{display_name(file)}: expected COCO's JSON, got a file that cannot be read"
            f" ({error.strerror}); check the path"
        ) from error
    found: CocoInstances | PanopticMaps
    if is_panoptic:
        places = [maps] if maps else [file.with_suffix(""), file.parent.parent / file.stem]
        place = next((place for place in places if place.is_dir()), places[0])
        found = PanopticMaps(file, maps=place, classes=classes, is_lenient=is_lenient)
    else:
        found = CocoInstances(file, classes=classes, is_lenient=is_lenient)
    photos = tuple(_photo(images, found.photo(index)) for index in range(len(found)))
    maps_of = found.map_file if isinstance(found, PanopticMaps) else None
    files = tuple((file, maps_of(i)) if maps_of else (file,) for i in range(len(found)))
    return TruthSet(task, found.classes, photos, Annotations(found).read, files)


def _photo(images: Path, name: str) -> Path:
    """Return the photo of a name, which may lie in the folder itself, or in one of its city.

    Cityscapes' panoptic files call `city/city_1_leftImg8bit.png` `city_1_gtFine_leftImg8bit.png`;
    files of predictions name the map instead of the photo.
    """
    base = Path(name).name
    city = base.replace("_gtFine_", "_")
    candidates = [images / name, images / base, images / city.partition("_")[0] / city]
    candidates += [images / f"{Path(base).stem}{suffix}" for suffix in (".jpg", ".jpeg", ".png")]
    return next((path for path in candidates if path.is_file()), candidates[0])
