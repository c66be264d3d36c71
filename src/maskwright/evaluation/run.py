"""Mattes over folders of files: which belong together, and the scores of each.

A model is called as users call it, and its alpha is rounded to 8 bits, as benchmarks expect their
files. One bad item is a row that says so and never the end of the run; averages say how many
images they are made of.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from maskwright.data.benchmark_trimaps import trimap_of
from maskwright.data.matting import BenchmarkRow, benchmark
from maskwright.errors import DataError, MaskwrightError, UsageError
from maskwright.image.colour import from_float, to_float
from maskwright.image.io import read_grey
from maskwright.image.source import SUFFIXES
from maskwright.image.trimap import read_trimap
from maskwright.metrics.matting import connectivity_error, gradient_error, mad, mse, sad
from maskwright.structures.matte import Matte
from maskwright.structures.trimap import Trimap

SCORES = {
    "sad": sad,
    "mse": mse,
    "mad": mad,
    "grad": gradient_error,
    "conn": connectivity_error,
}
MatteFunction = Callable[[Path, Trimap], Matte]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Item:
    """The files of one image.

    Attributes:
        name: The stem they share.
        source: The photo, or the alpha that somebody else predicted for it.
        alpha: The true alpha.
        trimap: The trimap, or None if there is none.
        standard_trimap: Whether a missing trimap is made from the alpha, the same for everyone.
    """

    name: str
    source: Path
    alpha: Path
    trimap: Path | None
    standard_trimap: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """All that there are."""
        return tuple(file for file in (self.source, self.alpha, self.trimap) if file is not None)


@dataclass(frozen=True)
class Row:
    """What became of one item: its scores, as JSON knows them, or why there are none."""

    name: str
    scores: Mapping[str, Any] | None
    error: str = ""


def pair_files(source: Path, alpha: Path, trimap: Path | None) -> list[Item]:
    """Return the items of three folders, sorted by name; files with the same stem belong together.

    Args:
        source: Photos, or predicted alphas.
        alpha: True alphas.
        trimap: Trimaps, or None to go without.

    Raises:
        DataError: If a folder is missing or empty, has two files of one stem, or if the folders
            do not hold the same stems. Averages over what happens to fit would compare nothing.
    """
    folders = [folder for folder in (source, alpha, trimap) if folder is not None]
    files = {folder: _files_by_stem(folder) for folder in folders}
    everything = set[str]().union(*files.values())
    for folder in folders:
        missing = sorted(everything - files[folder].keys())
        if missing:
            raise DataError(
                f"every image needs a file of its name in each folder, {folder} has none for"
                f" {_first(missing)}; add them, or take the others' files away"
            )
    return [
        Item(name, files[source][name], files[alpha][name], trimap and files[trimap][name])
        for name in sorted(everything)
    ]


def published_items(root: Path, *, layout: str) -> list[Item]:
    """Return the items of a published test set, sorted by name; see `data.matting.benchmark`.

    Args:
        root: Of the data set, or of its test part.
        layout: One of `data.matting.LAYOUTS`.

    Raises:
        DataError: If a folder or file is missing; names the first.
        UsageError: If the layout is unknown.
    """
    return [
        Item(row.name, row.image, row.alpha, row.trimap, standard_trimap=row.trimap is None)
        for row in benchmark(root, layout=layout)
    ]


def score_items(
    items: Sequence[Item], *, matte: MatteFunction | None = None, whole_image: bool = False
) -> Iterator[Row]:
    """Yield a row for each item, in order, as soon as it is scored.

    Args:
        items: From `pair_files` or `published_items`.
        matte: Makes the matte of a photo and a trimap, such as `Matter.load(name).matte`; None if
            `source` already is the predicted alpha.
        whole_image: Count every pixel, as is customary on Distinctions-646, not only the unknown.

    Raises:
        UsageError: If there is no trimap where one is needed.
    """
    lacking = any(item.trimap is None and not item.standard_trimap for item in items)
    if lacking and (matte or not whole_image):
        raise UsageError(
            "a trimap is needed to make mattes and to score their unknown pixels, got none;"
            " name a folder of trimaps, or score predictions over the whole image"
        )
    return (row_of(item.name, partial(_scores, item, matte, whole_image)) for item in items)


def row_of(name: str, score: Callable[[], Mapping[str, Any]]) -> Row:
    """Return the row of an item: what `score` returns, or why it cannot."""
    try:
        return Row(name, score())
    except MaskwrightError as error:
        return Row(name, None, str(error))
    except Exception as error:  # a long run must not end with the first surprise, such as no memory
        _log.info("%s could not be scored", name, exc_info=True)
        return Row(name, None, f"{type(error).__name__}: {error}")


def _scores(item: Item, matte: MatteFunction | None, whole_image: bool) -> dict[str, float]:
    alpha = to_float(read_grey(item.alpha))
    trimap = None
    if item.trimap is not None:
        size = alpha.shape[0], alpha.shape[1]
        trimap = read_trimap(item.trimap, size, complete=False)  # glass has no sure foreground
    elif item.standard_trimap:
        trimap = trimap_of(BenchmarkRow(item.name, item.source, None, item.alpha))
    if matte is None:
        prediction = to_float(read_grey(item.source))
    else:
        assert trimap is not None, "score_items has seen to it"
        prediction = _as_8_bit(matte(item.source, Trimap(trimap)))
    counted = None if whole_image else trimap
    return {name: score(prediction, alpha, counted) for name, score in SCORES.items()}


def _as_8_bit(matte: Matte) -> Float32[np.ndarray, "h w"]:
    return to_float(from_float(matte.alpha, np.uint8))


def _files_by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"expected a folder of images, there is none at {folder}; check the path")
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in SUFFIXES or file.name.startswith("."):
            continue
        if file.stem in files:
            raise DataError(
                f"{folder} must hold one file for each image, got {files[file.stem].name} and"
                f" {file.name}; keep one of them"
            )
        files[file.stem] = file
    if not files:
        raise DataError(f"{folder} must hold images, got none ({', '.join(sorted(SUFFIXES))})")
    return files


def _first(names: Sequence[str], count: int = 5) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
