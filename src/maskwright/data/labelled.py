"""Photos whose objects are known, to learn clicking from: COCO panoptic, COCO, LVIS, SBD, folders.

What comes out is the same for all: a photo, and a map that numbers its objects. Sources: COCO
(Lin et al., ECCV 2014, arXiv:1405.0312), its panoptic maps (Kirillov et al., CVPR 2019,
arXiv:1801.00868), LVIS (Gupta et al., CVPR 2019, arXiv:1908.03195).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int32, UInt8

from maskwright.data.interactive import ObjectRow, read_instances, read_object
from maskwright.data.matting import NAMED
from maskwright.data.sources import read_colour
from maskwright.errors import DataError
from maskwright.image.labels import read_panoptic
from maskwright.image.source import display_name
from maskwright.structures import rle

NOTHING, IGNORED = 0, -1
MOST_HIDDEN = 0.5  # of an object, or of one painted before, by another
MOST_OBJECTS = 255  # numbers beyond are not used, so that a map fits into 8 bits


@dataclass(frozen=True, eq=False)
class Labelled:
    """A photo and its objects.

    Attributes:
        image: uint8 (h, w, 3), sRGB.
        labels: int32 (h, w): a number above 0 for each object, 0 for none, -1 where nobody knows.
    """

    image: UInt8[np.ndarray, "h w 3"]
    labels: Int32[np.ndarray, "h w"]


@runtime_checkable
class LabelledPhotos(Protocol):
    """What has a length and gives a photo for each index below it."""

    def __len__(self) -> int:
        """Return the number of photos."""

    def labelled(self, index: int, rng: np.random.Generator) -> Labelled:
        """Return one; what is drawn, such as which object hides which, comes from `rng`."""


class PanopticPhotos:
    """COCO panoptic: things and stuff, crowds included, that cover the photo.

    Args:
        annotations: `panoptic_train2017.json`.
        maps: Folder of its PNG files.
        images: Folder of the photos.

    Raises:
        DataError: If the file is not COCO's, or a photo or map is missing; names the first five.
    """

    def __init__(self, annotations: Path, maps: Path, images: Path) -> None:
        content = _read_json(annotations, ("images", "annotations"))
        names = {image["id"]: _file_name(image) for image in content["images"]}
        rows = content["annotations"]
        self.files = [(images / names[row["image_id"]], maps / row["file_name"]) for row in rows]
        self.segments = [[segment["id"] for segment in row["segments_info"]] for row in rows]
        _check_files(file for pair in self.files for file in pair)

    def __len__(self) -> int:
        return len(self.files)

    def labelled(self, index: int, rng: np.random.Generator) -> Labelled:
        """Return a photo; its objects are numbered as in its list of segments, from 1 on."""
        image, panoptic = self.files[index]
        ids = read_panoptic(panoptic)
        labels = np.zeros(ids.shape, np.int32)
        for number, segment in enumerate(self.segments[index], start=1):
            labels[ids == segment] = number
        return _checked(read_colour(image), labels, image)


class InstancePhotos:
    """COCO instances or LVIS: objects that may overlap, painted in random order; no crowd regions.

    LVIS names its photos by their web address, of which folder and file count.

    Args:
        annotations: `instances_train2017.json` or `lvis_v1_train.json`.
        images: Folder of the photos, or of `train2017` and `val2017`.

    Raises:
        DataError: If the file is not COCO's, or a photo is missing; names the first five.
    """

    def __init__(self, annotations: Path, images: Path) -> None:
        content = _read_json(annotations, ("images", "annotations"))
        objects: dict[int, list[Any]] = {}
        for row in content["annotations"]:
            if not row.get("iscrowd"):
                objects.setdefault(row["image_id"], []).append(row["segmentation"])
        rows = [image for image in content["images"] if image["id"] in objects]
        self.files = [_found(images, _file_name(row)) for row in rows]
        self.objects = [objects[row["id"]] for row in rows]
        _check_files(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def labelled(self, index: int, rng: np.random.Generator) -> Labelled:
        """Return a photo and its objects as `painted` lets them be seen."""
        image = read_colour(self.files[index])
        size = (image.shape[0], image.shape[1])
        masks = [_drawn(segmentation, size) for segmentation in self.objects[index]]
        return Labelled(image, painted(masks, size, rng))


class MaskedPhotos:
    """Photos and masks as `interactive.object_rows` finds them: SBD, and plain folders.

    Args:
        rows: The objects; those of one photo belong together.
    """

    def __init__(self, rows: Sequence[ObjectRow]) -> None:
        self.photos: dict[Path, list[ObjectRow]] = {}
        for row in rows:
            self.photos.setdefault(row.image, []).append(row)
        self.files = list(self.photos)

    def __len__(self) -> int:
        return len(self.files)

    def labelled(self, index: int, rng: np.random.Generator) -> Labelled:
        """Return a photo; masks that overlap are painted in random order."""
        file = self.files[index]
        image, rows = read_colour(file), self.photos[file]
        instances = [row.instance for row in rows if row.instance is not None]
        if instances:
            labels = read_instances(rows[0].mask)
            return _checked(image, np.where(np.isin(labels, instances), labels, NOTHING), file)
        truths = [read_object(row) for row in rows]
        labels = painted([truth.mask for truth in truths], truths[0].mask.shape, rng)
        for truth in truths:
            if truth.ignored is not None:
                labels[truth.ignored & (labels == NOTHING)] = IGNORED
        return _checked(image, labels, file)


def painted(
    masks: Sequence[Bool[np.ndarray, "h w"]], size: tuple[int, ...], rng: np.random.Generator
) -> Int32[np.ndarray, "h w"]:
    """Return the objects numbered from 1 on, laid over each other in random order.

    One is left out if more than half of it lies over others, or if it would hide more than half
    of what is to be seen of another.

    Args:
        masks: True on the object; empty ones are left out.
        size: Height and width.
        rng: Draws the order.
    """
    labels = np.zeros(size, np.int32)
    number = 0
    for index in rng.permutation(len(masks)):
        under = labels[masks[index]]
        hidden = np.bincount(under, minlength=number + 1)
        hidden[NOTHING] = 0
        visible = np.bincount(labels.ravel(), minlength=number + 1)
        if not under.size or hidden.sum() > MOST_HIDDEN * under.size:
            continue
        if (hidden[1:] > MOST_HIDDEN * visible[1:]).any():
            continue
        number += 1
        labels[masks[index]] = number
        if number == MOST_OBJECTS:
            break
    return labels


def _drawn(segmentation: Any, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Return the mask of polygons or of a run-length code."""
    if isinstance(segmentation, Mapping):
        return rle.decode(segmentation)
    from pycocotools import mask as coco

    polygons = [polygon for polygon in segmentation if len(polygon) >= 6]
    if not polygons:
        return np.zeros(size, np.bool_)
    return rle.decode(coco.merge(coco.frPyObjects(polygons, *size)))


def _read_json(file: Path, keys: Sequence[str]) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{display_name(file)}: expected COCO's JSON, got a file that cannot be read"
            f" ({str(error).splitlines()[0]}); copy it again"
        ) from error
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise DataError(
            f"{display_name(file)}: COCO's JSON must hold {' and '.join(keys)}, got no"
            f" {' and no '.join(missing)}; choose the file of annotations"
        )
    return dict(content)


def _file_name(image: Mapping[str, Any]) -> str:
    if "file_name" in image:
        return str(image["file_name"])
    return "/".join(str(image["coco_url"]).split("/")[-2:])


def _found(folder: Path, name: str) -> Path:
    """Return the file of a name like `train2017/7.jpg`, which may lie in the folder itself."""
    return folder / name if (folder / name).is_file() else folder / Path(name).name


def _check_files(files: Iterable[Path]) -> None:
    missing = [file for file in files if not file.is_file()]
    if missing:
        shown = ", ".join(display_name(file) for file in missing[:NAMED])
        raise DataError(
            f"every annotation needs its picture, {len(missing)} are missing: {shown}"
            f"{', …' if len(missing) > NAMED else ''}; check the folders"
        )


def _checked(
    image: UInt8[np.ndarray, "_ _ 3"], labels: Int32[np.ndarray, "h w"], file: Path
) -> Labelled:
    if image.shape[:2] != labels.shape:
        raise DataError(
            f"{display_name(file)}: a map must be as large as its photo,"
            f" {image.shape[1]} x {image.shape[0]}, got {labels.shape[1]} x {labels.shape[0]};"
            " use the one made for this photo"
        )
    return Labelled(image, labels)
