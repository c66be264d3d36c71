"""COCO's instance JSON: objects of photos as run lengths or polygons.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, arXiv:1405.0312; the format
is described at https://cocodataset.org/#format-data. LVIS and COCO stuff share it.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from maskwright.errors import DataError
from maskwright.formats.annotated import (
    Annotated,
    Loss,
    annotated,
    classes_for,
    loss_of,
    photo_id,
    photo_of,
    segment_from,
    segmentation_from,
    tell_left_out,
)
from maskwright.formats.categories import categories_of, rows_of
from maskwright.formats.text import Json, read_object, write_json
from maskwright.image.polygons import Polygon, joined, polygons_from_mask
from maskwright.image.publish import check_target
from maskwright.image.source import display_name
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment

_KIND = "COCO's JSON"
_LEAST_NUMBERS = 6  # of a polygon: three points


def write_coco(
    file: str | os.PathLike[str],
    items: Iterable[Annotated],
    *,
    classes: ClassList | None = None,
    as_polygons: bool = False,
    tolerance: float | int = 0,
    overwrite: bool = False,
) -> list[Loss]:
    """Write one JSON file and return what its polygons lose, worst first; nothing as run lengths.

    Args:
        file: Its path.
        items: Photos and segmentations of any task, all with the same categories.
        classes: Numbers, colours and kinds to write; if None, the numbers are 1, 2, ….
        as_polygons: Write polygons, for tools that know no run lengths. Holes are joined to the
            outline by a bridge of no width; a crowd stays a run length, as in COCO's files.
        tolerance: Of the polygons, in pixels; 0 is exact.
        overwrite: Whether the file may be replaced.

    Raises:
        UsageError: If categories differ, or there is no photo.
        OutputError: If it exists and may not be replaced, or cannot be written.
    """
    found = list(items)
    known = classes_for(found, classes)
    check_target(file, overwrite=overwrite)
    losses: list[Loss] = []
    images: list[Json] = []
    annotations: list[Json] = []
    for image_id, item in enumerate(found, start=1):
        height, width = item.segmentation.size
        images.append({"id": image_id, "file_name": item.name, "height": height, "width": width})
        for segment in item.segmentation.segments:
            code: Any = dict(segment.rle)
            if as_polygons and not segment.is_crowd:
                polygons = polygons_from_mask(segment.mask(), tolerance)
                code = [_numbers(polygon) for polygon in polygons]
                losses.append(loss_of(item, segment, polygons))
            row = {"id": len(annotations) + 1, "image_id": image_id, "segmentation": code}
            annotations.append(row | described(segment, known))
    content = {"images": images, "annotations": annotations, "categories": rows_of(known)}
    write_json(file, content, overwrite=overwrite)
    return sorted(losses, key=lambda loss: -loss.iou_lost)


def described(segment: Segment, classes: ClassList) -> Json:
    """Return what COCO's files say of a segment beside its mask; `bbox` is x, y, width, height."""
    x0, y0, x1, y1 = segment.box
    return {
        "category_id": classes.numbers[segment.category_id],
        "area": segment.area,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": int(segment.is_crowd),
        "score": segment.score,
    }


class CocoInstances:
    """A COCO file, its objects decoded photo by photo.

    Args:
        file: `instances_val2017.json`, a file of LVIS or COCO stuff, or one of one's own.
        classes: The classes wanted, found by name; None takes the file's.
        is_lenient: Whether polygons of less than three points and objects without a pixel are left
            out, with a warning, and not refused: COCO's own files have some.

    Raises:
        DataError: If the file is cut off or is not COCO's; names the row.
    """

    def __init__(
        self,
        file: str | os.PathLike[str],
        *,
        classes: ClassList | None = None,
        is_lenient: bool = False,
    ) -> None:
        self.name, self.is_lenient = display_name(file), is_lenient
        content = read_object(file, _KIND, ("images", "annotations"))
        self._categories = categories_of(content, classes, self.name)
        self.classes = self._categories.classes
        self._images: dict[int | str, Json] = {}
        for index, row in enumerate(content["images"]):
            where = f"{self.name}: images[{index}]"
            image_id = photo_id(row, "id", where)
            if image_id in self._images:
                raise DataError(f"{where}: id must be in the file once, got {image_id} twice")
            self._images[image_id] = row
        self._rows: dict[int | str, list[Json]] = {image_id: [] for image_id in self._images}
        for index, row in enumerate(content["annotations"]):
            where = f"{self.name}: annotations[{index}]"
            image_id = photo_id(row, "image_id", where)
            if image_id not in self._rows:
                raise DataError(f"{where}: image_id must be one of the images, got {image_id}")
            self._rows[image_id].append(row | {"_index": index})
        self._ids = list(self._images)

    def __len__(self) -> int:
        return len(self._ids)

    def photo(self, index: int) -> str:
        """Return the name of a photo.

        Raises:
            DataError: If it has none.
        """
        return photo_of(self._images[self._ids[index]], f"{self.name}: images[{index}]")[0]

    def __getitem__(self, index: int) -> Annotated:
        if not 0 <= index < len(self):
            raise IndexError(index)
        where = f"{self.name}: images[{index}]"
        image_id = self._ids[index]
        name, size = photo_of(self._images[image_id], where)
        if size is None:
            raise DataError(f"{where}: {name} must have height and width, got neither")
        segments: list[Segment] = []
        for row in self._rows[image_id]:
            number = row.get("id", row["_index"])
            there = f"{self.name}: annotation {number} of {display_name(name)}"
            category = self._categories.index(row, there)
            drawn = row.get("segmentation")
            if self.is_lenient and isinstance(drawn, list):
                drawn = [p for p in drawn if not isinstance(p, list) or len(p) >= _LEAST_NUMBERS]
            is_nothing = self.is_lenient and drawn == []
            code = {} if is_nothing else _code(drawn, size, there)
            if is_nothing or (self.is_lenient and not rle.area(code)):
                tell_left_out(self.name, there)
                continue
            segments.append(
                segment_from(
                    row,
                    len(segments) + 1,
                    category,
                    code=code,
                    classes=self.classes,
                    where=there,
                )
            )
        found = segmentation_from(
            segments, size, task="instance", classes=self.classes, where=where
        )
        return annotated(name, found, where)


def read_coco(file: str | os.PathLike[str], *, classes: ClassList | None = None) -> list[Annotated]:
    """Return all photos of a COCO file with their objects, those without any included.

    Args:
        file: Its path.
        classes: As for `CocoInstances`.

    Raises:
        DataError: If the file is damaged, or an object is; names both.
    """
    found = CocoInstances(file, classes=classes)
    return [found[index] for index in range(len(found))]


def _numbers(polygon: Polygon) -> list[float | int]:
    """Return x, y, x, y, … of one ring, whole numbers as such."""
    return [int(n) if n.is_integer() else n for n in joined([polygon]).ravel().tolist()]


def _code(segmentation: Any, size: tuple[int, int], where: str) -> Mapping[str, Any]:
    """Return the run lengths of polygons or of a run-length code."""
    if isinstance(segmentation, Mapping):
        if segmentation.get("size") != list(size):
            raise DataError(
                f"{where}: its mask must be as large as its photo, {list(size)},"
                f" got {segmentation.get('size')}; use the annotations of this photo"
            )
        return segmentation
    if not isinstance(segmentation, list) or not segmentation:
        raise DataError(
            f"{where}: segmentation must be a run-length code or polygons, got {segmentation!r};"
            " draw it or remove the object"
        )
    for number, polygon in enumerate(segmentation):
        _check_polygon(polygon, size, f"{where}: polygon {number}")
    from pycocotools import mask as coco

    code: Mapping[str, Any] = coco.merge(coco.frPyObjects(segmentation, *size))
    return code


def _check_polygon(polygon: Any, size: tuple[int, int], where: str) -> None:
    is_list = isinstance(polygon, list)
    if not is_list or not all(isinstance(n, int | float) for n in polygon) or len(polygon) % 2:
        raise DataError(f"{where} must be a list x, y, x, y, … of numbers, got something else")
    if len(polygon) < _LEAST_NUMBERS:
        raise DataError(
            f"{where} must have three points or more, got {len(polygon) // 2};"
            " draw it again or remove it"
        )
    height, width = size
    limits = ((-width, 2 * width), (-height, 2 * height))
    for axis, (low, high) in enumerate(limits):
        # COCO's own code walks along every line: one that ends far away would take for ever.
        outside = [n for n in polygon[axis::2] if not low <= n <= high]
        if outside:
            raise DataError(
                f"{where} must lie on its photo, {width} x {height}, got the coordinate"
                f" {outside[0]}; use pixels, and the annotations of this photo"
            )
