"""Photos whose segmentation is known, to train segmenters on and to score them with.

What comes out is the same for all data sets: a `TruthSet`, whose items are a photo's path and a
`Segmentation`, or a label map of classes. `open_truth` finds out what a folder holds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from maskwright.data.matting import NAMED
from maskwright.errors import DataError, UsageError
from maskwright.image.io import read_header
from maskwright.image.source import display_name
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import (
    TASKS,
    Segmentation,
    as_semantic,
    semantic_segmentation,
)

Labels = Int32[np.ndarray, "h w"]


@dataclass(frozen=True)
class GroundTruth:
    """A photo and what is in it.

    Attributes:
        photo: Its path.
        segmentation: Of the set's task.
    """

    photo: Path
    segmentation: Segmentation


@dataclass(frozen=True, eq=False)
class TruthSet:
    """Photos with their segmentations, read one by one.

    Args:
        task: One of "panoptic", "instance", "semantic".
        classes: Of the segmentations.
        photos: Their paths.
        read: Returns what is known of the photo with an index: a segmentation of the task, or of
            one it can be derived from; or a map of classes, 255 where it is void.
        files: Those that the labels of each photo are read from; () where nobody asks.

    Raises:
        DataError: If there is no photo, or one is missing; names the first five.
        UsageError: If the task is unknown.
    """

    task: str
    classes: ClassList
    photos: tuple[Path, ...]
    read: Callable[[int], Segmentation | Labels]
    files: tuple[tuple[Path, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise UsageError(f"a task must be one of {', '.join(TASKS)}, got {self.task!r}")
        if not self.photos:
            raise DataError("a data set must have one photo or more, got none; check the path")
        missing = [display_name(photo) for photo in self.photos if not photo.is_file()]
        refuse(missing, "labels must have a photo, which is missing")

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> GroundTruth:
        """Return a photo's path and its segmentation.

        Raises:
            DataError: If the labels are damaged, or of another size than the photo; names both.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        photo, found = self.photos[index], self.read(index)
        if isinstance(found, np.ndarray):
            found = semantic_segmentation(found, self.classes.names, is_thing=self.classes.is_thing)
        self._check_size(photo, tuple(found.size))
        return GroundTruth(photo, _of_task(found, self.task, photo))

    def labels(self, index: int) -> Labels:
        """Return the class of each pixel of a photo, 255 where it is void.

        Raises:
            DataError: As for an item, and if objects of different classes overlap.
        """
        found = self.read(index)
        if isinstance(found, np.ndarray):
            self._check_size(self.photos[index], found.shape)
            return found
        self._check_size(self.photos[index], tuple(found.size))
        return _of_task(found, "semantic", self.photos[index]).label_map()

    def _check_size(self, photo: Path, size: tuple[int, ...]) -> None:
        expected = read_header(photo).size
        if size != expected:
            turned = " (turned upright)" if size == expected[::-1] else ""
            raise DataError(
                f"{display_name(photo)}: labels must be as large as their photo{turned},"
                f" {expected[1]} x {expected[0]}, got {size[1]} x {size[0]};"
                " use those made for this photo"
            )


def refuse(names: Sequence[str], expected: str) -> None:
    """Raise, naming the first five and the count, unless the list is empty.

    Args:
        names: Of files, as they can be printed.
        expected: What is not so for them.

    Raises:
        DataError: If there is a name.
    """
    if names:
        shown = ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
        raise DataError(f"{expected}, for {len(names)}: {shown}; add, rename or remove them")


def files_by_name(folder: Path, suffixes: Iterable[str], *, ending: str = "") -> dict[str, Path]:
    """Return the files below a folder by name: their path in it without ending and suffix.

    Args:
        folder: Its path.
        suffixes: Which files count; hidden ones do not.
        ending: Of the names that count, such as "_leftImg8bit".

    Raises:
        DataError: If it is no folder, holds none, or two of one name.
    """
    wanted = set(suffixes)
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        is_one = file.suffix.lower() in wanted and not file.name.startswith(".")
        if not is_one or not file.stem.endswith(ending):
            continue
        name = file.relative_to(folder).with_name(file.stem.removesuffix(ending)).as_posix()
        if name in found:
            refuse(
                [display_name(file)], f"a name must belong to one file, not to {found[name]} too"
            )
        found[name] = file
    if not found:
        raise DataError(
            f"{display_name(folder)} must be a folder that holds files"
            f" *{ending}{'|'.join(sorted(wanted))}, got none; check the path"
        )
    return found


def each(files: Iterable[Path]) -> tuple[tuple[Path, ...], ...]:
    """Return a file for each photo as a `TruthSet` has them."""
    return tuple((file,) for file in files)


def paired(
    photos: dict[str, Path], labels: dict[str, Path]
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return photos and their labels, in the same order, sorted by name.

    Args:
        photos: By name.
        labels: By name.

    Raises:
        DataError: If one lacks its partner; names the first five.
    """
    lonely = [display_name(photos[name]) for name in sorted(set(photos) - set(labels))]
    refuse(lonely, "a photo must have labels of its name, which are missing")
    lonely = [display_name(labels[name]) for name in sorted(set(labels) - set(photos))]
    refuse(lonely, "labels must have a photo of their name, which is missing")
    return tuple(photos.values()), tuple(labels[name] for name in photos)


def _of_task(found: Segmentation, task: str, photo: Path) -> Segmentation:
    """Return a segmentation as the task wants it.

    Panoptic ones can be united by class, or be taken as objects that happen not to overlap;
    objects can be united by class if those of different classes do not overlap.
    """
    if found.task == task:
        return found
    where = display_name(photo)
    try:
        if task == "semantic":
            return _united(found) if found.task == "instance" else as_semantic(found)
        if (found.task, task) == ("panoptic", "instance"):
            return _things(found)
        if (found.task, task) == ("instance", "panoptic"):
            return Segmentation(found.size, "panoptic", found.categories, found.segments)
    except UsageError as error:
        raise DataError(f"{where}: {error}") from error
    raise DataError(
        f"{where}: {task} labels must tell objects apart, got {found.task} ones;"
        " use COCO's panoptic or instance files"
    )


def _things(found: Segmentation) -> Segmentation:
    things = [segment for segment in found.segments if segment.is_thing]
    segments = tuple(_numbered(segment, i) for i, segment in enumerate(things, start=1))
    return Segmentation(found.size, "instance", found.categories, segments)


def _united(found: Segmentation) -> Segmentation:
    groups: dict[int, list[Segment]] = {}
    for segment in found.segments:
        groups.setdefault(segment.category_id, []).append(segment)
    segments = []
    for number, category in enumerate(sorted(groups), start=1):
        mask = np.any([segment.mask() for segment in groups[category]], axis=0)
        first = groups[category][0]
        segments.append(
            Segment(number, category, first.category, rle.encode(mask), is_thing=first.is_thing)
        )
    return Segmentation(found.size, "semantic", found.categories, tuple(segments))


def _numbered(segment: Segment, number: int) -> Segment:
    return Segment(
        number,
        segment.category_id,
        segment.category,
        segment.rle,
        is_thing=segment.is_thing,
        score=segment.score,
        is_crowd=segment.is_crowd,
    )
