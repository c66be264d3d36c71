"""YOLO's segmentation labels: a text file per photo, a class and one polygon a line.

The layout is that of https://docs.ultralytics.com/datasets/segment: `images/a.jpg`,
`labels/a.txt` with "class x1 y1 x2 y2 …", coordinates from 0 to 1, and `data.yaml` with the names.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float64

from maskwright.errors import DataError, UsageError
from maskwright.formats.annotated import (
    Annotated,
    Loss,
    classes_for,
    loss_of,
    refuse_crowds,
    segment_from,
    segmentation_from,
)
from maskwright.formats.classes import yaml_names
from maskwright.formats.text import read_text, write_text
from maskwright.image.io import read_header
from maskwright.image.polygons import Polygon, joined, mask_from_polygons, polygons_from_mask
from maskwright.image.publish import check_target
from maskwright.image.source import SUFFIXES, display_name
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment

NAMES_FILE = "data.yaml"
_DIGITS = 9  # after the point: a millionth of a pixel, of photos of a thousand
_OUTSIDE = 1e-3  # how far beyond the edge a rounded coordinate may lie, as a share of the side


def write_yolo(
    folder: str | os.PathLike[str],
    items: Iterable[Annotated],
    *,
    classes: ClassList | None = None,
    tolerance: float | int = 0,
    overwrite: bool = False,
) -> list[Loss]:
    """Write `labels/*.txt` and `data.yaml`; return what the polygons lose, worst first.

    An object of several parts, or with holes, becomes one polygon with bridges of no width.
    Scores are not written, nor is which class is a thing.

    Args:
        folder: Of the data set.
        items: Photos and segmentations of any task, all with the same categories.
        classes: Whose names to write; if None, those of the items.
        tolerance: Of the polygons, in pixels; 0 is exact.
        overwrite: Whether files may be replaced.

    Raises:
        UsageError: If a segment is a crowd region, categories differ, or two photos would have
            one file of labels.
        OutputError: If a file exists and may not be replaced, or cannot be written.
    """
    found, root = list(items), Path(folder)
    known = classes_for(found, classes)
    refuse_crowds(found, "YOLO")
    targets = label_files(root, [item.name for item in found])
    for target in (*targets, root / NAMES_FILE):
        check_target(target, overwrite=overwrite)
    losses: list[Loss] = []
    for item, target in zip(found, targets, strict=True):
        text, lost = label_text(item, tolerance)
        losses += lost
        write_text(target, text, overwrite=overwrite)
    write_text(root / NAMES_FILE, names_text(known), overwrite=overwrite)
    return sorted(losses, key=lambda loss: -loss.iou_lost)


def label_files(root: Path, names: Sequence[str]) -> list[Path]:
    """Return where the labels of photos are in a data set.

    Args:
        root: Its folder.
        names: Of the photos.

    Raises:
        UsageError: If two photos would have one file of labels.
    """
    stems = [str(PurePosixPath(name).with_suffix("")) for name in names]
    twice = _first_twice(stems)
    if twice is not None:
        raise UsageError(namesakes(twice))
    return [root / "labels" / f"{stem}.txt" for stem in stems]


def namesakes(stem: str) -> str:
    """Return what is wrong with photos of one stem, in words: they would share their labels."""
    return (
        f"photos must differ in more than their suffix for YOLO, got {display_name(stem)} twice;"
        " rename one"
    )


def _first_twice(stems: Sequence[str]) -> str | None:
    return next((stem for stem, count in Counter(stems).items() if count > 1), None)


def names_file(labels: Path) -> Path | None:
    """Return the `data.yaml` in a folder of labels, beside it, or above; None if there is none.

    Data sets have `labels/train` or `train/labels` below it.
    """
    folders = (labels, *labels.absolute().parents[:2])
    return next((f / NAMES_FILE for f in folders if (f / NAMES_FILE).is_file()), None)


def label_text(item: Annotated, tolerance: float | int = 0) -> tuple[str, list[Loss]]:
    """Return the labels of one photo, and what the polygons lose.

    Args:
        item: The photo and its segmentation.
        tolerance: Of the polygons, in pixels; 0 is exact.

    Raises:
        UsageError: If a segment is a crowd region.
    """
    refuse_crowds([item], "YOLO")
    lines: list[str] = []
    losses: list[Loss] = []
    for segment in item.segmentation.segments:
        polygons = polygons_from_mask(segment.mask(), tolerance)
        ring = (joined(polygons) / (segment.size[1], segment.size[0])).round(_DIGITS)
        lines.append(f"{segment.category_id} {' '.join(map(_as_text, ring.ravel()))}\n")
        losses.append(loss_of(item, segment, [_in_pixels(ring, segment.size)]))
    return "".join(lines), losses


def names_text(classes: ClassList) -> str:
    """Return `data.yaml`: the names of the classes, and where photos are looked for."""
    names = [f"  {i}: {json.dumps(n, ensure_ascii=False)}\n" for i, n in enumerate(classes.names)]
    return f"path: .\ntrain: images\nval: images\nnames:\n{''.join(names)}"


def lists_names(content: bytes, classes: ClassList) -> bool:
    """Say whether a `data.yaml` lists these classes, whatever else it says."""
    try:
        return yaml_names(content.decode("utf-8-sig")) == list(classes.names)
    except (ValueError, KeyError):
        return False


def read_yolo(
    labels: str | os.PathLike[str], images: str | os.PathLike[str], *, classes: ClassList
) -> list[Annotated]:
    """Return the photos of a folder with their objects, sorted; those without a text have none.

    Args:
        labels: Folder of text files.
        images: Folder of photos, which give the sizes.
        classes: The classes, by index.

    Raises:
        DataError: If a text has no photo or a line is no polygon; names file and line.
        ImageError: If a photo cannot be read.
    """
    files = [
        file
        for file in sorted(Path(images).rglob("*"))
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    ]
    stems = [file.relative_to(images).with_suffix("").as_posix() for file in files]
    twice = _first_twice(stems)
    if twice is not None:
        raise DataError(f"{display_name(images)}: {namesakes(twice)}")
    photos = dict(zip(stems, files, strict=True))
    texts = {
        file.relative_to(labels).with_suffix("").as_posix(): file
        for file in sorted(Path(labels).rglob("*.txt"))
    }
    if not photos or not texts:
        where, what = (images, "photos") if not photos else (labels, "text files of labels")
        raise DataError(f"{display_name(where)} must hold {what}, got none; check the path")
    lonely = sorted(set(texts) - set(photos))
    if lonely:
        raise DataError(
            f"{display_name(texts[lonely[0]])}: labels must have a photo of their name in"
            f" {display_name(images)}, not so for {len(lonely)} files; add or remove them"
        )
    return [
        read_yolo_text(
            texts.get(stem),
            file.relative_to(images).as_posix(),
            size=read_header(file).size,
            classes=classes,
        )
        for stem, file in photos.items()
    ]


def read_yolo_text(
    file: str | os.PathLike[str] | None,
    name: str,
    *,
    size: tuple[int, int],
    classes: ClassList,
    listed: ClassList | None = None,
) -> Annotated:
    """Return one photo with its objects.

    Args:
        file: Path of its text; None for a photo without objects.
        name: Of the photo.
        size: Its height and width.
        classes: The classes wanted.
        listed: What the text's numbers stand for, found by name among `classes`; None if it is
            those, by index.

    Raises:
        DataError: If a line is no polygon of a known class; names file and line.
    """
    segments: list[Segment] = []
    shown = display_name(file) if file is not None else display_name(name)
    text = read_text(file, "YOLO's labels") if file is not None else ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{shown}: line {number}"
        category, polygon = _parsed(line.split(), size, listed or classes, where)
        if listed:
            category = _found(classes, listed.names[category], where)
        code = rle.encode(mask_from_polygons([polygon], size))
        segments.append(
            segment_from({}, len(segments) + 1, category, code=code, classes=classes, where=where)
        )
    found = segmentation_from(segments, size, task="instance", classes=classes, where=shown)
    return Annotated(name, found)


def _found(classes: ClassList, name: str, where: str) -> int:
    try:
        return classes.find(name)
    except UsageError as error:
        raise DataError(
            f"{where}: its class must be in the list of classes, got {name!r}; add it there or"
            " remove the object"
        ) from error


def _parsed(
    words: list[str], size: tuple[int, int], classes: ClassList, where: str
) -> tuple[int, Polygon]:
    """Return the class and the polygon, in pixels, of a line."""
    try:
        category, numbers = int(words[0]), np.array(words[1:], np.float64)
    except ValueError as error:
        raise DataError(
            f"{where}: labels must be a class and coordinates, got {' '.join(words)[:40]!r}"
        ) from error
    if not 0 <= category < len(classes):
        raise DataError(
            f"{where}: its class must be one of 0 to {len(classes) - 1}, got {category};"
            " check the list of classes"
        )
    if len(numbers) % 2 or len(numbers) < 6:
        what = "a box" if len(numbers) == 4 else f"{len(numbers)} coordinates"
        raise DataError(
            f"{where}: a polygon must have three points or more, x and y for each, got {what};"
            " draw it again or remove it"
        )
    if not ((numbers >= -_OUTSIDE) & (numbers <= 1 + _OUTSIDE)).all():
        outside = numbers[~((numbers >= -_OUTSIDE) & (numbers <= 1 + _OUTSIDE))][0]
        raise DataError(
            f"{where}: coordinates must be shares of width and height, from 0 to 1, got {outside}"
        )
    return category, _in_pixels(numbers.reshape(-1, 2), size)


def _in_pixels(ring: Float64[np.ndarray, "n 2"], size: tuple[int, int]) -> Polygon:
    return Polygon(ring * (size[1], size[0]))


def _as_text(number: float) -> str:
    return f"{number:.{_DIGITS}f}".rstrip("0").rstrip(".")
