"""Data sets of very large composites, shaped like UHR-395; see `uhr_plan.py` for its shape.

train/fg and train/alpha hold the foregrounds to train on, train/pairs.json the scenes of each;
test/merged, test/trimaps and test/alpha hold finished test images. Beside them: manifest.json,
categories.json, statistics.json and SHA256SUMS.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from maskwright.data import manifest
from maskwright.data.benchmark_trimaps import drawn_trimap, snapped
from maskwright.data.composition import Sample
from maskwright.data.foreground import Foreground
from maskwright.data.procedural import KINDS, draw
from maskwright.data.procedural.draw import SMALLEST_SIDE_PX
from maskwright.data.sources import (
    FolderForegrounds,
    ProceduralBackgrounds,
    read_colour,
)
from maskwright.data.synthesize import Synthesis, covering, make_all, merged
from maskwright.data.uhr_plan import (
    BACKGROUNDS,
    COUNT,
    GROUP,
    TEST_SHARE,
    Composite,
    Plan,
    Thing,
    UhrSettings,
    make_plan,
)
from maskwright.data.uhr_report import write_reports
from maskwright.errors import UsageError
from maskwright.image.colour import from_float, to_float

_TOGETHER = 5  # test images of one foreground that a worker makes in a row, drawing it once
_ASPECTS = (1.0, 1.25, 4 / 3, 1.5)
_ROWS = 256  # mixed at once
_MOST_MEGAPIXELS = 150  # 1.15 times as many can still be read without asking
Pixels = UInt8[np.ndarray, "h w 3"]
Grey = UInt8[np.ndarray, "h w"]


def synthesize_uhr(
    output: Path,
    *,
    count: int | None = None,
    test_share: float = TEST_SHARE,
    backgrounds_each: tuple[int, int] = BACKGROUNDS,
    megapixels: float = 24.0,
    format: str = "jpg",
    seed: int = 0,
    foregrounds: Path | None = None,
    alphas: Path | None = None,
    backgrounds: Path | None = None,
    categories: Path | None = None,
    workers: int = 0,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Synthesis:
    """Write a data set; every file appears whole or not at all, and a stopped run goes on.

    Args:
        output: The folder to write; made if it does not exist.
        count: How many foregrounds; None takes all files, or draws 395.
        test_share: Of the foregrounds, to test on: more than 0, less than 1.
        backgrounds_each: Scenes for each foreground to train on, and for each to test on.
        megapixels: Mean of what is drawn. Files keep their size.
        format: Of colour pictures: "jpg" (quality 95) or "png".
        seed: Of all random draws.
        foregrounds: Folder of colours, or of one such folder per category; None draws them.
        alphas: Their alphas, arranged and named alike.
        backgrounds: Folder of scenes; None draws them. No scene serves both parts.
        categories: CSV (name, category) or JSON {name: category}.
        workers: Processes that make items; 0 makes them in this one.
        overwrite: Whether a data set of other settings in this folder may be replaced.
        progress: Called with (items finished, items), skipped ones included.

    Returns:
        How many items were made and skipped, and which failed: foregrounds to train on, and test
        images.

    Raises:
        UsageError: If a number, the format or the folders make no sense.
        DataError: If files do not pair, lack a category, or are too few.
        OutputError: If the folder holds something else, or cannot be written.
    """
    settings = _checked(
        UhrSettings(
            count=COUNT if count is None and foregrounds is None else count or 0,
            test_share=test_share,
            backgrounds_each=(backgrounds_each[0], backgrounds_each[1]),
            megapixels=megapixels,
            format=format,
            seed=seed,
            foregrounds=None if foregrounds is None else str(foregrounds),
            alphas=None if alphas is None else str(alphas),
            backgrounds=None if backgrounds is None else str(backgrounds),
            categories=None if categories is None else str(categories),
        ),
        count=count,
    )
    maker = UhrMaker(settings)
    plan = maker.plan
    plain = json.loads(json.dumps(asdict(replace(settings, sources=plan.sources))))
    there = manifest.begin(output, plain, overwrite=overwrite)
    (output / manifest.SUMS).unlink(missing_ok=True)
    waiting = [index for index in range(len(plan.items)) if index not in there]
    total, failed = len(plan.items), []
    results = make_all(maker, output, _groups(plan, waiting), workers=workers)
    for done, (index, reason) in enumerate(results, start=total - len(waiting) + 1):
        if reason is not None:
            failed.append((plan.items[index].name, reason))
        if progress is not None:
            progress(done, total)
    items = manifest.finish(output, plain, complete=not failed)
    extras = write_reports(output, settings, plan=plan, items=items)
    manifest.write_sums(output, items, (*extras, manifest.MANIFEST))
    return Synthesis(
        output, len(waiting) - len(failed), total - len(waiting), tuple(sorted(failed))
    )


class UhrMaker:
    """Makes the foregrounds to train on and the test images, each from its index alone.

    Args:
        settings: Of the data set.
    """

    def __init__(self, settings: UhrSettings) -> None:
        self.settings, self.plan = settings, make_plan(settings)
        self._latest: tuple[Thing, Pixels, Grey] | None = None  # test images come in a row

    def make(self, index: int) -> tuple[Mapping[str, np.ndarray | Path], dict[str, Any]]:
        """Return the files of an item, pictures or files to copy, and its record."""
        item = self.plan.items[index]
        if isinstance(item, Composite):
            return self._composite(item, index)
        return self._training(item)

    def _training(self, thing: Thing) -> tuple[Mapping[str, np.ndarray | Path], dict[str, Any]]:
        colour, alpha = self._foreground(thing)  # files too: a damaged one must not be copied
        record = _record(thing, alpha) | {"part": "train"}
        if thing.row is None:
            return {
                f"train/fg/{thing.name}.{self.settings.format}": colour,
                f"train/alpha/{thing.name}.png": alpha,
            }, record
        files = thing.row.foreground, thing.row.alpha
        return {
            f"train/{folder}/{thing.name}{file.suffix}": file
            for folder, file in zip(("fg", "alpha"), files, strict=True)
        }, record

    def _composite(
        self, item: Composite, index: int
    ) -> tuple[Mapping[str, np.ndarray | Path], dict[str, Any]]:
        rng = np.random.default_rng([self.settings.seed, index, 4])
        colour, alpha = self._foreground(item.thing)
        scene, origin = self._scene(item, (alpha.shape[0], alpha.shape[1]), rng)
        trimap = drawn_trimap(alpha, rng)
        record = _record(item.thing, alpha) | {
            "part": "test",
            "image": item.name,
            "background": origin,
            "unknown": round(float((trimap == 128).mean()), 6),
        }
        return {
            f"test/merged/{item.name}.{self.settings.format}": merged(
                Sample(colour, to_float(alpha), scene)
            ),
            f"test/trimaps/{item.name}.png": trimap,
            f"test/alpha/{item.name}.png": alpha,
        }, record

    def _foreground(self, thing: Thing) -> tuple[Pixels, Grey]:
        """Return colour and alpha of 8 bits; the last one is remembered."""
        if self._latest is None or self._latest[0] != thing:
            self._latest = None  # it must not take memory while the next is drawn
            self._latest = (thing, *self._new_foreground(thing))
        return self._latest[1], self._latest[2]

    def _new_foreground(self, thing: Thing) -> tuple[Pixels, Grey]:
        if thing.row is not None:
            found = FolderForegrounds([thing.row])[0]
            return found.colour, snapped(from_float(found.alpha, np.uint8), thing.row.alpha)
        rng = np.random.default_rng([self.settings.seed, thing.number, 3])
        size = drawn_size(rng, self.settings.megapixels)
        if thing.category != GROUP:
            return _in_8_bits(draw(thing.category, size, rng))
        names = rng.choice([*KINDS], 2, replace=False).tolist()
        front = _in_8_bits(draw(names[0], size, rng))
        return together(front, _in_8_bits(draw(names[1], size, rng)))

    def _scene(
        self, item: Composite, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Pixels, str]:
        scene = item.thing.scenes[item.number]
        if not self.plan.test_scenes:
            drawn = ProceduralBackgrounds(scene + 1, size, seed=self.settings.seed)
            return drawn[scene], f"drawn {scene}"
        file = self.plan.test_scenes[scene]
        return covering(read_colour(file), size, rng), file.name


def drawn_size(rng: np.random.Generator, megapixels: float) -> tuple[int, int]:
    """Return height and width of a picture of 0.85 to 1.15 times the megapixels, upright or not."""
    pixels = megapixels * 1e6 * rng.uniform(0.85, 1.15)
    aspect = _ASPECTS[rng.integers(len(_ASPECTS))]
    long, short = round((pixels * aspect) ** 0.5), round((pixels / aspect) ** 0.5)
    return (long, short) if rng.random() < 0.5 else (short, long)


def together(front: tuple[Pixels, Grey], behind: tuple[Pixels, Grey]) -> tuple[Pixels, Grey]:
    """Return two foregrounds of one size as one: alpha `1 - (1 - a)(1 - b)`, colours weighted."""
    colour, alpha = np.empty_like(front[0]), np.empty_like(front[1])
    for top in range(0, len(alpha), _ROWS):
        at = slice(top, top + _ROWS)
        share = to_float(front[1][at])[..., None]
        rest = (1 - share) * to_float(behind[1][at])[..., None]
        both = share + rest
        weight = np.where(both > 0, share / np.maximum(both, 1e-6), 1)
        mixed = weight * front[0][at] + (1 - weight) * behind[0][at]
        colour[at] = np.rint(mixed)
        alpha[at] = from_float(np.clip(both[..., 0], 0, 1), np.uint8)
    return colour, alpha


def _in_8_bits(foreground: Foreground) -> tuple[Pixels, Grey]:
    return foreground.colour, from_float(foreground.alpha, np.uint8)


def _record(thing: Thing, alpha: Grey) -> dict[str, Any]:
    return {
        "foreground": thing.name,
        "category": thing.category,
        "size": [alpha.shape[0], alpha.shape[1]],
        "soft": round(float(((alpha > 0) & (alpha < 255)).mean()), 6),
    }


def _groups(plan: Plan, waiting: Sequence[int]) -> Iterator[list[int]]:
    """Yield the items in runs of one foreground, the test images first: they take longest."""
    group: list[int] = []
    for index in sorted(waiting, key=lambda index: (isinstance(plan.items[index], Thing), index)):
        if group and not (len(group) < _TOGETHER and _are_alike(plan, group[-1], index)):
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _are_alike(plan: Plan, one: int, other: int) -> bool:
    first, second = plan.items[one], plan.items[other]
    return (
        isinstance(first, Composite)
        and isinstance(second, Composite)
        and first.thing.name == second.thing.name
    )


def _checked(settings: UhrSettings, *, count: int | None) -> UhrSettings:
    if count is not None and count < 2:
        raise UsageError(f"a data set must have two foregrounds or more, got a count of {count}")
    if settings.seed < 0:
        raise UsageError(f"a seed must be 0 or more, got {settings.seed}")
    if not 0 < settings.test_share < 1:
        raise UsageError(
            f"the share to test on must be more than 0 and less than 1, got {settings.test_share:g}"
        )
    if min(settings.backgrounds_each) < 1:
        raise UsageError(
            "every foreground must have a background or more, to train and to test on, got"
            f" {settings.backgrounds_each[0]} and {settings.backgrounds_each[1]}"
        )
    if (settings.foregrounds is None) != (settings.alphas is None):
        raise UsageError(
            "foregrounds and alphas must be given together, got one of them; give both or neither"
        )
    if settings.categories and settings.foregrounds is None:
        raise UsageError("categories belong to foregrounds of your own; give --foregrounds too")
    if settings.format not in {"jpg", "png"}:
        raise UsageError(f"a format must be jpg or png, got {settings.format!r}")
    smallest = SMALLEST_SIDE_PX**2 * max(_ASPECTS) / 0.85 / 1e6
    if not smallest <= settings.megapixels <= _MOST_MEGAPIXELS:
        raise UsageError(
            f"pictures are drawn with {smallest:.4f} to {_MOST_MEGAPIXELS} megapixels, got"
            f" {settings.megapixels:g}"
        )
    return settings
