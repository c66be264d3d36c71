"""Photos in memory with the objects known in them, as the small click network learns from them.

An object is a set of labels of one of the photo's maps: a region of BSDS, a person, a garment, a
horse, an instance of COCO, a part of a car. Photos are shrunk once, when they are read, and kept
at three sizes, for what takes time otherwise is to shrink them at every step.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int32, UInt8
from scipy.ndimage import find_objects

from maskwright.data.sources import read_colour
from maskwright.data.splits import Split, sequence_of, split_photos
from maskwright.errors import DataError
from maskwright.image.io import read_header
from maskwright.image.labels import read_labels
from maskwright.image.polygons import Polygon, mask_from_polygons
from maskwright.image.resize import resize
from maskwright.image.source import display_name

LEAST_SHARE = 0.004  # of the photo; what is smaller is no object
MOST_SHARE = 0.9
MOST_LABELS = 255
Map = UInt8[np.ndarray, "h w"]
Maps = list[Int32[np.ndarray, "h w"]]


@dataclass(frozen=True)
class Part:
    """An object: some labels of one map, and where they are.

    Attributes:
        map_index: Which map of the photo.
        labels: Its labels that are the object.
        share: Of the photo's pixels.
        box: (left, top, right, bottom) in pixels of the photo, half-open.
    """

    map_index: int
    labels: tuple[int, ...]
    share: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Scene:
    """A photo, its maps and its objects.

    Attributes:
        name: Set and file, for reports.
        levels: The photo, uint8 (h, w, 3), at its size here, half of it and a quarter.
        maps: Label maps, uint8 (h, w); 0 is no object.
        parts: The objects.
        may_join: Whether an object and its neighbour are an object, too, as regions are.
    """

    name: str
    levels: tuple[UInt8[np.ndarray, "_ _ 3"], ...]
    maps: tuple[Map, ...]
    parts: tuple[Part, ...]
    may_join: bool = False

    def mask(self, part: Part) -> Bool[np.ndarray, "h w"]:
        """Return where an object is."""
        found = self.maps[part.map_index]
        if len(part.labels) == 1:
            return found == part.labels[0]
        table = np.zeros(256, np.bool_)
        table[list(part.labels)] = True
        return table[found]


@dataclass(frozen=True)
class SceneSet:
    """A collection of photos with objects, not read yet.

    Attributes:
        name: Of the set.
        files: Its photos, in the part to train on and the part to test on.
        read_maps: Returns the label maps of a photo.
        has_whole: Whether all labels of a map together are an object: a person and his clothes.
        may_join: See `Scene`.
    """

    name: str
    files: Split
    read_maps: Callable[[Path], Maps]
    has_whole: bool = False
    may_join: bool = False

    def scene(
        self, file: Path, *, long_side_px: int | None = None, least_share: float = LEAST_SHARE
    ) -> Scene:
        """Return one photo.

        Args:
            file: One of `files`.
            long_side_px: Photo and maps are shrunk to this; None keeps their size.
            least_share: Smaller objects are left out.

        Raises:
            DataError: If a map has another size than its photo, or too many labels.
            ImageError: If a picture cannot be read.
        """
        image, maps = read_colour(file), self.read_maps(file)
        for found in maps:
            if found.shape != image.shape[:2] or found.max(initial=0) > MOST_LABELS:
                raise DataError(
                    f"{display_name(file)}: a map must be {image.shape[:2]} with labels up to"
                    f" {MOST_LABELS}, got {found.shape} and {found.max(initial=0)}; check the set"
                )
        height, width = image.shape[:2]
        scale = 1.0 if long_side_px is None else min(1.0, long_side_px / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        small = [resize(found.astype(np.uint8), size, kind="nearest") for found in maps]
        parts = [
            part
            for index, found in enumerate(small)
            for part in parts_of(found, index, least_share=least_share, whole=self.has_whole)
        ]
        levels = pyramid(resize(image, size) if scale < 1 else image)
        name = f"{self.name}/{file.stem}"
        return Scene(name, levels, tuple(small), tuple(parts), self.may_join)


def parts_of(
    labels: Map, map_index: int, *, least_share: float = LEAST_SHARE, whole: bool = False
) -> list[Part]:
    """Return the objects of a map: each label, and, if `whole`, all of them together first."""
    counts = np.bincount(labels.ravel(), minlength=MOST_LABELS + 1)
    boxes = {
        label: (at[1].start, at[0].start, at[1].stop, at[0].stop)
        for label, at in enumerate(find_objects(labels), start=1)
        if at is not None
    }
    candidates: list[tuple[tuple[int, ...], int, tuple[int, int, int, int]]]
    candidates = [((label,), int(counts[label]), box) for label, box in boxes.items()]
    if whole and len(boxes) > 1:
        corners = np.array(list(boxes.values()))
        left, top = corners[:, :2].min(axis=0).tolist()
        right, bottom = corners[:, 2:].max(axis=0).tolist()
        around = (left, top, right, bottom)
        candidates.insert(0, (tuple(boxes), int(counts[1:].sum()), around))
    return [
        Part(map_index, chosen, count / labels.size, box)
        for chosen, count, box in candidates
        if least_share <= count / labels.size <= MOST_SHARE
    ]


def pyramid(image: UInt8[np.ndarray, "h w c"]) -> tuple[UInt8[np.ndarray, "_ _ c"], ...]:
    """Return a picture at its size, half of it and a quarter."""
    levels = [image]
    for _ in range(2):
        height, width = ((side + 1) // 2 for side in levels[-1].shape[:2])
        levels.append(resize(levels[-1], (height, width), kind="area"))
    return tuple(levels)


def bsds_scenes(folder: Path) -> SceneSet:
    """Return BSDS500's photos and the regions its annotators drew, each in a map of his own.

    Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", TPAMI 2011.
    """

    def read(file: Path) -> Maps:
        regions = folder / "regions" / file.parent.name
        return [read_labels(found) for found in _some(sorted(regions.glob(f"{file.stem}_a*.png")))]

    files = split_photos(_some(folder.glob("images/*/*.jpg"), folder))
    return SceneSet("bsds500", files, read, may_join=True)


def davis_scenes(folder: Path) -> SceneSet:
    """Return frames of DAVIS 2016 and their one object; films are not torn apart."""
    files = split_photos(_some(folder.glob("images/*.jpg"), folder), group=sequence_of)
    return SceneSet("davis2016", files, _masks(folder / "masks"))


def horse_scenes(folder: Path) -> SceneSet:
    """Return the Weizmann horses."""
    files = split_photos(_some(folder.glob("images/*.jpg"), folder))
    return SceneSet("weizmann_horse", files, _masks(folder / "masks"))


def people_scenes(folder: Path) -> SceneSet:
    """Return people and their clothes, each connected piece with a label of its own.

    Yang, Luo, Lin, "Clothing Co-Parsing by Joint Image Segmentation and Labeling", CVPR 2014.
    """

    def read(file: Path) -> Maps:
        return [_pieces(read_labels(folder / "labels" / f"{file.stem}.png"))]

    files = split_photos(_some(folder.glob("images/*.jpg"), folder))
    return SceneSet("ccp", files, read, has_whole=True)


def yolo_scenes(folder: Path) -> SceneSet:
    """Return photos with a text file of polygons each: a class and points in [0, 1] a line."""

    def read(file: Path) -> Maps:
        size = read_header(file).size
        found = yolo_polygons(folder / "labels" / f"{file.stem}.txt", size)
        return [_laid([[ring] for _, ring in found], size)]

    files = split_photos(_some(folder.glob("images/*.jpg"), folder))
    return SceneSet("coco128", files, read)


def yolo_polygons(
    file: Path, size: tuple[int, int]
) -> list[tuple[int, Float64[np.ndarray, "point 2"]]]:
    """Return class and outline of the objects in a file; none if there is no file.

    Args:
        file: A class and points in [0, 1] a line.
        size: Height and width of the photo, in whose pixels the outlines are.
    """
    lines = file.read_text().splitlines() if file.is_file() else []
    rows = [line.split() for line in lines if line]
    scale = (size[1], size[0])
    return [(int(row[0]), np.array(row[1:], np.float64).reshape(-1, 2) * scale) for row in rows]


def coco_scenes(folder: Path) -> SceneSet:
    """Return photos with one COCO file of polygons: the parts of cars."""
    file = folder / "train/annotations.json"
    if not file.is_file():
        raise DataError(f"{display_name(file)} must be COCO's JSON, got no such file; check it")
    content = json.loads(file.read_bytes())
    names = {row["id"]: row["file_name"] for row in content["images"]}
    objects: dict[str, list[list[list[float]]]] = {}
    for row in content["annotations"]:
        objects.setdefault(names[row["image_id"]], []).append(row["segmentation"])

    def read(photo: Path) -> Maps:
        polygons = [
            [np.asarray(ring, np.float64).reshape(-1, 2) for ring in rings]
            for rings in objects[photo.name]
        ]
        return [_laid(polygons, read_header(photo).size)]

    photos = [folder / "train/JPEGImages" / name for name in objects]
    return SceneSet("car_parts", split_photos(_some(photos, folder)), read)


def _masks(folder: Path) -> Callable[[Path], Maps]:
    def read(file: Path) -> Maps:
        return [(read_labels(folder / f"{file.stem}.png") > 0).astype(np.int32)]

    return read


def _pieces(labels: Int32[np.ndarray, "h w"]) -> Int32[np.ndarray, "h w"]:
    """Return a map in which every connected piece has its own label; the smallest share one."""
    pieces = np.zeros_like(labels)
    number = 0
    for label, at in enumerate(find_objects(labels), start=1):
        if at is None:
            continue
        mask = (labels[at] == label).view(np.uint8)
        count, found, stats, _ = cv2.connectedComponentsWithStats(mask)
        numbers = np.full(count, MOST_LABELS, np.int32)
        numbers[0] = 0
        for piece in np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= LEAST_SHARE * labels.size):
            if piece and number < MOST_LABELS - 1:
                number += 1
                numbers[piece] = number
        pieces[at] += numbers[found]
    return pieces


def _laid(
    objects: Sequence[Sequence[np.ndarray]], size: tuple[int, int]
) -> Int32[np.ndarray, "h w"]:
    """Return a map of polygons, the smaller over the larger: parts lie on what they are part of."""
    masks = [
        mask_from_polygons([Polygon(ring) for ring in rings if len(ring) >= 3], size)
        for rings in objects
    ]
    masks = sorted(masks, key=np.count_nonzero, reverse=True)[:MOST_LABELS]
    labels = np.zeros(size, np.int32)
    for number, mask in enumerate(masks, start=1):
        labels[mask] = number
    return labels


def _some(files: Iterable[Path], folder: Path | None = None) -> list[Path]:
    found = list(files)
    if not found:
        where = display_name(folder) if folder is not None else "a set of regions"
        raise DataError(f"{where} must hold pictures, got none; check the folder")
    return found
