"""Composite data sets on disk: image, alpha, trimap and foreground of known truth, from a seed."""

import hashlib
import json
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import UInt8

from maskwright.data import manifest
from maskwright.data.composition import Sample, composite
from maskwright.data.foreground import Foreground
from maskwright.data.matting import pictures, training_rows
from maskwright.data.procedural import KINDS
from maskwright.data.procedural.draw import SMALLEST_SIDE_PX
from maskwright.data.sources import (
    FolderBackgrounds,
    FolderForegrounds,
    ProceduralBackgrounds,
    ProceduralForegrounds,
)
from maskwright.data.trimaps import random_trimap
from maskwright.errors import MaskwrightError, OutputError, UsageError
from maskwright.image.colour import from_float, to_float
from maskwright.image.io import write_image
from maskwright.image.publish import atomic_write
from maskwright.image.resize import resize

_ROWS = 256  # composited at once
_TOUCHES = 25  # of 255; an edge of the picture with less alpha is one the foreground ends before


@dataclass(frozen=True)
class Settings:
    """What decides every pixel of a data set; two runs with equal settings write equal files.

    Attributes:
        size: Height and width in pixels.
        seed: Of all random draws.
        foregrounds: Folder of colours, or None to draw them.
        alphas: Folder of their alphas, or None.
        backgrounds: Folder of scenes, or None to draw them.
        kinds: What is drawn, if foregrounds are.
    """

    size: tuple[int, int]
    seed: int
    foregrounds: str | None
    alphas: str | None
    backgrounds: str | None
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Synthesis:
    """What a run did.

    Attributes:
        folder: Where the data set is.
        made: Items written by this run.
        skipped: Items that were there already.
        failed: (name, reason) of each item that could not be made.
    """

    folder: Path
    made: int
    skipped: int
    failed: tuple[tuple[str, str], ...]


def synthesize_matting(
    output: Path,
    *,
    count: int,
    size: tuple[int, int] = (640, 640),
    seed: int = 0,
    foregrounds: Path | None = None,
    alphas: Path | None = None,
    backgrounds: Path | None = None,
    kinds: Sequence[str] = tuple(KINDS),
    workers: int = 0,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Synthesis:
    """Write `image/`, `alpha/`, `trimap/`, `fg/` and `manifest.json` below `output`.

    Every file appears whole or not at all. A run that was stopped goes on where it was; a
    finished one with a larger `count` is continued. Item i depends on the settings and i alone.

    Args:
        output: The folder to write; made if it does not exist.
        count: How many items.
        size: Height and width of each, in pixels.
        seed: Of all random draws.
        foregrounds: Folder of colours; None draws foregrounds of the given kinds.
        alphas: Folder of their alphas, of the same stems and sizes; needs `foregrounds`.
        backgrounds: Folder of scenes; None draws them.
        kinds: Keys of `procedural.KINDS`, taking turns.
        workers: Processes that make items; 0 makes them in this one.
        overwrite: Whether a data set of other settings in this folder may be replaced.
        progress: Called with (items finished, count), skipped ones included.

    Returns:
        How many were made and skipped, and which failed.

    Raises:
        UsageError: If the count, size, kinds or folders make no sense together.
        DataError: If foregrounds and alphas do not pair.
        OutputError: If the folder holds something else, or cannot be written.
    """
    settings = _checked(
        count,
        Settings(
            size=(size[0], size[1]),
            seed=seed,
            foregrounds=None if foregrounds is None else str(foregrounds),
            alphas=None if alphas is None else str(alphas),
            backgrounds=None if backgrounds is None else str(backgrounds),
            kinds=tuple(kinds),
        ),
    )
    maker = Maker(settings)  # reads the folders, so that what is missing is said before any work
    plain = json.loads(json.dumps(asdict(settings) | _sources(foregrounds, alphas, backgrounds)))
    there = manifest.begin(output, plain, overwrite=overwrite)
    waiting = [index for index in range(count) if index not in there]
    skipped, failed = count - len(waiting), []
    results = make_all(maker, output, [[index] for index in waiting], workers=workers)
    for done, (index, reason) in enumerate(results, start=skipped + 1):
        if reason is not None:
            failed.append((manifest.item_name(index), reason))
        if progress is not None:
            progress(done, count)
    manifest.finish(output, plain, complete=not failed)
    failed.sort()
    return Synthesis(output, len(waiting) - len(failed), skipped, tuple(failed))


def _sources(*folders: Path | None) -> dict[str, str]:
    """Return a checksum of names and sizes of the pictures in folders: others make another set."""
    given = [sorted(pictures(folder).values()) for folder in folders if folder is not None]
    if not given:
        return {}
    files = [[[file.name, file.stat().st_size] for file in each] for each in given]
    return {"sources": hashlib.sha256(json.dumps(files).encode()).hexdigest()}


@runtime_checkable
class ItemMaker(Protocol):
    """Makes the items of a data set, each from its index alone."""

    @property
    def settings(self) -> Any:
        """What the maker was made of, and another can be in a worker."""

    def make(self, index: int) -> tuple[Mapping[str, np.ndarray | Path], dict[str, Any]]:
        """Return the files of an item, pictures or files to copy, and its record."""


class Maker:
    """Makes the items of a data set, each from its index alone.

    Args:
        settings: Of the data set.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        many = 2**31
        seed, size = settings.seed, settings.size
        self.foregrounds: FolderForegrounds | ProceduralForegrounds
        self.backgrounds: FolderBackgrounds | ProceduralBackgrounds
        if settings.foregrounds and settings.alphas:
            rows = training_rows(Path(settings.foregrounds), Path(settings.alphas))
            self.foregrounds = FolderForegrounds(rows)
        else:
            self.foregrounds = ProceduralForegrounds(many, size, seed=seed, kinds=settings.kinds)
        if settings.backgrounds:
            self.backgrounds = FolderBackgrounds([*pictures(Path(settings.backgrounds)).values()])
        else:
            self.backgrounds = ProceduralBackgrounds(many, size, seed=seed)

    def make(self, index: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the pictures of an item by file, uint8, and its seed and origin."""
        settings = self.settings
        rng = np.random.default_rng([settings.seed, index, 2])
        foreground = self.foregrounds[index % len(self.foregrounds)]
        scenes = self.backgrounds
        scene = int(rng.integers(len(scenes)))
        record = {
            "seed": [settings.seed, index],
            "foreground": self._foreground_name(index),
            "background": f"drawn {scene}",
        }
        if isinstance(scenes, FolderBackgrounds):
            record["background"] = scenes.files[scene].name
        placed = fitted(foreground, settings.size, rng)
        sample = Sample(placed.colour, placed.alpha, covering(scenes[scene], settings.size, rng))
        file = f"{manifest.item_name(index)}.png"
        return {
            f"image/{file}": merged(sample),
            f"alpha/{file}": from_float(placed.alpha, np.uint8),
            f"trimap/{file}": random_trimap(placed.alpha, rng),
            f"fg/{file}": placed.colour,
        }, record

    def _foreground_name(self, index: int) -> str:
        if isinstance(self.foregrounds, FolderForegrounds):
            return self.foregrounds.rows[index % len(self.foregrounds)].name
        return f"drawn {self.foregrounds.kinds[index % len(self.foregrounds.kinds)]}"


def merged(sample: Sample) -> UInt8[np.ndarray, "h w 3"]:
    """Return the composite in 8 bits, made a few rows at a time: floats take much memory."""
    image = np.empty(sample.foreground.shape, np.uint8)
    for top in range(0, len(image), _ROWS):
        at = slice(top, top + _ROWS)
        part = Sample(sample.foreground[at], sample.alpha[at], sample.background[at])
        floats = composite(part).image
        assert floats is not None
        image[at] = from_float(floats / np.float32(255), np.uint8)
    return image


def fitted(foreground: Foreground, size: tuple[int, int], rng: np.random.Generator) -> Foreground:
    """Return the foreground scaled to fit into `size`, somewhere in it, alpha 0 around it.

    Where it touches one edge of its own picture, it keeps touching that edge. Alpha is rounded
    to 8 bits, so that what is written is exactly what was composited.
    """
    height, width = foreground.alpha.shape
    ratio = min(size[0] / height, size[1] / width)
    small = (max(1, round(height * ratio)), max(1, round(width * ratio)))
    alpha = from_float(np.clip(resize(foreground.alpha, small), 0, 1), np.uint8)
    colour = resize(foreground.colour, small)
    top = _offset(alpha.max(axis=1), size[0] - small[0], rng)
    left = _offset(alpha.max(axis=0), size[1] - small[1], rng)
    rest = ((top, size[0] - small[0] - top), (left, size[1] - small[1] - left))
    return Foreground(np.pad(colour, (*rest, (0, 0)), mode="edge"), to_float(np.pad(alpha, rest)))


def _offset(profile: UInt8[np.ndarray, " n"], gap: int, rng: np.random.Generator) -> int:
    at_start, at_end = profile[0] > _TOUCHES, profile[-1] > _TOUCHES
    if at_start != at_end:
        return 0 if at_start else gap
    return int(rng.integers(gap + 1))


def covering(
    scene: UInt8[np.ndarray, "h w 3"], size: tuple[int, int], rng: np.random.Generator
) -> UInt8[np.ndarray, "size_h size_w 3"]:
    """Return the scene scaled to cover `size`, aspect kept, cut at random."""
    ratio = max(size[0] / scene.shape[0], size[1] / scene.shape[1])
    large = (
        max(size[0], round(scene.shape[0] * ratio)),
        max(size[1], round(scene.shape[1] * ratio)),
    )
    scaled = resize(scene, large)
    top, left = (int(rng.integers(have - need + 1)) for have, need in zip(large, size, strict=True))
    return scaled[top : top + size[0], left : left + size[1]]


def _checked(count: int, settings: Settings) -> Settings:
    if count < 1:
        raise UsageError(f"a data set must have one item or more, got a count of {count}")
    if settings.seed < 0:
        raise UsageError(f"a seed must be 0 or more, got {settings.seed}")
    if (settings.foregrounds is None) != (settings.alphas is None):
        raise UsageError(
            "foregrounds and alphas must be given together, got one of them; give both or neither"
        )
    if min(settings.size) < SMALLEST_SIDE_PX:
        raise UsageError(
            f"size must be {SMALLEST_SIDE_PX} or more pixels per side, got {settings.size[0]} x"
            f" {settings.size[1]}; ask for a larger one"
        )
    unknown = [kind for kind in settings.kinds if kind not in KINDS]
    if unknown or not settings.kinds:
        raise UsageError(f"kinds must be of {', '.join(KINDS)}, got {', '.join(unknown) or 'none'}")
    return settings


_MAKER: ItemMaker | None = None  # of a worker process


def make_all(
    maker: ItemMaker, output: Path, groups: Iterable[Sequence[int]], *, workers: int
) -> Iterator[tuple[int, str | None]]:
    """Yield (index, None) as items are done and noted in the manifest, or (index, why not).

    Args:
        maker: Makes an item from its index alone; workers have their own, of its settings.
        output: The folder to write to.
        groups: Indices of items; those of a group are made by one process, one after the other.
        workers: Processes; 0 makes the items in this one.

    Raises:
        OutputError: If nothing can be written, or a worker is killed.
    """
    if workers < 1:
        for group in groups:
            yield from (_make_one(maker, output, index) for index in group)
        return
    start = (type(maker), maker.settings)
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_start_worker, initargs=start
    ) as pool:
        try:
            for future in as_completed([pool.submit(_work, output, group) for group in groups]):
                yield from future.result()
        except BrokenProcessPool as error:
            raise OutputError(
                "a worker process must live until its items are done, got one that was killed,"
                " perhaps for memory; run again with fewer workers, what is finished is kept"
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _start_worker(kind: Callable[[Any], ItemMaker], settings: Any) -> None:
    global _MAKER
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends the pool
    cv2.setNumThreads(0)
    _MAKER = kind(settings)


def _work(output: Path, group: Sequence[int]) -> list[tuple[int, str | None]]:
    assert _MAKER is not None
    return [_make_one(_MAKER, output, index) for index in group]


def _make_one(maker: ItemMaker, output: Path, index: int) -> tuple[int, str | None]:
    try:
        contents, record = maker.make(index)
        for name, content in contents.items():
            _write(output / name, content)
        checksums = {name: manifest.checksum(output / name) for name in contents}
        manifest.note(output, index, record | {"sha256": checksums})
    except OutputError:
        raise  # nothing can be written any more: not the fault of this item
    except MaskwrightError as error:
        return index, str(error)
    return index, None


def _write(file: Path, content: Path | UInt8[np.ndarray, "h w *c"]) -> None:
    if isinstance(content, np.ndarray):
        write_image(file, content, overwrite=True)
        return
    with atomic_write(file, overwrite=True) as stream, content.open("rb") as source:
        shutil.copyfileobj(source, stream)
