"""Held-out test pictures with exact truth: real foregrounds on real backgrounds, made when needed.

The alphas of the foregrounds were predicted by networks, but a composite's truth is exact by
construction. Neither foreground nor background is trained on; `maskwright.data.splits` says how.
Everything follows from the composite's number, so that two runs score the same pictures.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from maskwright.data.splits import (
    ONE_BACKGROUND_IN,
    TEST_PHOTO,
    split_backgrounds,
    split_foregrounds,
)
from maskwright.data.trimaps import shrunk_trimap
from maskwright.image.io import read_grey, read_photo
from maskwright.image.resize import resize

LONG_SIDE_PX = (720, 880)
BAND_PX = (2, 40)  # off the foreground and off the background; log-uniform: many are narrow
NOISE = (0.0, 4.0)  # standard deviation, of 255
JPEG_QUALITY = (75, 95)
HAZE = 0.02  # alphas this near to 0 or 1 become 0 or 1: predicted ones are nowhere quite flat


@dataclass(frozen=True, eq=False)
class Case:
    """A picture (h, w, 3), its trimap and its true alpha (h, w); `name` says how it was made."""

    name: str
    image: UInt8[np.ndarray, "h w 3"]
    trimap: UInt8[np.ndarray, "h w"]
    alpha: Float[np.ndarray, "h w"]


@dataclass(frozen=True)
class Composites:
    """The held-out files in `data`, and any number of cases made of them.

    Foregrounds and backgrounds take turns, the backgrounds one step on after each round, so that
    a foreground meets another background each time.

    Attributes:
        foregrounds: Files beside a folder of alphas.
        backgrounds: Files.
        enlarged: How many times larger pictures and bands are than `LONG_SIDE_PX`, `BAND_PX`.
    """

    foregrounds: tuple[Path, ...]
    backgrounds: tuple[Path, ...]
    enlarged: float = 1.0

    @classmethod
    def of(cls, data: Path) -> "Composites":
        """Return the held-out parts of the folders `matting_fg_real` and `backgrounds`."""
        foregrounds = split_foregrounds(data / "matting_fg_real/fg").held_out
        backgrounds = list(split_backgrounds(data / "backgrounds").held_out)
        np.random.default_rng(0).shuffle(backgrounds)
        return cls(foregrounds, tuple(backgrounds))

    def describe(self) -> str:
        """Return how the split was made, in one paragraph."""
        names = ", ".join(file.stem for file in self.foregrounds)
        return (
            f"{len(self.foregrounds)} foregrounds ({names}) on {len(self.backgrounds)} backgrounds,"
            f" those of which the CRC-32 of the file name is a multiple of {ONE_BACKGROUND_IN};"
            " neither is in any training set. In the trimaps, sure foreground and sure background"
            f" are each {BAND_PX[0]} to {BAND_PX[1]} px (log-uniform) smaller than in truth."
        )

    def case(self, number: int) -> Case:
        """Return one composite, with a trimap, sensor noise and JPEG artefacts of its own."""
        rng = np.random.default_rng([1, number])
        file = self.foregrounds[number % len(self.foregrounds)]
        turn = number + number // len(self.backgrounds)
        background_file = self.backgrounds[turn % len(self.backgrounds)]
        foreground = read_photo(file).pixels
        alpha = read_grey(file.parents[1] / "alpha" / file.name) / np.float32(255)

        scale = self.enlarged * rng.integers(*LONG_SIDE_PX) / max(alpha.shape)
        size = (round(alpha.shape[0] * scale), round(alpha.shape[1] * scale))
        foreground, alpha = resize(foreground, size), _without_haze(resize(alpha, size))
        if rng.random() < 0.5:
            foreground, alpha = foreground[:, ::-1], np.ascontiguousarray(alpha[:, ::-1])
        background = _cover(read_photo(background_file).pixels, size, rng)

        low, high = np.log(BAND_PX)
        bands = self.enlarged * np.exp(rng.uniform(low, high, 2))
        inner_px, outer_px = np.rint(bands).astype(int).tolist()
        noise, quality = rng.uniform(*NOISE), int(rng.integers(*JPEG_QUALITY))
        image = foreground * alpha[..., None] + background * (1 - alpha[..., None])
        image = image + rng.normal(0, noise, image.shape)
        image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        name = f"{number} {file.stem} on {background_file.stem}, band {inner_px} + {outer_px} px"
        if rng.random() < 0.5:
            image, name = _through_jpeg(image, quality), f"{name}, JPEG {quality}"
        trimap = shrunk_trimap(
            alpha, foreground_px=2 * inner_px + 1, background_px=2 * outer_px + 1
        )
        return Case(name, image, trimap, alpha)


def lemur(data: Path) -> Case:
    """Return the photo of a lemur with its own trimap, whose grey level 102 means unknown."""
    folder = data / "lemur/raw"
    trimap = read_grey(folder / f"{TEST_PHOTO}_trimap.png")
    trimap = np.where(trimap == 102, np.uint8(128), trimap)
    alpha = read_grey(folder / f"{TEST_PHOTO}_alpha.png") / np.float32(255)
    return Case("lemur", read_photo(folder / f"{TEST_PHOTO}.png").pixels, trimap, alpha)


def _without_haze(alpha: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Return the alpha stretched so that haze becomes 0 or 1, in multiples of 1/255."""
    stretched = np.clip((alpha - HAZE) / (1 - 2 * HAZE), 0, 1)
    return np.rint(stretched * 255).astype(np.float32) / np.float32(255)


def _cover(
    background: UInt8[np.ndarray, "rows columns 3"],
    size: tuple[int, int],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a part of the background of this size, as large a part as fits."""
    scale = max(size[0] / background.shape[0], size[1] / background.shape[1])
    height = max(round(background.shape[0] * scale), size[0])
    width = max(round(background.shape[1] * scale), size[1])
    scaled = resize(background, (height, width))
    y = rng.integers(scaled.shape[0] - size[0] + 1)
    x = rng.integers(scaled.shape[1] - size[1] + 1)
    return scaled[y : y + size[0], x : x + size[1]]


def _through_jpeg(image: UInt8[np.ndarray, "h w 3"], quality: int) -> UInt8[np.ndarray, "h w 3"]:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    with Image.open(file) as decoded:
        return np.asarray(decoded)
