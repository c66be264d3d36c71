"""Which ground truth a path holds: told by its files, so that nobody has to name the form."""

import os
from dataclasses import dataclass
from pathlib import Path

from maskwright.data.cityscapes import cityscapes_files
from maskwright.data.coco import coco_file
from maskwright.data.ground_truth import TruthSet, files_by_name, paired
from maskwright.data.semantic import label_folder
from maskwright.errors import DataError, UsageError
from maskwright.formats.label_map import read_label_map
from maskwright.formats.labelme import read_labelme, read_labelme_folder
from maskwright.formats.yolo import read_yolo_text
from maskwright.image.io import read_header
from maskwright.image.source import SUFFIXES, display_name
from maskwright.structures.class_list import ClassList
from maskwright.structures.segmentation import Segmentation

_MOST_TABLES = 20


def open_truth(
    images: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    *,
    task: str,
    classes: ClassList | None = None,
) -> TruthSet:
    """Return the ground truth for photos.

    Labels are a JSON of COCO's forms (panoptic, with its PNG files in a folder of its name, or
    instances); or a folder of: Cityscapes' `*_gtFine_*.png`; one such JSON; YOLO's `*.txt`;
    labelme's `*.json`; the `*.png` with `*.json` that `maskwright segment` writes; or label
    pictures of classes. Cityscapes brings its own classes; COCO's files may; the others need them.

    Args:
        images: Folder of photos.
        labels: A file or folder.
        task: "panoptic", "instance" or "semantic".
        classes: The classes, found by name where files have names.

    Raises:
        DataError: If labels are damaged, missing, or of no known form; names them.
        UsageError: If classes are needed, or the task is unknown.
    """
    photos, place = Path(images), Path(labels)
    if place.is_file():
        return coco_file(place, photos, task=task, classes=classes)
    if not place.is_dir():
        raise DataError(f"{display_name(place)}: expected labels, got no such file or folder")
    if any(place.rglob("*_gtFine_*.png")):
        return cityscapes_files(photos, place, task=task)
    table = _coco_table(place, task)
    if table is not None:
        return coco_file(table, photos, task=task, classes=classes)
    kind = _kind(place)
    if kind == "labelme" and classes is None:
        return _labelme(photos, place, task=task)
    if classes is None:
        raise UsageError(f"{display_name(place)}: labels of this form need a list of classes")
    if kind == "pictures":
        return label_folder(photos, place, classes) if task == "semantic" else _refused(place, task)
    return _per_photo(photos, place, kind=kind, task=task, classes=classes)


@dataclass(frozen=True)
class _Files:
    """A file of labels for each photo, of one kind."""

    kind: str
    photos: tuple[Path, ...]
    files: tuple[Path | None, ...]
    classes: ClassList

    def read(self, index: int) -> Segmentation:
        photo, file = self.photos[index], self.files[index]
        if self.kind == "yolo":
            size = read_header(photo).size
            return read_yolo_text(file, photo.name, size=size, classes=self.classes).segmentation
        assert file is not None
        if self.kind == "labelme":
            return read_labelme(file, classes=self.classes).segmentation
        found = read_label_map(file)
        if found.categories != self.classes.names:
            raise DataError(
                f"{display_name(file)}: its categories must be those of the list of classes,"
                f" {', '.join(self.classes.names[:3])}, …, got"
                f" {', '.join(found.categories[:3])}, …"
            )
        return found


def _per_photo(images: Path, labels: Path, *, kind: str, task: str, classes: ClassList) -> TruthSet:
    photos = files_by_name(images, SUFFIXES)
    suffix = {"yolo": ".txt", "labelme": ".json", "maps": ".png"}[kind]
    found = files_by_name(labels, (suffix,))
    files: tuple[Path | None, ...]
    if kind == "yolo":  # a photo without objects has no file
        paired({name: photos[name] for name in photos if name in found}, found)
        paths, files = tuple(photos.values()), tuple(found.get(name) for name in photos)
    else:
        paths, files = paired(photos, found)
    beside = (".json",) if kind == "maps" else ()
    known = tuple((f, *map(f.with_suffix, beside)) if f else () for f in files)
    return TruthSet(task, classes, paths, _Files(kind, paths, files, classes).read, known)


def _labelme(images: Path, labels: Path, *, task: str) -> TruthSet:
    names = read_labelme_folder(labels)[0].segmentation.categories
    return _per_photo(images, labels, kind="labelme", task=task, classes=ClassList(names))


def _kind(place: Path) -> str:
    """Return which kind of file a folder holds for each photo."""
    texts, tables = any(place.rglob("*.txt")), {f.with_suffix("") for f in place.rglob("*.json")}
    pictures = {file.with_suffix("") for file in place.rglob("*.png")}
    if pictures & tables:
        return "maps"
    if tables:
        return "labelme"
    return "yolo" if texts and not pictures else "pictures"


def _coco_table(place: Path, task: str) -> Path | None:
    """Return the one JSON of COCO's forms in a folder, for this task if there are several."""
    files = sorted(place.glob("*.json"))
    if len(files) > _MOST_TABLES:  # a file for each photo
        return None
    contents = {file: file.read_bytes() for file in files}
    tables = [file for file in files if b'"annotations"' in contents[file]]
    if len(tables) > 1:
        wanted = task != "instance"
        tables = [file for file in tables if (b'"segments_info"' in contents[file]) == wanted]
    if len(tables) > 1:
        raise DataError(
            f"{display_name(place)}: expected one file of annotations, got"
            f" {', '.join(file.name for file in tables[:5])}; name one of them"
        )
    return tables[0] if tables else None


def _refused(place: Path, task: str) -> TruthSet:
    raise DataError(
        f"{display_name(place)}: {task} labels must tell objects apart, got label pictures of"
        " classes; use COCO's JSON, labelme's, YOLO's or what maskwright segment writes"
    )
