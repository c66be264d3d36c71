"""Where foregrounds and backgrounds come from: folders, or a seed. All are indexed like lists."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from maskwright.data.foreground import Foreground
from maskwright.data.matting import TrainingRow
from maskwright.data.procedural import KINDS, draw, draw_background
from maskwright.errors import DataError
from maskwright.image.colour import from_float, network_rgb, to_float
from maskwright.image.io import read_grey, read_photo

Item = TypeVar("Item", covariant=True)


@runtime_checkable
class Source(Protocol[Item]):
    """What has a length and gives an item for each index below it."""

    def __len__(self) -> int:
        """Return the number of items."""

    def __getitem__(self, index: int, /) -> Item:
        """Return one item; the same each time."""


class FolderForegrounds:
    """Foregrounds read from files, in sRGB and 8 bit.

    Args:
        rows: From `matting.training_set` or `matting.training_rows`.
    """

    def __init__(self, rows: Sequence[TrainingRow]) -> None:
        self.rows = tuple(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Foreground:
        row = self.rows[index]
        return Foreground(read_colour(row.foreground), to_float(read_grey(row.alpha)))


class FolderBackgrounds:
    """Scenes read from files, in sRGB and 8 bit.

    Args:
        files: Their paths.

    Raises:
        DataError: If there are none.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        if not files:
            raise DataError("backgrounds must be one picture or more, got none; check the folder")
        self.files = tuple(files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "h w 3"]:
        return read_colour(self.files[index])


class ProceduralForegrounds:
    """Foregrounds drawn from a seed; the kinds take turns.

    Args:
        count: How many different ones.
        size: Height and width in pixels.
        seed: Changes them all.
        kinds: Keys of `procedural.KINDS`.
    """

    def __init__(
        self,
        count: int,
        size: tuple[int, int],
        *,
        seed: int = 0,
        kinds: Sequence[str] = tuple(KINDS),
    ) -> None:
        self.count, self.size, self.seed, self.kinds = count, size, seed, tuple(kinds)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Foreground:
        rng = np.random.default_rng([self.seed, index])
        return draw(self.kinds[index % len(self.kinds)], self.size, rng)


class ProceduralBackgrounds:
    """Scenes drawn from a seed.

    Args:
        count: How many different ones.
        size: Height and width in pixels.
        seed: Changes them all.
    """

    def __init__(self, count: int, size: tuple[int, int], *, seed: int = 0) -> None:
        self.count, self.size, self.seed = count, size, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "h w 3"]:
        return draw_background(self.size, np.random.default_rng([self.seed, index, 1]))


def read_colour(file: Path) -> UInt8[np.ndarray, "h w 3"]:
    """Return a photo in sRGB, 8 bit."""
    photo = read_photo(file)
    if photo.pixels.dtype == np.uint8 and photo.icc_profile is None:
        return photo.pixels
    return from_float(network_rgb(photo), np.uint8)
