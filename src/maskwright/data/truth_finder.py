"""Which ground truth a path holds: told by its files, so that nobody has to name the form."""

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from maskwright.data.cityscapes import cityscapes_files
from maskwright.data.coco import coco_file
from maskwright.data.ground_truth import TruthSet, files_by_name, paired
from maskwright.data.semantic import label_folder
from maskwright.errors import DataError, UsageError
from maskwright.formats.classes import read_classes
from maskwright.formats.label_map import categories_in, read_label_map
from maskwright.formats.labelme import labels_in, read_labelme, read_labelme_folder
from maskwright.formats.yolo import NAMES_FILE, names_file, read_yolo_text
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
    may_be_void: bool = False,
) -> TruthSet:
    """Return the ground truth for photos.

    Labels are a JSON of COCO's forms (panoptic, with its PNG files in a folder of its name, or
    instances); or a folder of: Cityscapes' `*_gtFine_*.png`; one such JSON; YOLO's `*.txt`, or
    its `data.yaml` and `labels`; labelme's `*.json`; the `*.png` with `*.json` that `maskwright
    segment` writes; or label pictures of classes. Cityscapes and labelme bring their own classes;
    COCO's files and YOLO's `data.yaml` may; the others need them.

    Args:
        images: Folder of photos.
        labels: A file or folder.
        task: "panoptic", "instance" or "semantic".
        classes: The classes, found by name where files have names.
        may_be_void: Whether a label picture may be void everywhere.

    Raises:
        DataError: If labels are damaged, missing, or of no known form; names them.
        UsageError: If classes are needed, or the task is unknown.
    """
    photos = Path(images)
    kind, place = _form(Path(labels), task)
    if kind == "cityscapes":
        return cityscapes_files(photos, place, task=task)
    if kind == "coco":
        return coco_file(place, photos, task=task, classes=classes)
    if kind == "labelme" and classes is None:
        return _labelme(photos, place, task=task)
    names = names_file(place) if kind == "yolo" else None
    listed = read_classes(names) if names else None
    known = classes or listed
    if known is None:
        beside = f"a {NAMES_FILE} beside their folder, or " if kind == "yolo" else ""
        raise UsageError(
            f"{display_name(place)}: labels of this form need a list of classes; give {beside}"
            "--classes"
        )
    if kind == "pictures":
        if task != "semantic":
            raise _classes_only(place, task)
        return label_folder(photos, place, known, may_be_void=may_be_void)
    found = _per_photo(photos, place, kind=kind, task=task, classes=known, listed=listed)
    beside_all = (names,) if names else ()
    return replace(found, files=tuple((*files, *beside_all) for files in found.files))


def open_predictions(
    images: str | os.PathLike[str],
    found: str | os.PathLike[str],
    *,
    task: str,
    truth: ClassList,
    listed: ClassList | None = None,
) -> TruthSet:
    """Return what was found in photos, in classes of its own where its files name them.

    Args:
        images: Folder of photos.
        found: A file or folder, of the forms of `open_truth`.
        task: "panoptic", "instance" or "semantic".
        truth: The classes of the truth, which are those of files that name none.
        listed: What the numbers of YOLO's labels stand for where no `data.yaml` says it.

    Raises:
        DataError: If files are damaged, missing, or of no known form; names them.
        UsageError: If YOLO's classes are needed, or the task is unknown.
    """
    kind, place = _form(Path(found), task)
    if kind == "yolo":
        own = None if names_file(place) else listed
    elif kind == "coco":
        own = None if _has_categories(place) else truth
    else:
        names = _names_in(place, kind)
        if kind == "labelme":  # which names what occurs: the others may be known, but not found
            names += tuple(name for name in truth.names if name not in names)
        own = ClassList(names) if names else truth
    return open_truth(images, place, task=task, classes=own, may_be_void=True)


def _names_in(place: Path, kind: str) -> tuple[str, ...]:
    """Return the names of the classes that a folder's files hold; () if they hold none."""
    if kind == "labelme":
        return labels_in(files_by_name(place, (".json",)).values())
    if kind == "maps":
        for file in files_by_name(place, (".png",)).values():
            with suppress(DataError):  # told when the file is read
                return categories_in(file)
    return ()


def _has_categories(table: Path) -> bool:
    with suppress(OSError):  # told when the file is read
        return b'"categories"' in table.read_bytes()
    return False


def _form(place: Path, task: str) -> tuple[str, Path]:
    """Return which form labels have, and the file or folder that holds them.

    Raises:
        DataError: If there is none.
    """
    if place.is_file():
        return "coco", place
    if not place.is_dir():
        raise DataError(f"{display_name(place)}: expected labels, got no such file or folder")
    if any(place.rglob("*_gtFine_*.png")):
        return "cityscapes", place
    table = _coco_table(place, task)
    if table is not None:
        return "coco", table
    if (place / NAMES_FILE).is_file() and (place / "labels").is_dir():
        return "yolo", place / "labels"
    return _kind(place), place


@dataclass(frozen=True)
class _Files:
    """A file of labels for each photo, of one kind."""

    kind: str
    photos: tuple[Path, ...]
    files: tuple[Path | None, ...]
    classes: ClassList
    listed: ClassList | None  # what the numbers of YOLO's labels stand for, if it is not those

    def read(self, index: int) -> Segmentation:
        photo, file = self.photos[index], self.files[index]
        if self.kind == "yolo":
            size = read_header(photo).size
            return read_yolo_text(
                file, photo.name, size=size, classes=self.classes, listed=self.listed
            ).segmentation
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


def _per_photo(
    images: Path,
    labels: Path,
    *,
    kind: str,
    task: str,
    classes: ClassList,
    listed: ClassList | None = None,
) -> TruthSet:
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
    return TruthSet(task, classes, paths, _Files(kind, paths, files, classes, listed).read, known)


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


def _classes_only(place: Path, task: str) -> DataError:
    return DataError(
        f"{display_name(place)}: {task} labels must tell objects apart, got label pictures of"
        " classes; use COCO's JSON, labelme's, YOLO's or what maskwright segment writes"
    )
