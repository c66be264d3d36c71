"""A click network and the simulated user, on one object or over a data set.

A network is called as users call it: photos it would shrink are shrunk, and masks are compared at
the photo's size. The papers' own scripts differ in this: see `docs/datasets.md`.
"""

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from maskwright.data.clicks import INTERFORMER, Protocol, hold_dialogue
from maskwright.data.interactive import ObjectRow, Truth, read_object
from maskwright.errors import DataError
from maskwright.evaluation.run import Row, row_of
from maskwright.image.io import read_photo
from maskwright.image.source import display_name
from maskwright.inference.click import Answer, Clicker
from maskwright.inference.features import ImageFeatures
from maskwright.metrics.interactive import LIMIT, TARGETS
from maskwright.structures.click import Click


class Answering:
    """Answers all clicks so far, as `data.clicks.hold_dialogue` asks.

    Args:
        clicker: The network.
        features: Of the photo.
        threshold: A pixel belongs to the mask if its probability is above this.

    Attributes:
        seconds: Spent answering so far, from the click to the mask at the photo's size.
    """

    def __init__(
        self, clicker: Clicker, features: ImageFeatures, *, threshold: float = 0.5
    ) -> None:
        self.clicker, self.features, self.threshold = clicker, features, threshold
        self.seconds = 0.0
        self._done: tuple[Click, ...] = ()
        self._last: Answer | None = None

    def __call__(self, clicks: Sequence[Click]) -> Bool[np.ndarray, "h w"]:
        """Return the mask; clicks that were not answered before are answered one by one."""
        started = time.perf_counter()
        clicks = tuple(clicks)
        if clicks[: len(self._done)] != self._done:
            self._done, self._last = (), None
        for click in clicks[len(self._done) :]:
            self._last = self.clicker.answer(self.features, [click], self._last)
        self._done = clicks
        assert self._last is not None
        mask = self._last.mask if self.threshold == 0.5 else self._above_threshold(self._last)
        self.seconds += time.perf_counter() - started
        return mask

    def _above_threshold(self, answer: Answer) -> Bool[np.ndarray, "h w"]:
        return answer.probability > self.threshold


@dataclass(frozen=True)
class Setting:
    """How objects are clicked on.

    Attributes:
        protocol: One of `data.clicks.PROTOCOLS`.
        targets: The IoUs that count; under a protocol that stops, the highest ends a dialogue.
        limit: The most clicks.
    """

    protocol: Protocol = INTERFORMER
    targets: tuple[float, ...] = TARGETS
    limit: int = LIMIT


def score_objects(
    rows: Sequence[ObjectRow], *, clicker: Clicker, setting: Setting
) -> Iterator[Row]:
    """Yield a row for each object, in order, as soon as it is scored.

    Its scores: `image`, the photo's path; `clicks`, "x,y" on the object and "x,y,-" beside it;
    `ious`, after each; `encoding_seconds` of the photo, the same for all objects of it that were
    scored together; `clicking_seconds`.

    Args:
        rows: The objects of a photo one after the other, so that it is encoded once.
        clicker: The network.
        setting: How to click.
    """
    for image, objects in groupby(rows, key=attrgetter("image")):
        encode = cache(partial(_encode, clicker, image))
        for row in objects:
            yield row_of(row.name, partial(_scores, row, encode, clicker, setting))


def by_photo(rows: Sequence[ObjectRow]) -> list[ObjectRow]:
    """Return objects with those of a photo one after the other."""
    return sorted(rows, key=attrgetter("image", "name"))


@dataclass(frozen=True, eq=False)
class _Encoded:
    features: ImageFeatures
    seconds: float


def _encode(clicker: Clicker, image: Path) -> _Encoded:
    photo = read_photo(image)
    started = time.perf_counter()
    features = clicker.encode(photo)
    return _Encoded(features, time.perf_counter() - started)


def _scores(
    row: ObjectRow, encode: Callable[[], _Encoded], clicker: Clicker, setting: Setting
) -> dict[str, Any]:
    truth = read_object(row)
    encoded = encode()
    _check_size(row, truth, encoded.features.size)
    answer = Answering(clicker, encoded.features, threshold=setting.protocol.threshold)
    dialogue = hold_dialogue(
        answer,
        truth.mask,
        protocol=setting.protocol,
        ignored=truth.ignored,
        target=max(setting.targets),
        limit=setting.limit,
        pick=np.random.default_rng(zlib.crc32(row.name.encode())).integers,
    )
    return {
        "image": row.image.as_posix(),
        "clicks": [f"{c.x:g},{c.y:g}{'' if c.positive else ',-'}" for c in dialogue.clicks],
        "ious": list(dialogue.ious),
        "encoding_seconds": encoded.seconds,
        "clicking_seconds": answer.seconds,
    }


def _check_size(row: ObjectRow, truth: Truth, size: tuple[int, int]) -> None:
    if truth.mask.shape != size:
        (height, width), (mask_height, mask_width) = size, truth.mask.shape
        raise DataError(
            f"{display_name(row.mask)}: a mask must be as large as its photo, {width} x {height},"
            f" got {mask_width} x {mask_height}; draw it on the upright photo"
        )
