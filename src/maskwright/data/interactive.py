"""Objects to click on: photos and masks in folders, in the packagings that are in use.

Folders are those in which GrabCut (Rother et al., SIGGRAPH 2004), Berkeley (McGuinness and
O'Connor, 2010), DAVIS (Perazzi et al., CVPR 2016; 345 frames of it) and SBD (Hariharan et al.,
ICCV 2011) are distributed: by their authors, with RITM, and with FocusCut, which other papers
take over. Scores differ between packagings of one name, so reports say which was read.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32

from maskwright.data.matting import NAMED
from maskwright.errors import DataError, ImageError, UsageError
from maskwright.image.io import read_header
from maskwright.image.labels import read_labels
from maskwright.image.source import SUFFIXES, display_name

_MATLAB = ".mat"
_NUMBERED = re.compile(r"(.+?)(?:#|[-_])\d+$")  # of several objects of a photo


@dataclass(frozen=True)
class Layout:
    """Where a data set keeps what; of several folder names the first that exists counts.

    Attributes:
        images: Photos.
        masks: Masks, or MATLAB files with the instances of a photo each.
        below: Folders below the root that may hold the two.
        every_label: Whether all labels but 0 are the object, as in DAVIS's coloured masks; else
            only what `read_object` describes is taken.
        list_names: Text files that name the part to test on, one name a line; the first counts.
    """

    images: tuple[str, ...]
    masks: tuple[str, ...]
    below: tuple[str, ...] = ()
    every_label: bool = False
    list_names: tuple[str, ...] = ("list/val.txt",)


LAYOUTS = {
    "grabcut": Layout(("data_GT", "img", "images"), ("boundary_GT", "gt", "masks")),
    "berkeley": Layout(("images", "img"), ("masks", "gt")),
    "davis": Layout(
        ("img", "images", "JPEGImages/480p", "JPEGImages"),
        ("gt", "masks", "Annotations/480p", "Annotations"),
        every_label=True,
    ),
    "sbd": Layout(
        ("img", "images"),
        ("inst", "gt", "masks"),
        below=("dataset", "benchmark_RELEASE/dataset"),
        list_names=("list/val.txt", "val.txt"),
    ),
    "plain": Layout(("images", "image", "img"), ("masks", "mask", "gt")),
}


@dataclass(frozen=True)
class ObjectRow:
    """An object to click on.

    Attributes:
        name: Of the mask, with the number of the instance where a file holds several.
        image: The photo.
        mask: A picture, or a MATLAB file.
        instance: The label of the object in a file of several; None for a mask of its own.
        every_label: See `Layout`.
    """

    name: str
    image: Path
    mask: Path
    instance: int | None = None
    every_label: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """The photo and the mask."""
        return self.image, self.mask


@dataclass(frozen=True, eq=False)
class Truth:
    """Where an object is, and where nobody knows; both bool (h, w)."""

    mask: Bool[np.ndarray, "h w"]
    ignored: Bool[np.ndarray, "h w"] | None = None


def benchmark_objects(
    root: Path, *, layout: str = "plain", checked: bool = True
) -> tuple[ObjectRow, ...]:
    """Return the objects of a data set, sorted by name; see `object_rows`.

    Args:
        root: Of the data set.
        layout: One of `LAYOUTS`.
        checked: See `object_rows`.

    Raises:
        DataError: If a folder is missing, a listed object is, or as `object_rows` says.
        UsageError: If the layout is unknown.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"a layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    folders = LAYOUTS[layout]
    roots = [root, *(root / name for name in folders.below)]
    images, masks = (_folder(roots, names) for names in (folders.images, folders.masks))
    lists = [at / name for at in roots for name in folders.list_names if (at / name).is_file()]
    names = lists[0].read_text().split() if lists else None
    return object_rows(images, masks, names=names, every_label=folders.every_label, checked=checked)


def object_rows(
    images: Path,
    masks: Path,
    *,
    names: Collection[str] | None = None,
    every_label: bool = False,
    checked: bool = True,
) -> tuple[ObjectRow, ...]:
    """Return the objects of two folders, sorted by name.

    A mask belongs to the photo of its name, whatever the suffix; `cat#001`, `cat_1` and `cat-1`
    to `cat` where there is no photo of their own name. Folders in both are gone through. A
    MATLAB file is read, for it holds an object for each of its instances.

    Args:
        images: Folder of photos.
        masks: Folder of masks.
        names: Of the masks, or the photos, that count; None for all.
        every_label: See `Layout`.
        checked: Whether files that cannot be opened, and other sizes, are refused here; else
            reading the object refuses them, and that object alone.

    Raises:
        DataError: If a folder is missing or empty, a name is there twice or has no mask, a photo
            or a mask lacks its partner, or sizes differ.
        ImageError: If a file cannot be opened.
    """
    photos = _files(images, SUFFIXES)
    found = _files(masks, SUFFIXES | {_MATLAB})
    owners = {name: _owner(name, photos) for name in found}
    if names is not None:
        wanted = set(names)
        known = set(found) | {owner for owner in owners.values() if owner}
        _refuse(sorted(wanted - known), f"a listed name must have a mask in {_shown(masks)}")
        found = {n: file for n, file in found.items() if n in wanted or owners[n] in wanted}
    else:
        lacking = sorted(set(photos) - {owner for owner in owners.values() if owner})
        _refuse(lacking, f"a photo must have a mask of its name in {_shown(masks)}")
    _refuse(
        [name for name in found if owners[name] is None],
        f"a mask must have a photo of its name in {_shown(images)}",
    )
    rows = []
    for name, file in found.items():
        photo = photos[owners[name] or name]
        rows += list(_rows(name, photo, file, every_label=every_label, checked=checked))
    if checked:
        _check_sizes(rows)
    return tuple(rows)


def read_object(row: ObjectRow) -> Truth:
    """Return where the object is.

    A mask of one value beside 0 is the object there, whatever the value. Of three values, 0, 1
    and 255 are background, object and unknown; 0, 128 and 255 background, unknown and object.

    Raises:
        DataError: If the mask has other values, or no object.
        ImageError: If it cannot be read.
    """
    if row.mask.suffix.lower() == _MATLAB:
        labels = read_instances(row.mask)
        return Truth(labels == row.instance)
    return truth_from_labels(
        read_labels(row.mask), display_name(row.mask), every_label=row.every_label
    )


def truth_from_labels(
    labels: Int32[np.ndarray, "h w"], name: str, *, every_label: bool = False
) -> Truth:
    """Return where the object of a mask is; see `read_object`.

    Args:
        labels: The values of the mask.
        name: Of the mask, for messages.
        every_label: Whether all labels but 0 are the object.

    Raises:
        DataError: If the mask has other values, or no object.
    """
    values = np.unique(labels).tolist()
    others = [value for value in values if value != 0]
    if not others:
        raise DataError(
            f"{name}: a mask must have an object, got 0 everywhere; remove it or draw it again"
        )
    if others == [1, 255]:
        return Truth(labels == 1, labels == 255)
    if len(others) == 1 or every_label:
        return Truth(labels != 0)
    if others == [128, 255]:
        return Truth(labels == 255, labels == 128)
    raise DataError(
        f"{name}: a mask must be 0 beside the object and have one value on it (or two: 1 with"
        f" 255, or 255 with 128, where nobody knows), got {len(values)} values"
        f" ({', '.join(map(str, values[:NAMED]))}{', …' if len(values) > NAMED else ''});"
        " write a file for each object (cat#001.png, cat#002.png), without smoothing"
    )


def read_instances(file: Path) -> Int32[np.ndarray, "h w"]:
    """Return the instance of each pixel of an SBD file, 0 for none.

    Raises:
        ImageError: If it is not a MATLAB file of SBD.
    """
    from scipy.io import loadmat

    try:
        content: Any = loadmat(str(file))["GTinst"]
        return np.asarray(content["Segmentation"][0, 0], np.int32)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ImageError(
            f"{display_name(file)}: expected a MATLAB file of SBD with GTinst.Segmentation, got"
            f" one that cannot be read ({reason}); copy it again"
        ) from error


def _rows(
    name: str, photo: Path, file: Path, *, every_label: bool, checked: bool
) -> Iterator[ObjectRow]:
    if file.suffix.lower() != _MATLAB:
        yield ObjectRow(name, photo, file, every_label=every_label)
        return
    try:
        instances = np.unique(read_instances(file)).tolist()
    except ImageError:
        if checked:
            raise
        yield ObjectRow(name, photo, file)  # reading it fails again
        return
    for instance in instances:
        if instance not in {0, 255}:
            yield ObjectRow(f"{name}#{instance:03d}", photo, file, instance)


def _owner(name: str, photos: Collection[str]) -> str | None:
    """Return the photo to which a mask belongs, or None."""
    if name in photos:
        return name
    numbered = _NUMBERED.match(name)
    return numbered[1] if numbered and numbered[1] in photos else None


def _files(folder: Path, suffixes: Collection[str]) -> dict[str, Path]:
    """Return the files below a folder by name: their path in it without the suffix, sorted."""
    if not folder.is_dir():
        raise DataError(f"{_shown(folder)} must be a folder; check the path")
    found: dict[str, Path] = {}
    twice = []
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() not in suffixes or file.name.startswith("."):
            continue
        name = file.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            twice.append(name)
        found[name] = file
    if not found:
        raise DataError(
            f"{_shown(folder)} must hold files ({', '.join(sorted(suffixes))}), got none;"
            " check the path"
        )
    _refuse(twice, f"a name must belong to one file in {_shown(folder)}, whatever the suffix")
    return found


def _folder(roots: Iterable[Path], names: tuple[str, ...]) -> Path:
    roots = list(roots)
    for folder in (root / name for root in roots for name in names):
        if folder.is_dir():
            return folder
    raise DataError(
        f"{_shown(roots[0])} must hold a folder {' or '.join(names)}, got none; check the path and"
        " the layout"
    )


def _check_sizes(rows: Iterable[ObjectRow]) -> None:
    """Refuse masks of another size than their photo, by the headers."""
    wrong = []
    for row in rows:
        if row.instance is not None:
            continue
        (h, w), (mask_h, mask_w) = read_header(row.image).size, read_header(row.mask).size
        if (h, w) != (mask_h, mask_w):
            wrong.append(f"{row.name} ({mask_w} x {mask_h}, its photo {w} x {h})")
    _refuse(wrong, "a mask must be as large as its photo")


def _refuse(names: list[str], expected: str) -> None:
    """Raise, naming the first five and the count, unless the list is empty."""
    if not names:
        return
    shown = ", ".join(display_name(name) for name in names[:NAMED])
    more = ", …" if len(names) > NAMED else ""
    raise DataError(
        f"{expected}, not so for {len(names)}: {shown}{more}; add, rename or remove them"
    )


def _shown(path: Path) -> str:
    return display_name(path)
