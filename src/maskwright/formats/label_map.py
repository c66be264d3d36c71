"""Our own form: a 16-bit grey PNG of labels, and a JSON file that says what they are.

The PNG holds the segment's id (0 is none), for a semantic segmentation the class (255 is none).
Instances may overlap: the PNG shows the surer one on top, the JSON holds the run lengths of all.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, UInt16

from maskwright.errors import DataError, OutputError, UsageError
from maskwright.formats.annotated import segment_from, segmentation_from
from maskwright.formats.text import Json, read_object, whole_number, write_json
from maskwright.image.labels import read_labels
from maskwright.image.publish import check_target
from maskwright.image.source import display_name
from maskwright.image.write import write_image
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segmentation import TASKS, VOID, Segmentation

_KIND = "the JSON of a label map"
_MOST = 65535
_SUFFIXES = (".png", ".tif", ".tiff")


def write_label_map(
    file: str | os.PathLike[str], segmentation: Segmentation, *, overwrite: bool = False
) -> Path:
    """Write `a.png` and `a.json`; nothing is lost. Return the path of the JSON.

    Args:
        file: Path of the PNG.
        segmentation: Of any task.
        overwrite: Whether files may be replaced.

    Raises:
        UsageError: If the file is none of 16 bits, so that labels would be rounded.
        OutputError: If there are more than 65535 segments, a file exists and may not be
            replaced, or cannot be written.
    """
    if Path(file).suffix.lower() not in _SUFFIXES:
        raise UsageError(
            f"{display_name(file)}: a label map must be a {', '.join(_SUFFIXES)}, which have 16"
            " bits; choose another suffix"
        )
    beside = Path(file).with_suffix(".json")
    labels = label_picture(segmentation, display_name(file))
    for target in (file, beside):
        check_target(target, overwrite=overwrite)
    write_image(file, labels, overwrite=overwrite)
    write_json(beside, as_json(segmentation), overwrite=overwrite)
    return beside


def label_picture(
    segmentation: Segmentation, name: str = "the label map"
) -> UInt16[np.ndarray, "h w"]:
    """Return the pixels of the PNG.

    Raises:
        OutputError: If there are more than 65535 segments.
    """
    if len(segmentation.segments) > _MOST:
        raise OutputError(
            f"{name}: a label map holds {_MOST} segments,"
            f" got {len(segmentation.segments)}; write COCO's JSON"
        )
    is_semantic = segmentation.task == "semantic"
    labels = segmentation.label_map() if is_semantic else segment_ids(segmentation)
    return labels.astype(np.uint16)


def segment_ids(segmentation: Segmentation) -> Int32[np.ndarray, "h w"]:
    """Return the id of each pixel's segment, 0 for none; of instances the surer one is on top."""
    if segmentation.task == "panoptic":
        return segmentation.label_map()
    height, width = segmentation.size
    ids = np.zeros(height * width, np.int32)
    for segment in sorted(segmentation.segments, key=lambda segment: segment.score):
        for start, end in rle.spans(segment.rle).tolist():
            ids[start:end] = segment.id
    return np.ascontiguousarray(ids.reshape(width, height).T)


def as_json(segmentation: Segmentation) -> Json:
    """Return what the JSON file says: size, task, categories and segments."""
    is_instance = segmentation.task == "instance"
    return {
        "size": list(segmentation.size),
        "task": segmentation.task,
        "void": VOID if segmentation.task == "semantic" else 0,
        "categories": list(segmentation.categories),
        "segments": [
            {
                "id": segment.id,
                "category_id": segment.category_id,
                "category": segment.category,
                "is_thing": segment.is_thing,
                "score": segment.score,
                "area": segment.area,
                "box": list(segment.box),
                "iscrowd": int(segment.is_crowd),
                **({"rle": dict(segment.rle)} if is_instance else {}),
            }
            for segment in segmentation.segments
        ],
    }


def read_label_map(file: str | os.PathLike[str]) -> Segmentation:
    """Return the segmentation of `a.png` and the `a.json` beside it.

    Args:
        file: Path of the PNG.

    Raises:
        DataError: If the JSON is missing, damaged, or does not fit the PNG; names file and
            segment.
        ImageError: If the PNG cannot be read.
    """
    beside = Path(file).with_suffix(".json")
    name = display_name(beside)
    content = read_object(beside, _KIND, ("segments",))
    classes, task, rows = _names(content, name), content.get("task"), content["segments"]
    if task not in TASKS:
        raise DataError(f"{name}: task must be one of {', '.join(TASKS)}, got {task!r}")
    labels = read_labels(file)
    size = (labels.shape[0], labels.shape[1])
    if content.get("size") != list(size):
        raise DataError(
            f"{display_name(file)}: a label map must be as large as its JSON says,"
            f" {content.get('size')}, got {list(size)}; use the two written together"
        )
    codes = rle.encode_labels(labels)
    codes.pop(VOID if task == "semantic" else 0, None)
    segments = []
    for number, row in enumerate(rows, start=1):
        where = f"{name}: segment {number}"
        category = whole_number(row, "category_id", where)
        if category >= len(classes):
            raise DataError(f"{where}: category_id must be below {len(classes)}, got {category}")
        value = category if task == "semantic" else number
        code = row.get("rle") if task == "instance" else codes.pop(value, None)
        if not isinstance(code, dict):
            raise DataError(f"{where}: {display_name(file)} must have a pixel of it, got none")
        kinds = ClassList(classes.names, is_thing=(bool(row.get("is_thing", True)),) * len(classes))
        segments.append(segment_from(row, number, category, code=code, classes=kinds, where=where))
    if task != "instance" and codes:
        raise DataError(
            f"{display_name(file)}: every label must be a segment of {name}, got {min(codes)}"
        )
    return segmentation_from(segments, size, task=task, classes=classes, where=name)


def categories_in(file: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of the classes of a label map.

    Args:
        file: Path of the PNG.

    Raises:
        DataError: If the JSON beside it is missing or damaged.
    """
    beside = Path(file).with_suffix(".json")
    return _names(read_object(beside, _KIND, ("segments",)), display_name(beside)).names


def _names(content: Json, name: str) -> ClassList:
    names: Any = content.get("categories")
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise DataError(f"{name}: categories must be a list of names, got something else")
    try:
        return ClassList(tuple(names))
    except UsageError as error:
        raise DataError(f"{name}: {error}") from error
