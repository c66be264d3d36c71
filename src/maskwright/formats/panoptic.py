"""COCO's panoptic format: a JSON file, and a PNG per photo whose colours are segments.

Kirillov et al., "Panoptic Segmentation", CVPR 2019, arXiv:1801.00868; a pixel's segment is
r + 256 g + 65536 b, 0 is void. ADE20K and Cityscapes are distributed in it, too.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt8

from maskwright.errors import DataError, ImageError, UsageError
from maskwright.formats.annotated import (
    Annotated,
    annotated,
    classes_for,
    photo_id,
    photo_of,
    segment_from,
    segmentation_from,
    stems_of,
    tell_left_out,
)
from maskwright.formats.categories import categories_of, rows_of
from maskwright.formats.coco import described
from maskwright.formats.label_map import segment_ids
from maskwright.formats.text import Json, objects_in, read_object, whole_number, write_json
from maskwright.image.labels import read_panoptic as read_ids
from maskwright.image.publish import check_target
from maskwright.image.source import display_name
from maskwright.image.write import write_image
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment

_KIND = "COCO's panoptic JSON"


def write_panoptic(
    file: str | os.PathLike[str],
    items: Iterable[Annotated],
    *,
    maps: str | os.PathLike[str] | None = None,
    classes: ClassList | None = None,
    overwrite: bool = False,
) -> None:
    """Write one JSON file and a PNG for each photo; nothing is lost.

    Args:
        file: Path of the JSON.
        items: Photos and panoptic or semantic segmentations, all with the same categories.
        maps: Folder of the PNG files; if None, that of the JSON's name without suffix.
        classes: Numbers, colours and kinds to write; if None, the numbers are 1, 2, ….
        overwrite: Whether files may be replaced.

    Raises:
        UsageError: If categories differ, there is no photo, or segments are instances, which may
            overlap.
        OutputError: If a file exists and may not be replaced, or cannot be written.
    """
    found = list(items)
    known = classes_for(found, classes)
    folder = Path(file).with_suffix("") if maps is None else Path(maps)
    names = [f"{stem}.png" for stem in stems_of([item.name for item in found])]
    for item in found:
        if item.segmentation.task == "instance":
            raise UsageError(
                f"{display_name(item.name)}: a panoptic map needs segments that do not overlap,"
                " got instances; write COCO's instances, or segment with task='panoptic'"
            )
    for target in (file, *(folder / name for name in names)):
        check_target(target, overwrite=overwrite)
    images, annotations = [], []
    for number, (item, name) in enumerate(zip(found, names, strict=True), start=1):
        height, width = item.segmentation.size
        images.append({"id": number, "file_name": item.name, "height": height, "width": width})
        rows = [{"id": s.id} | described(s, known) for s in item.segmentation.segments]
        annotations.append({"image_id": number, "file_name": name, "segments_info": rows})
        colours = _as_colours(segment_ids(item.segmentation))
        write_image(folder / name, colours, overwrite=overwrite)
    content = {"images": images, "annotations": annotations, "categories": rows_of(known)}
    write_json(file, content, overwrite=overwrite)


class PanopticMaps:
    """A panoptic JSON file and its PNG files, which are read photo by photo.

    Args:
        file: `panoptic_val2017.json`, or another of this format.
        maps: Folder of the PNG files; if None, that of the JSON's name without suffix.
        classes: The classes wanted, found by name; None takes the file's. They must be given for
            a file without categories, such as one of predictions.
        is_lenient: Whether segments without a pixel are left out, with a warning, and not refused:
            published sets have some, which others hide.

    Raises:
        DataError: If the file is cut off or of another format; names the row.
    """

    def __init__(
        self,
        file: str | os.PathLike[str],
        *,
        maps: str | os.PathLike[str] | None = None,
        classes: ClassList | None = None,
        is_lenient: bool = False,
    ) -> None:
        self.name, self.is_lenient = display_name(file), is_lenient
        self.maps = Path(file).with_suffix("") if maps is None else Path(maps)
        content: Json = {"images": []} | read_object(file, _KIND, ("annotations",))
        self._categories = categories_of(content, classes, self.name)
        self.classes = self._categories.classes
        self._rows: list[Json] = content["annotations"]
        self._images: dict[int | str, tuple[int, Json]] = {}
        for at, row in enumerate(objects_in(content, "images", self.name)):
            where = f"{self.name}: images[{at}]"
            image_id = photo_id(row, "id", where)
            if image_id in self._images:
                raise DataError(f"{where}: id must be in the file once, got {image_id!r} twice")
            self._images[image_id] = at, row
        for index, row in enumerate(self._rows):
            self._check(row, f"{self.name}: annotations[{index}]")

    def _check(self, row: Json, where: str) -> None:
        segments = row.get("segments_info")
        if not isinstance(segments, list) or not all(isinstance(one, dict) for one in segments):
            raise DataError(f"{where}: segments_info must be a list of objects; use {_KIND}")
        if not isinstance(row.get("file_name"), str):
            raise DataError(f"{where}: file_name must be the name of a PNG file, got none")
        if self._images and photo_id(row, "image_id", where) not in self._images:
            raise DataError(
                f"{where}: image_id must be one of the images, got {row.get('image_id')!r}"
            )

    def __len__(self) -> int:
        return len(self._rows)

    def photo(self, index: int) -> str:
        """Return the name of a photo; of its map, where the file does not list photos.

        Raises:
            DataError: If it has none.
        """
        return self._photo(index)[0]

    def map_file(self, index: int) -> Path:
        """Return the PNG file of a photo."""
        return self.maps / str(self._rows[index]["file_name"])

    def _photo(self, index: int) -> tuple[str, tuple[int, int] | None]:
        row = self._rows[index]
        if not self._images:
            return str(row["file_name"]), None
        at, image = self._images[row["image_id"]]
        return photo_of(image, f"{self.name}: images[{at}]")

    def __getitem__(self, index: int) -> Annotated:
        if not 0 <= index < len(self):
            raise IndexError(index)
        row, where = self._rows[index], f"{self.name}: annotations[{index}]"
        name, size = self._photo(index)
        ids = _ids(self.map_file(index), where)
        shown = display_name(self.map_file(index))
        if size is not None and ids.shape != size:
            raise DataError(
                f"{shown}: a map must be as large as its photo, {size[1]} x {size[0]},"
                f" got {ids.shape[1]} x {ids.shape[0]}; use the one made for this photo"
            )
        codes = rle.encode_labels(ids)
        codes.pop(0, None)
        segments: list[Segment] = []
        for info in row["segments_info"]:
            there = f"{shown}: segment {info.get('id')!r} of {self.name}"
            category = self._categories.index(info, there)
            code = codes.pop(whole_number(info, "id", there, 1), None)
            if code is None and self.is_lenient:
                tell_left_out(self.name, there)
                continue
            if code is None:
                raise DataError(
                    f"{there}: a segment must have one pixel or more of its own in the map, got"
                    " none; remove it from segments_info, or its double"
                )
            number = len(segments) + 1
            segments.append(
                segment_from(info, number, category, code=code, classes=self.classes, where=there)
            )
        if codes:
            raise DataError(
                f"{shown}: every segment must be in segments_info of {self.name},"
                f" got {sorted(codes)[0]}, which is not; add it or paint it black"
            )
        found = segmentation_from(
            segments,
            (ids.shape[0], ids.shape[1]),
            task="panoptic",
            classes=self.classes,
            where=where,
        )
        return annotated(name, found, where)


def read_panoptic(
    file: str | os.PathLike[str],
    *,
    maps: str | os.PathLike[str] | None = None,
    classes: ClassList | None = None,
) -> list[Annotated]:
    """Return all photos of a panoptic file with their segments.

    Args:
        file: Path of the JSON.
        maps: As for `PanopticMaps`.
        classes: As for `PanopticMaps`.

    Raises:
        DataError: If a file is damaged, or a segment is; names both.
    """
    found = PanopticMaps(file, maps=maps, classes=classes)
    return [found[index] for index in range(len(found))]


def _as_colours(ids: Int32[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)


def _ids(file: Path, where: str) -> Int32[np.ndarray, "h w"]:
    try:
        return read_ids(file)
    except ImageError as error:
        raise DataError(f"{where}: its map cannot be used: {error}") from error
