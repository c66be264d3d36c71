"""Cityscapes: streets of 50 cities, 19 classes, 8 of them with instances.

Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016,
arXiv:1604.01685. `labelIds` pictures hold its own 34 numbers, of which 15 are void here; `trainIds`
ones hold 0 to 18 and 255. An `instanceIds` picture holds the number, or number · 1000 + k for
the instance k; a number alone of a class with instances is a group nobody told apart.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from maskwright.data.ground_truth import TruthSet, each, files_by_name, paired
from maskwright.data.semantic import LabelFiles
from maskwright.errors import DataError, UsageError
from maskwright.formats.classes import published_classes
from maskwright.image.labels import read_labels
from maskwright.image.source import display_name
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import VOID, Segmentation

_INSTANCES = 1000  # an instance is its class's number times this, plus its own
_ENDINGS = {  # in order of preference
    "semantic": ("_gtFine_labelIds", "_gtFine_labelTrainIds"),
    "panoptic": ("_gtFine_instanceIds",),
    "instance": ("_gtFine_instanceIds",),
}


@dataclass(frozen=True)
class InstanceFiles:
    """Pictures of instance numbers, in order.

    Attributes:
        files: Their paths.
        classes: Cityscapes' 19.
    """

    files: tuple[Path, ...]
    classes: ClassList

    def read(self, index: int) -> Segmentation:
        """Return the panoptic segmentation of one; groups are crowd regions.

        Raises:
            DataError: If a number is unknown; names the file.
        """
        file = self.files[index]
        labels = read_labels(file)
        known = self.classes.index_map()
        segments: list[Segment] = []
        for value, code in rle.encode_labels(labels).items():
            number = value // _INSTANCES if value >= _INSTANCES else value
            if number in self.classes.void:
                continue
            if number not in known:
                raise DataError(
                    f"{display_name(file)}: an instance must be of one of Cityscapes' classes,"
                    f" got {value}; use *_gtFine_instanceIds.png"
                )
            category = known[number]
            is_thing = self.classes.is_thing[category]
            segments.append(
                Segment(
                    len(segments) + 1,
                    category,
                    self.classes.names[category],
                    code,
                    is_thing=is_thing,
                    is_crowd=is_thing and value < _INSTANCES,
                )
            )
        size = (labels.shape[0], labels.shape[1])
        return Segmentation(size, "panoptic", self.classes.names, tuple(segments))


def cityscapes_folder(root: Path, split: str = "val", *, task: str = "semantic") -> TruthSet:
    """Return a part of Cityscapes as it is distributed.

    Args:
        root: Folder of `leftImg8bit` and `gtFine`.
        split: "train", "val" or "test".
        task: "semantic", "panoptic" or "instance".

    Raises:
        DataError: If a folder is missing, or a photo or labels lack their partner.
        UsageError: If the task is unknown.
    """
    return cityscapes_files(root / "leftImg8bit" / split, root / "gtFine" / split, task=task)


def cityscapes_files(images: Path, labels: Path, *, task: str) -> TruthSet:
    """Return photos `*_leftImg8bit` with `*_gtFine_labelIds`, `labelTrainIds` or `instanceIds`.

    Args:
        images: Folder of photos, or of cities.
        labels: Folder of label pictures, or of cities.
        task: "semantic", "panoptic" or "instance".

    Raises:
        DataError: If a folder holds none, or a photo or labels lack their partner.
        UsageError: If the task is unknown.
    """
    if task not in _ENDINGS:
        raise UsageError(f"a task must be one of {', '.join(_ENDINGS)}, got {task!r}")
    endings = [e for e in _ENDINGS[task] if any(labels.rglob(f"*{e}.png"))] or _ENDINGS[task]
    photos, files = paired(
        files_by_name(images, (".png",), ending="_leftImg8bit"),
        files_by_name(labels, (".png",), ending=endings[0]),
    )
    classes = published_classes("cityscapes")
    if task != "semantic":
        return TruthSet(task, classes, photos, InstanceFiles(files, classes).read, each(files))
    written = classes
    if endings[0].endswith("TrainIds"):
        written = replace(classes, numbers=tuple(range(len(classes))), void=(VOID,))
    return TruthSet(task, classes, photos, LabelFiles(files, written).read, each(files))
