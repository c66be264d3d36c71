"""What writers take and readers give: a photo's name and its segmentation."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from maskwright.errors import DataError, UsageError
from maskwright.formats.text import Json, whole_number
from maskwright.image.polygons import Polygon, iou_lost
from maskwright.image.source import display_name
from maskwright.runs.names import output_names
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

log = logging.getLogger(__name__)
_TOLD: set[str] = set()


@dataclass(frozen=True)
class Annotated:
    """A photo's name and what is in it.

    Args:
        name: Path of the photo below the folder of photos, with "/" between its parts.
        segmentation: What is in it.

    Raises:
        UsageError: If the name leads out of the folder.
    """

    name: str
    segmentation: Segmentation

    def __post_init__(self) -> None:
        if not is_below(self.name):
            raise UsageError(
                f"a photo's name must be a path below its folder, got {display_name(self.name)!r};"
                " give it relative to the folder of photos"
            )


def is_below(name: str) -> bool:
    """Say whether a name is a path below its folder, "/" between its parts; on Windows too."""
    path = PurePosixPath(name)
    leads_out = path.is_absolute() or ".." in path.parts or "\\" in name
    return bool(path.name) and not leads_out and not re.match(r"[A-Za-z]:", name)


@dataclass(frozen=True)
class Loss:
    """What a polygon format lost of one object.

    Attributes:
        name: Of the photo.
        segment: The segment's id.
        category: Its class.
        iou_lost: 1 - IoU of what was written and the mask: 0 if nothing is lost.
    """

    name: str
    segment: int
    category: str
    iou_lost: float


def loss_of(item: Annotated, segment: Segment, polygons: Sequence[Polygon]) -> Loss:
    """Return what polygons lose of a segment."""
    lost = iou_lost(polygons, segment.mask())
    return Loss(item.name, segment.id, segment.category, lost)


def classes_for(items: Sequence[Annotated], classes: ClassList | None) -> ClassList:
    """Return the classes to write: those given, or those of the items, numbered from 1 on.

    Raises:
        UsageError: If there is no item, two have one name, or their categories differ.
    """
    if not items:
        raise UsageError("a file of annotations needs one photo or more, got none")
    twice = [name for name, count in Counter(item.name for item in items).items() if count > 1]
    if twice:
        raise UsageError(f"photos must have names of their own, got {twice[0]} twice")
    names = classes.names if classes else items[0].segmentation.categories
    for item in items:
        if item.segmentation.categories != names:
            raise UsageError(
                f"{display_name(item.name)}: its categories must be those of the list"
                f" ({', '.join(names[:3])}, …), got others; write one file for each list"
            )
    return classes or _own_classes(items, names)


def _own_classes(items: Iterable[Annotated], names: tuple[str, ...]) -> ClassList:
    is_thing = [True] * len(names)
    for item in items:
        for segment in item.segmentation.segments:
            is_thing[segment.category_id] = segment.is_thing
    numbers = tuple(range(1, len(names) + 1))
    return ClassList(names, is_thing=tuple(is_thing), numbers=numbers)


def refuse_crowds(items: Iterable[Annotated], format: str) -> None:
    """Refuse segments that cover several objects, for formats that cannot say so.

    Raises:
        UsageError: If there is one; names its photo.
    """
    for item in items:
        for segment in item.segmentation.segments:
            if segment.is_crowd:
                raise UsageError(
                    f"{display_name(item.name)}: segment {segment.id} ({segment.category}) is a"
                    f" crowd region, which {format} cannot hold; leave it out or write COCO"
                )


def stems_of(names: Sequence[str]) -> list[str]:
    """Return names without suffix; those that would share one keep theirs."""
    return [str(stem) for stem in output_names([PurePosixPath(name) for name in names], "")]


def segment_from(
    row: Mapping[str, Any],
    number: int,
    category: int,
    *,
    code: Mapping[str, Any],
    classes: ClassList,
    where: str,
) -> Segment:
    """Return a segment, its score and crowd flag read from a row of JSON.

    Args:
        row: May hold `score` and `iscrowd`.
        number: The segment's id.
        category: Its category id.
        code: Its run lengths.
        classes: Where its name and kind are.
        where: File and object, for messages.

    Raises:
        DataError: If anything is wrong with it.
    """
    crowd, score = row.get("iscrowd", 0), row.get("score", 1.0)
    if crowd not in (0, 1):  # no set: it may be a list
        raise DataError(f"{where}: iscrowd must be 0 or 1, got {crowd!r}")
    if not isinstance(score, int | float):
        raise DataError(f"{where}: score must be a number in [0, 1], got {score!r}")
    try:
        return Segment(
            id=number,
            category_id=category,
            category=classes.names[category],
            rle=code,
            is_thing=classes.is_thing[category],
            score=score,
            is_crowd=bool(crowd),
        )
    except (DataError, UsageError) as error:
        raise DataError(f"{where}: {error}") from error


def photo_of(row: Json, where: str) -> tuple[str, tuple[int, int] | None]:
    """Return name and size of a photo from a row of COCO's `images`; the size may be absent.

    Raises:
        DataError: If the name is missing or leads out of its folder, or the size is none.
    """
    name = row.get("file_name")
    if name is None and isinstance(row.get("coco_url"), str):  # LVIS
        name = "/".join(str(row["coco_url"]).split("/")[-2:])
    if not isinstance(name, str) or not name:
        raise DataError(f"{where}: file_name must be the name of a photo, got {name!r}")
    if "height" not in row and "width" not in row:
        return name.replace("\\", "/"), None
    size = whole_number(row, "height", where, 1), whole_number(row, "width", where, 1)
    return name.replace("\\", "/"), size


def tell_left_out(file: str, where: str) -> None:
    """Warn that an object has no pixel and is left out; only of the first one of a file."""
    if file not in _TOLD:
        _TOLD.add(file)
        log.warning("%s: left out, as all like it, for it has no pixel of its own", where)


def photo_id(row: Json, key: str, where: str) -> int | str:
    """Return the id of a photo: a number, or text as in files of Cityscapes and ADE20K.

    Raises:
        DataError: If it is missing or neither.
    """
    found = row.get(key)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if not isinstance(found, int | str) or isinstance(found, bool):
        raise DataError(f"{where}: {key} must be a number or a text, got {found!r}")
    return found


def annotated(name: str, segmentation: Segmentation, where: str) -> Annotated:
    """Return both together.

    Raises:
        DataError: If the name leads out of its folder.
    """
    try:
        return Annotated(name, segmentation)
    except UsageError as error:
        raise DataError(f"{where}: {error}") from error


def segmentation_from(
    segments: Sequence[Segment], size: tuple[int, int], *, task: str, classes: ClassList, where: str
) -> Segmentation:
    """Return a segmentation of segments read from a file.

    Raises:
        DataError: If they do not fit together; two that overlap are named.
    """
    try:
        return Segmentation(size, task, classes.names, tuple(segments))
    except UsageError as error:
        raise DataError(f"{where}: {error}") from error
