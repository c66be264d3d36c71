"""labelme's JSON: one file per photo, objects as polygons or masks with a label.

The format is that of https://github.com/wkentaro/labelme, version 5: a polygon has points (x, y);
shapes of one `group_id` and label are one object; a mask is a PNG beside its corner points.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool

from maskwright.errors import DataError, ImageError, UsageError
from maskwright.formats.annotated import (
    Annotated,
    Loss,
    annotated,
    is_below,
    loss_of,
    refuse_crowds,
    segment_from,
    segmentation_from,
)
from maskwright.formats.text import Json, read_object, whole_number, write_json
from maskwright.image.labels import read_labels
from maskwright.image.polygons import Polygon, mask_from_polygons, polygons_from_mask
from maskwright.image.source import display_name
from maskwright.image.write import write_image
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment

_KIND = "labelme's JSON"
_VERSION = "5.5.0"  # labelme warns where the first number is another


def write_labelme(
    file: str | os.PathLike[str],
    item: Annotated,
    *,
    image_path: str | None = None,
    tolerance: float | int = 0,
    overwrite: bool = False,
) -> list[Loss]:
    """Write the JSON of one photo and return what its polygons lose, worst first.

    An object becomes polygons, one for each part, joined by a `group_id`; one with holes, which
    labelme's polygons cannot have, becomes a mask. Whether a class is a thing is not written.

    Args:
        file: Its path.
        item: Photo and segmentation, of any task.
        image_path: The photo as seen from the JSON's folder; its name if None.
        tolerance: Of the polygons, in pixels; 0 is exact.
        overwrite: Whether the file may be replaced.

    Raises:
        UsageError: If a segment is a crowd region.
        OutputError: If it exists and may not be replaced, or cannot be written.
    """
    content, losses = as_json(item, image_path=image_path, tolerance=tolerance)
    write_json(file, content, overwrite=overwrite)
    return losses


def as_json(
    item: Annotated, *, image_path: str | None = None, tolerance: float | int = 0
) -> tuple[Json, list[Loss]]:
    """Return the JSON of one photo and what its polygons lose, as `write_labelme` says.

    Raises:
        UsageError: If a segment is a crowd region.
    """
    refuse_crowds([item], "labelme")
    height, width = item.segmentation.size
    losses: list[Loss] = []
    shapes: list[Json] = []
    for segment in item.segmentation.segments:
        polygons = polygons_from_mask(segment.mask(), tolerance)
        if any(polygon.holes for polygon in polygons):
            shapes.append(_mask_shape(segment))
            losses.append(Loss(item.name, segment.id, segment.category, 0.0))
            continue
        losses.append(loss_of(item, segment, polygons))
        group = segment.id if len(polygons) > 1 else None
        shapes += [
            _shape(segment, "polygon", polygon.outer.tolist(), group=group) for polygon in polygons
        ]
    content: Json = {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": item.name if image_path is None else image_path,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    return content, sorted(losses, key=lambda loss: -loss.iou_lost)


def read_labelme(file: str | os.PathLike[str], *, classes: ClassList | None = None) -> Annotated:
    """Return one photo with its objects: polygons, masks, rectangles and circles.

    Args:
        file: Its path.
        classes: The classes; if None, the file's labels in alphabetical order.

    Raises:
        DataError: If the file is damaged, a label is unknown, or a shape has no area; names both.
    """
    content = _content(file)
    return _annotated(content, classes or _labels_of([content], file), display_name(file))


def read_labelme_folder(
    folder: str | os.PathLike[str], *, classes: ClassList | None = None
) -> list[Annotated]:
    """Return the photos of all JSON files of a folder, with the same classes.

    Args:
        folder: Its path.
        classes: The classes; if None, the labels of all files in alphabetical order.

    Raises:
        DataError: As `read_labelme`, or if there is no file.
    """
    files = sorted(Path(folder).glob("*.json"))
    if not files:
        raise DataError(f"{display_name(folder)} must hold labelme's JSON files, got none")
    contents = [_content(file) for file in files]
    known = classes or _labels_of(contents, folder)
    return [
        _annotated(content, known, display_name(file))
        for content, file in zip(contents, files, strict=True)
    ]


def labels_in(files: Iterable[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Return the labels in files, in alphabetical order; a damaged one, as if it had none."""
    labels: set[str] = set()
    for file in files:
        with suppress(DataError):
            labels |= {shape["label"].strip() for shape in _content(file)["shapes"]}
    return tuple(sorted(labels))


def _content(file: str | os.PathLike[str]) -> Json:
    content = read_object(file, _KIND, ("shapes",))
    for index, shape in enumerate(content["shapes"]):
        if not isinstance(shape.get("label"), str) or not shape["label"].strip():
            raise DataError(f"{display_name(file)}: shapes[{index}] must have a label, got none")
    return content


def _labels_of(contents: Iterable[Json], where: str | os.PathLike[str]) -> ClassList:
    labels = sorted({shape["label"].strip() for c in contents for shape in c["shapes"]})
    if not labels:
        raise DataError(f"{display_name(where)}: a label is needed, got none; give the classes")
    return ClassList(tuple(labels))


def _annotated(content: Json, classes: ClassList, name: str) -> Annotated:
    size = (
        whole_number(content, "imageHeight", name, 1),
        whole_number(content, "imageWidth", name, 1),
    )
    if size[0] * size[1] > rle.MOST_PIXELS:
        raise DataError(f"{name}: imageHeight x imageWidth must be a photo's, got {size}")
    groups: dict[Any, list[tuple[str, Json]]] = {}
    for index, shape in enumerate(content["shapes"]):
        group, where = shape.get("group_id"), f"{name}: shapes[{index}] ({shape['label']})"
        if not isinstance(group, int | str | None):
            raise DataError(f"{where}: group_id must be a number or a text, got {group!r}")
        key = (shape["label"], group) if group is not None else index
        groups.setdefault(key, []).append((where, shape))
    segments = []
    for number, shapes in enumerate(groups.values(), start=1):
        where, first = shapes[0]
        try:
            category = classes.find(first["label"])
        except UsageError as error:
            raise DataError(f"{where}: {error}") from error
        mask = np.zeros(size, np.bool_)
        for there, shape in shapes:
            mask |= _drawn(shape, size, there)
        segments.append(
            segment_from(
                first, number, category, code=rle.encode(mask), classes=classes, where=where
            )
        )
    found = segmentation_from(segments, size, task="instance", classes=classes, where=name)
    path = str(content.get("imagePath") or Path(name).with_suffix("").name).replace("\\", "/")
    return annotated(path if is_below(path) else PurePosixPath(path).name, found, name)


def _shape(segment: Segment, kind: str, points: Sequence[Any], *, group: int | None = None) -> Json:
    shape: Json = {
        "label": segment.category,
        "points": points,
        "group_id": group,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": None,
    }
    return shape if segment.score == 1 else shape | {"score": segment.score}


def _mask_shape(segment: Segment) -> Json:
    x0, y0, x1, y1 = segment.box
    stream = BytesIO()
    write_image(stream, segment.mask()[y0:y1, x0:x1], format="png")
    shape = _shape(segment, "mask", [[x0, y0], [x1 - 1, y1 - 1]])
    return shape | {"mask": b64encode(stream.getvalue()).decode("ascii")}


def _drawn(shape: Json, size: tuple[int, int], where: str) -> Bool[np.ndarray, "h w"]:
    kind = shape.get("shape_type") or "polygon"
    points = _points(shape, size, where)
    if kind == "mask":
        return _placed(shape.get("mask"), points, size, where)
    if kind == "circle" and len(points) == 2:
        y, x = np.ogrid[: size[0], : size[1]]
        radius = float(np.hypot(*(points[1] - points[0])))
        return np.hypot(x + 0.5 - points[0, 0], y + 0.5 - points[0, 1]) < radius
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    elif kind not in ("polygon", "rectangle"):  # no set: it may be a list
        raise DataError(
            f"{where}: a shape must have an area (polygon, mask, rectangle, circle), got a {kind}"
            f" of {len(points)} points; draw it as one of these or remove it"
        )
    if len(points) < 3:
        raise DataError(
            f"{where}: a polygon must have three points or more, got {len(points)};"
            " draw it again or remove it"
        )
    return mask_from_polygons([Polygon(points)], size)


def _points(shape: Json, size: tuple[int, int], where: str) -> np.ndarray:
    try:
        points = np.array(shape["points"], np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"an array of shape {points.shape}")
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: points must be a list of [x, y], got something else") from error
    limit = 2 * max(size)
    if not (np.abs(points) <= limit).all():
        raise DataError(
            f"{where}: points must lie on the photo, {size[1]} x {size[0]},"
            f" got {points[~(np.abs(points) <= limit).all(axis=1)][0].tolist()}"
        )
    return points


def _placed(
    code: Any, points: np.ndarray, size: tuple[int, int], where: str
) -> Bool[np.ndarray, "h w"]:
    """Return a mask laid at its first corner."""
    try:
        small = read_labels(b64decode(code, validate=True)) > 0
        left, top = points[0].astype(int).tolist()
    except (TypeError, ValueError, IndexError, ImageError) as error:
        raise DataError(
            f"{where}: a mask must be a PNG in base64 with two corner points, got one that cannot"
            f" be read ({error})"
        ) from error
    mask = np.zeros(size, np.bool_)
    height, width = small.shape
    inside = mask[max(top, 0) : top + height, max(left, 0) : left + width]
    if inside.shape != small.shape:
        raise DataError(
            f"{where}: a mask must lie on the photo, {size[1]} x {size[0]}, got one of"
            f" {width} x {height} at {left}, {top}"
        )
    inside[...] = small
    return mask
