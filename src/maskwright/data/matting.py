"""Matting data sets as folders of pictures: which files belong together, checked before use.

Pictures pair by stem, whatever their suffix. Folders are those that Composition-1k (Xu et al.,
CVPR 2017), Distinctions-646 (Qiao et al., CVPR 2020), AIM-500 (Li et al., IJCAI 2021), PPM-100
(Ke et al., AAAI 2022), Transparent-460 (Cai et al., ECCV 2022) and UHR-395 (Lin et al., "Memory
Efficient Matting with Adaptive Token Routing", AAAI 2025; published as UHRIM) are distributed or
customarily prepared with.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from maskwright.errors import DataError, UsageError
from maskwright.image.io import read_header
from maskwright.image.source import SUFFIXES, display_name

NAMED = 5  # files in an error message


@dataclass(frozen=True)
class Layout:
    """Where a data set keeps what; of several folder names the first that exists counts.

    Attributes:
        foregrounds: Colours to train on; their alphas lie in `alphas` too.
        images: Composites or photos to test on.
        trimaps: Their trimaps.
        alphas: Their alphas.
        shares_alpha: Whether the images `cat_0`, `cat_1` … may share the alpha `cat`.
        lacks_trimaps: Whether the data set comes without trimaps, so that the folder may be
            missing and `benchmark_trimaps.trimap_of` makes them.
        training: Folders that hold the training part, if the root itself does not.
        test: Folders that hold the test part, if the root itself does not.
    """

    foregrounds: tuple[str, ...]
    images: tuple[str, ...]
    trimaps: tuple[str, ...]
    alphas: tuple[str, ...]
    shares_alpha: bool = False
    lacks_trimaps: bool = False
    training: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


LAYOUTS = {
    "composition-1k": Layout(
        foregrounds=("fg",),
        images=("merged",),
        trimaps=("trimaps",),
        alphas=("alpha_copy", "alpha"),
        shares_alpha=True,
    ),
    "distinctions-646": Layout(
        foregrounds=("FG", "fg"),
        images=("merged", "Image"),
        trimaps=("trimaps", "Trimap", "trimap"),
        alphas=("alpha_copy", "GT", "alpha"),
        shares_alpha=True,
        training=("Train", "train"),
        test=("Test", "test"),
    ),
    "aim-500": Layout(foregrounds=(), images=("original",), trimaps=("trimap",), alphas=("mask",)),
    "ppm-100": Layout(
        foregrounds=(),
        images=("image",),
        trimaps=("trimap", "trimaps"),
        alphas=("matte",),
        lacks_trimaps=True,
    ),
    "transparent-460": Layout(
        foregrounds=("fg",),
        images=("merged", "image"),
        trimaps=("trimaps", "trimap"),
        alphas=("alpha_copy", "alpha"),
        shares_alpha=True,
        training=("Train", "train"),
        test=("Test", "test"),
    ),
    "uhr-395": Layout(
        foregrounds=("fg",),
        images=("merged",),
        trimaps=("trimaps",),
        alphas=("alpha",),
        training=("train",),
        test=("test",),
    ),
    "plain": Layout(
        foregrounds=("fg",),
        images=("image", "images"),
        trimaps=("trimap", "trimaps"),
        alphas=("alpha", "alphas"),
    ),
}


@dataclass(frozen=True)
class TrainingRow:
    """A foreground to train on: its name, its colours, its alpha."""

    name: str
    foreground: Path
    alpha: Path


@dataclass(frozen=True)
class BenchmarkRow:
    """An image to test on: its name, itself, its trimap if there is one, its alpha."""

    name: str
    image: Path
    trimap: Path | None
    alpha: Path


def training_set(
    root: Path, *, layout: str = "plain", held_out: Collection[str] = ()
) -> tuple[TrainingRow, ...]:
    """Return the foregrounds below `root`, sorted by name; see `training_rows`.

    Args:
        root: Of the data set, or of its training part.
        layout: One of `LAYOUTS`.
        held_out: Stems never to train on.

    Raises:
        DataError: If a folder is missing, or as `training_rows` says.
        UsageError: If the layout is unknown or has no foregrounds.
    """
    folders = _layout(layout)
    if not folders.foregrounds:
        raise UsageError(f"{layout} has no foregrounds to train on; choose another data set")
    root = _part(root, folders.training)
    alphas = [name for name in folders.alphas if name != "alpha_copy"]
    return training_rows(
        _folder(root, folders.foregrounds), _folder(root, alphas), held_out=held_out
    )


def training_rows(
    foregrounds: Path, alphas: Path, *, held_out: Collection[str] = ()
) -> tuple[TrainingRow, ...]:
    """Return the pairs of two folders, sorted by name.

    Args:
        foregrounds: Folder of colours.
        alphas: Folder of alphas of the same stems and sizes.
        held_out: Stems never to train on; each must exist, so that a misspelt one is noticed.

    Raises:
        DataError: If a folder is missing or empty, a stem is there twice or lacks its partner,
            sizes differ, or a held-out stem does not exist.
    """
    colours, mattes = pictures(foregrounds), pictures(alphas)
    _refuse(
        [colours[s] for s in colours if s not in mattes],
        f"a foreground must have an alpha of the same name in {display_name(alphas)}",
    )
    _refuse(
        [mattes[s] for s in mattes if s not in colours],
        f"an alpha must have a foreground of the same name in {display_name(foregrounds)}",
    )
    _refuse(
        sorted(set(held_out) - set(colours)),
        f"a held-out name must be a file in {display_name(foregrounds)}",
    )
    rows = [TrainingRow(s, colours[s], mattes[s]) for s in colours if s not in set(held_out)]
    _check_sizes((row.foreground, row.alpha) for row in rows)
    return tuple(rows)


def benchmark(root: Path, *, layout: str = "plain") -> tuple[BenchmarkRow, ...]:
    """Return the test images below `root`, sorted by name; see `benchmark_rows`.

    Args:
        root: Of the data set, or of its test part.
        layout: One of `LAYOUTS`.

    Raises:
        DataError: If a folder is missing, or as `benchmark_rows` says.
        UsageError: If the layout is unknown.
    """
    folders = _layout(layout)
    root = _part(root, folders.test)
    _refuse_parts(root, folders)
    has_trimaps = any((root / name).is_dir() for name in folders.trimaps)
    return benchmark_rows(
        _folder(root, folders.images),
        trimaps=None
        if folders.lacks_trimaps and not has_trimaps
        else _folder(root, folders.trimaps),
        alphas=_folder(root, folders.alphas),
        shares_alpha=folders.shares_alpha,
    )


def benchmark_rows(
    images: Path, *, trimaps: Path | None, alphas: Path, shares_alpha: bool = False
) -> tuple[BenchmarkRow, ...]:
    """Return the triples of three folders, sorted by name.

    Args:
        images: Folder of images or, to score them, of predicted alphas.
        trimaps: Folder of trimaps of the same stems and sizes; None if there are none.
        alphas: Folder of alphas of the same stems and sizes.
        shares_alpha: Whether an image `cat_7` without an alpha of its own takes `cat`.

    Raises:
        DataError: If a folder is missing or empty, a stem is there twice or lacks a partner, an
            alpha or trimap belongs to no image, or sizes differ.
    """
    photos, mattes = pictures(images), pictures(alphas)
    hints = pictures(trimaps) if trimaps else {}
    owner = {s: _alpha_stem(s, mattes, shares_alpha=shares_alpha) for s in photos}
    here = f"an image of the same name in {display_name(images)}"
    if trimaps:
        _refuse(
            [photos[s] for s in photos if s not in hints],
            f"an image must have a trimap of the same name in {display_name(trimaps)}",
        )
    _refuse(
        [photos[s] for s in photos if owner[s] not in mattes],
        f"an image must have an alpha of the same name in {display_name(alphas)}",
    )
    _refuse([hints[s] for s in hints if s not in photos], f"a trimap must have {here}")
    used = set(owner.values())
    _refuse([mattes[s] for s in mattes if s not in used], f"an alpha must have {here}")
    rows = [BenchmarkRow(s, photos[s], hints.get(s), mattes[owner[s]]) for s in photos]
    _check_sizes(tuple(file for file in (row.image, row.trimap, row.alpha) if file) for row in rows)
    return tuple(rows)


def pictures(folder: Path) -> dict[str, Path]:
    """Return the pictures of a folder by stem, sorted; other and hidden files do not count.

    Raises:
        DataError: If it is no folder, holds no picture, or two pictures of one stem.
    """
    if not folder.is_dir():
        raise DataError(f"{display_name(folder)} must be a folder of pictures; check the path")
    found: dict[str, Path] = {}
    twice = []
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in SUFFIXES or file.name.startswith("."):
            continue
        if file.stem in found:
            twice.append(file)
        found[file.stem] = file
    if not found:
        raise DataError(
            f"{display_name(folder)} must hold pictures ({', '.join(sorted(SUFFIXES))}),"
            " got none; check the path"
        )
    _refuse(twice, "a name must belong to one picture, whatever the suffix")
    return found


def _layout(name: str) -> Layout:
    if name not in LAYOUTS:
        raise UsageError(f"a layout must be one of {', '.join(LAYOUTS)}, got {name!r}")
    return LAYOUTS[name]


def _part(root: Path, names: Iterable[str]) -> Path:
    """Return the part of a data set: a folder of one of the names, or the root itself."""
    return next((root / name for name in names if (root / name).is_dir()), root)


def _refuse_parts(root: Path, folders: Layout) -> None:
    """Say what to do with a test part that consists of foregrounds still to be composited."""
    has_images = any((root / name).is_dir() for name in folders.images)
    if not has_images and any((root / name).is_dir() for name in folders.foregrounds):
        raise DataError(
            f"{display_name(root)} must hold composites in {' or '.join(folders.images)}, got"
            f" foregrounds only; make some with `maskwright synthesize matting`"
        )


def _folder(root: Path, names: Iterable[str]) -> Path:
    candidates = [root / name for name in names]
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise DataError(
        f"{display_name(root)} must hold a folder {' or '.join(f.name for f in candidates)},"
        " got none; check the path and the layout"
    )


def _alpha_stem(stem: str, alphas: Collection[str], *, shares_alpha: bool) -> str:
    if shares_alpha and stem not in alphas:
        return re.sub(r"_\d+$", "", stem)
    return stem


def _check_sizes(rows: Iterable[tuple[Path, ...]]) -> None:
    """Refuse rows whose pictures differ in size, by their headers."""
    wrong = []
    for files in rows:
        sizes = [read_header(file).size for file in files]
        if len(set(sizes)) > 1:
            pairs = zip(files, sizes, strict=True)
            named = (f"{file.parent.name}/{file.name} {w} x {h}" for file, (h, w) in pairs)
            wrong.append(f"({', '.join(named)})")
    _refuse(wrong, "pictures that belong together must have one size")


def _refuse(files: list[Path] | list[str], expected: str) -> None:
    """Raise, naming the first five and the count, unless the list is empty."""
    if not files:
        return
    names = [file.name if isinstance(file, Path) else file for file in files[:NAMED]]
    shown = ", ".join(display_name(name) for name in names)
    more = ", …" if len(files) > NAMED else ""
    raise DataError(
        f"{expected}, not so for {len(files)}: {shown}{more}; add, rename or remove them"
    )
