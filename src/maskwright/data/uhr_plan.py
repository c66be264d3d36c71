"""What a data set of UHR-395's shape consists of: foregrounds, their parts and their scenes.

UHR-395 (Lin et al., "Memory Efficient Matting with Adaptive Token Routing", AAAI 2025,
arXiv:2412.10702) has 395 foregrounds of 11 categories, 4872 x 6017 pixels on average: 355 to train
on, each with 100 scenes and composited on the fly, and 40 to test on, each on 25 scenes. Which
categories those are could not be found out; ours are our own.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np

from maskwright.data.matting import TrainingRow, pictures, training_rows
from maskwright.data.procedural import KINDS
from maskwright.data.splits import ONE_BACKGROUND_IN
from maskwright.errors import DataError
from maskwright.image.source import display_name

GROUP = "group"
CATEGORIES = (*KINDS, GROUP)
"""What is drawn, in turn: ten kinds, and two of them together. Eleven, as UHR-395 has."""
UNNAMED = "unnamed"
COUNT = 395
TEST_SHARE = 40 / 395
BACKGROUNDS = (100, 25)


@dataclass(frozen=True)
class UhrSettings:
    """What decides every pixel of a data set; two runs with equal settings write equal files.

    Attributes:
        count: Foregrounds, of both parts.
        test_share: Of the foregrounds, to test on.
        backgrounds_each: Scenes for each foreground to train on, and for each to test on.
        megapixels: Mean of what is drawn; each has 0.85 to 1.15 times as many.
        format: Of colour pictures: "jpg" or "png". Alphas and trimaps are always PNG.
        seed: Of all random draws.
        foregrounds: Folder of colours, perhaps with a folder for each category; None draws them.
        alphas: Folder of their alphas, arranged alike; or None.
        backgrounds: Folder of scenes, or None to draw them.
        categories: CSV (name, category) or JSON {name: category}; or None.
        sources: Checksum of the names in the folders: other files make another data set.
    """

    count: int
    test_share: float
    backgrounds_each: tuple[int, int]
    megapixels: float
    format: str
    seed: int
    foregrounds: str | None
    alphas: str | None
    backgrounds: str | None
    categories: str | None
    sources: str = ""


@dataclass(frozen=True)
class Thing:
    """A foreground.

    Attributes:
        name: Stem of its files.
        category: What it is.
        row: Its files, or None if it is drawn.
        number: Decides what is drawn.
        is_test: Whether it is tested on, and never trained on.
        scenes: The scenes it lies on: positions in the list of its part, or seeds if drawn.
    """

    name: str
    category: str
    row: TrainingRow | None
    number: int
    is_test: bool = False
    scenes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Composite:
    """A test image: the thing on scene `number` of its scenes."""

    thing: Thing
    number: int
    name: str


@dataclass(frozen=True)
class Plan:
    """All there is to make.

    Attributes:
        things: Foregrounds by name.
        items: What is made one by one, training foregrounds first.
        training_scenes: Files of the scenes to train on; empty if they are drawn.
        test_scenes: Files of the scenes to test on, none of which is trained on.
        sources: Checksum of all names.
    """

    things: tuple[Thing, ...]
    items: tuple[Thing | Composite, ...]
    training_scenes: tuple[Path, ...]
    test_scenes: tuple[Path, ...]
    sources: str


def make_plan(settings: UhrSettings) -> Plan:
    """Return what the settings ask for; reads names and headers of the folders, no pictures.

    Raises:
        DataError: If files do not pair, lack a category, or are too few.
    """
    things = _read_things(settings) if settings.foregrounds else _drawn_things(settings)
    tested = _tested(things, settings)
    training, test = _split_scenes(settings)
    things = [
        replace(thing, is_test=thing.name in tested)
        for thing in sorted(things, key=lambda thing: thing.name)
    ]
    things = _with_scenes(things, settings, scenes=(len(training), len(test)))
    width = max(2, len(str(settings.backgrounds_each[1] - 1)))
    composites = [
        Composite(thing, k, f"{thing.name}_{k:0{width}d}")
        for thing in things
        if thing.is_test
        for k in range(len(thing.scenes))
    ]
    names = [f"{thing.name} {thing.category}" for thing in things]
    names += [scene.name for scene in (*training, *test)]
    return Plan(
        things=tuple(things),
        items=(*(thing for thing in things if not thing.is_test), *composites),
        training_scenes=training,
        test_scenes=test,
        sources=sha256("\n".join(names).encode()).hexdigest(),
    )


def _drawn_things(settings: UhrSettings) -> list[Thing]:
    kinds = [CATEGORIES[number % len(CATEGORIES)] for number in range(settings.count)]
    return [Thing(f"{kind}_{number:04d}", kind, None, number) for number, kind in enumerate(kinds)]


def _read_things(settings: UhrSettings) -> list[Thing]:
    assert settings.foregrounds and settings.alphas
    rows = _rows_by_category(Path(settings.foregrounds), Path(settings.alphas))
    pairs = sorted(
        ((row, category) for category, found in rows.items() for row in found),
        key=lambda pair: pair[0].name,
    )
    twice = [row.name for (row, _), (other, _) in pairwise(pairs) if row.name == other.name]
    if twice:
        raise DataError(
            f"a name must belong to one foreground over all categories, not so for {len(twice)}:"
            f" {_first(twice)}; rename them"
        )
    if settings.count > len(pairs):
        raise DataError(
            f"{settings.count} foregrounds were asked for, {display_name(settings.foregrounds)}"
            f" has {len(pairs)}; ask for fewer, or for all of them without --count"
        )
    if settings.categories:
        pairs = _recategorised(pairs, _read_categories(Path(settings.categories)))
    pairs = pairs[: settings.count or None]
    return [Thing(row.name, category, row, at) for at, (row, category) in enumerate(pairs)]


def _rows_by_category(foregrounds: Path, alphas: Path) -> Mapping[str, Sequence[TrainingRow]]:
    """Return the pairs of files by sub-folder; without sub-folders all are `UNNAMED`."""
    folders = []
    if foregrounds.is_dir():
        folders = [f for f in sorted(foregrounds.iterdir()) if f.is_dir() and f.name[0] != "."]
    if not folders:
        return {UNNAMED: training_rows(foregrounds, alphas)}
    loose = [file.name for file in sorted(foregrounds.iterdir()) if file.is_file()]
    if loose:
        raise DataError(
            f"{display_name(foregrounds)} must hold pictures or a folder for each category, got"
            f" both: {_first(loose)} beside {folders[0].name}; move one of them"
        )
    return {folder.name: training_rows(folder, alphas / folder.name) for folder in folders}


def _read_categories(file: Path) -> dict[str, str]:
    """Return the category of each name in a CSV or JSON file."""
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix.lower() == ".json":
            rows = list(json.loads(text).items())
        else:
            rows = [(row[0], row[1]) for row in csv.reader(text.splitlines()) if row]
    except (OSError, ValueError, AttributeError, IndexError) as error:
        raise DataError(
            f"{display_name(file)} must be a CSV of name, category or a JSON object of them, got"
            f" something else ({' '.join(str(error).split())}); correct it"
        ) from error
    return {str(name).strip(): str(category).strip() for name, category in rows}


def _recategorised(
    pairs: Iterable[tuple[TrainingRow, str]], categories: Mapping[str, str]
) -> list[tuple[TrainingRow, str]]:
    pairs = list(pairs)
    lacking = [row.name for row, _ in pairs if not categories.get(row.name)]
    if lacking:
        raise DataError(
            f"every foreground must have a category, not so for {len(lacking)}: {_first(lacking)};"
            " add them to the file of categories"
        )
    return [(row, categories[row.name]) for row, _ in pairs]


def _tested(things: Sequence[Thing], settings: UhrSettings) -> set[str]:
    """Return the names to test on: the share asked for, of each category as nearly as may be."""
    if len(things) < 2:
        raise DataError(
            f"a data set must have two foregrounds or more, to train and to test on, got"
            f" {len(things)}; add some"
        )
    by_category = defaultdict(list)
    for thing in sorted(things, key=lambda thing: _rank(thing.name, settings.seed)):
        by_category[thing.category].append(thing.name)
    places = [
        ((place + 0.5) / len(names), _rank(name, settings.seed), name)
        for names in by_category.values()
        for place, name in enumerate(names)
    ]
    count = min(max(1, round(settings.test_share * len(things))), len(things) - 1)
    return {name for _, _, name in sorted(places)[:count]}


def _split_scenes(settings: UhrSettings) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the scenes to train on and, one in six, those to test on."""
    if settings.backgrounds is None:
        return (), ()
    files = pictures(Path(settings.backgrounds))
    if len(files) < 2:
        raise DataError(
            f"{display_name(settings.backgrounds)} must hold two scenes or more, for training and"
            f" test share none, got {len(files)}; add some"
        )
    ranked = sorted(files, key=lambda name: _rank(name, settings.seed))
    count = max(1, round(len(ranked) / ONE_BACKGROUND_IN))
    return (
        tuple(files[name] for name in sorted(ranked[count:])),
        tuple(files[name] for name in sorted(ranked[:count])),
    )


def _with_scenes(
    things: Sequence[Thing], settings: UhrSettings, *, scenes: tuple[int, int]
) -> list[Thing]:
    """Return the things with their scenes: drawn ones all different, files as seldom as may be.

    What is trained on is numbered first, so that pair i of training lies on drawn scene i.
    """
    done, given = 0, []
    for thing in sorted(things, key=lambda thing: thing.is_test):
        count, available = settings.backgrounds_each[thing.is_test], scenes[thing.is_test]
        chosen = range(done, done + count)
        done += count
        if available:
            rng = np.random.default_rng([settings.seed, *_rank(thing.name, settings.seed)[:8]])
            rounds = [rng.permutation(available) for _ in range(0, count, available)]
            chosen = np.concatenate(rounds)[:count].tolist()
        given.append(replace(thing, scenes=tuple(chosen)))
    return sorted(given, key=lambda thing: thing.name)


def _rank(name: str, seed: int) -> bytes:
    """Return what orders names at random, the same for ever."""
    return sha256(f"{seed}/{name}".encode()).digest()


def _first(names: Sequence[str], count: int = 5) -> str:
    return ", ".join(display_name(name) for name in names[:count]) + (
        ", …" if len(names) > count else ""
    )
