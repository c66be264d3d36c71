"""Annotations from elsewhere as objects to start from: COCO, labelme, label maps, masks."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, runtime_checkable

import numpy as np

from maskwright.errors import DataError
from maskwright.formats.annotated import Annotated
from maskwright.formats.coco import CocoInstances
from maskwright.formats.label_map import read_label_map
from maskwright.formats.labelme import read_labelme
from maskwright.formats.panoptic import PanopticMaps
from maskwright.formats.text import read_object
from maskwright.image.io import read_mask
from maskwright.image.labels import read_labels
from maskwright.image.photo import DEFAULT_MAX_PIXELS
from maskwright.image.source import SUFFIXES, display_name
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segmentation import Segmentation

MOST_LABELS = 64
"""A picture with more values than these is a mask with a soft edge, not a map of labels."""
_KIND = "annotations (COCO's or labelme's JSON)"
_NO_LABELS = ClassList(("object",))  # of a labelme file in which nothing is marked
Several = CocoInstances | PanopticMaps
Rle = dict[str, Any]


@runtime_checkable
class Sized(Protocol):
    """A photo, as far as its annotations need one."""

    @property
    def name(self) -> str:
        """Its path below the folder of photos."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, upright."""


def objects_from(
    path: str | os.PathLike[str], photo: Sized, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> list[tuple[str, Rle]]:
    """Return name and mask of each object that a file holds of a photo; the lowest first.

    A JSON file is COCO's, of instances or panoptic maps, in which the photo is looked up by its
    path or, if that is unique, by its file name; or labelme's. A picture is our label map, if its
    JSON lies beside it; a map of labels, if it holds 2 to 64 numbers beside 0; else a mask, which
    is named like the file. Crowd regions are left out.

    Args:
        path: Of the file.
        photo: Which it is about.
        max_pixels: A picture with more is refused.

    Raises:
        DataError: If the file is damaged, of another photo or size, or of no known kind; names it
            and the object.
        ImageError: If a picture cannot be read, or is a map of labels in a format with losses.
        TrimapError: If a mask has another size, or is nowhere white.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix == ".json":
        found = open_json(file)
        if isinstance(found, Several):
            names = [found.photo(index) for index in range(len(found))]
            found = found[_place(names, photo.name, file)]
        return fitting(found.segmentation, photo, file)
    if suffix not in SUFFIXES:
        raise DataError(
            f"{display_name(file)}: expected {_KIND} or a picture, got {suffix or 'no suffix'};"
            " convert it"
        )
    if suffix == ".png" and file.with_suffix(".json").is_file():
        return fitting(read_label_map(file), photo, file)
    return _from_picture(file, photo, max_pixels)


def open_json(file: Path) -> Several | Annotated:
    """Return COCO's annotations of several photos, to be decoded one by one, or labelme's of one.

    Raises:
        DataError: If the file is neither, or damaged; names it and the object.
    """
    content = read_object(file, _KIND, ())
    if "shapes" in content:
        return read_labelme(file, classes=None if content["shapes"] else _NO_LABELS)
    rows = content.get("annotations")
    if not isinstance(rows, list) or not isinstance(content.get("images"), list):
        raise DataError(
            f"{display_name(file)}: expected {_KIND}, got JSON without shapes, and without images"
            " and annotations; choose another file"
        )
    is_panoptic = any(isinstance(row, dict) and "segments_info" in row for row in rows)
    return PanopticMaps(file) if is_panoptic else CocoInstances(file)


def _place(names: Sequence[str], wanted: str, file: Path) -> int:
    """Return which of the photos is meant.

    Raises:
        DataError: If it is none of them, or there are several of its file name.
    """
    if wanted in names:
        return names.index(wanted)
    last = PurePosixPath(wanted).name
    alike = [place for place, name in enumerate(names) if PurePosixPath(name).name == last]
    if len(alike) == 1:
        return alike[0]
    shown = ", ".join(display_name(name) for name in names[:3]) + (", …" if len(names) > 3 else "")
    what = f"{len(alike)} of its file name" if alike else f"those of {shown or 'none'}"
    raise DataError(
        f"{display_name(file)}: expected annotations of {display_name(wanted)}, got {what};"
        " rename the photo or the entry"
    )


def fitting(found: Segmentation, photo: Sized, file: Path) -> list[tuple[str, Rle]]:
    """Return name and mask of each object of a segmentation; crowd regions are left out.

    Raises:
        DataError: If it is of another size than the photo; names the file.
    """
    if tuple(found.size) != tuple(photo.size):
        (height, width), (own_height, own_width) = photo.size, found.size
        raise DataError(
            f"{display_name(file)}: annotations of {display_name(photo.name)} must be of its size,"
            f" {width} x {height}, got {own_width} x {own_height}; use those made for it"
        )
    return [(one.category, dict(one.rle)) for one in found.segments if not one.is_crowd]


def _from_picture(file: Path, photo: Sized, max_pixels: int) -> list[tuple[str, Rle]]:
    if file.suffix.lower() in {".png", ".bmp", ".tif", ".tiff"}:
        labels = read_labels(file, max_pixels=max_pixels)
        values = np.unique(labels)
        if 2 <= np.count_nonzero(values) <= MOST_LABELS:
            size = (labels.shape[0], labels.shape[1])
            if size != tuple(photo.size):
                raise DataError(
                    f"{display_name(file)}: labels of {display_name(photo.name)} must be as large"
                    f" as it, {photo.size[1]} x {photo.size[0]}, got {size[1]} x {size[0]}"
                )
            codes = rle.encode_labels(labels)
            return [(f"Label {value}", code) for value, code in codes.items() if value]
    mask = read_mask(file, photo.size, max_pixels=max_pixels)
    if not mask.any():
        raise DataError(f"{display_name(file)}: a mask must be white on the object, got no object")
    return [(file.stem, rle.encode(mask))]
