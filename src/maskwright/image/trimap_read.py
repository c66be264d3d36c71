"""Trimaps that people bring: decoded, translated to 0, 128 and 255, and refused with a reason."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, UInt8
from numpy.typing import NDArray

from maskwright.errors import TrimapError, UsageError
from maskwright.image.colour import from_float
from maskwright.image.io import PhotoSource, read_photo
from maskwright.image.photo import DEFAULT_MAX_PIXELS, Photo
from maskwright.structures.trimap import BACKGROUND, FOREGROUND, UNKNOWN, Trimap

NEARLY_UNKNOWN = (120, 136)
"""The first and the last value, of 255, that is read as unknown."""
_SHOWN = 3  # foreign values in a message


class TrimapWarning(UserWarning):
    """A trimap was read, but not all of its values were exactly 0, 128 or 255."""


def read_trimap(
    source: PhotoSource | Trimap,
    size: tuple[int, int] | None = None,
    *,
    values: Mapping[int, int] | None = None,
    complete: bool = True,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> UInt8[np.ndarray, "h w"]:
    """Return a trimap of exactly 0, 128 and 255.

    Args:
        source: A path, bytes, Pillow image or array of 8, 16 bit (0, 32768 or 32896, 65535) or
            floating point (0, 0.5, 1), grey or with equal channels; or a `Trimap`. Its values
            from 120 to 136 (of 255) count as unknown, with a `TrimapWarning`.
        size: The (height, width) it must have, that of the upright photo; None for any.
        values: What the values of another coding mean, such as {0: 0, 102: 128, 255: 255}.
        complete: Refuse a trimap without background, without unknown, or without foreground.
        max_pixels: A file with more is refused before it is decoded.

    Raises:
        TrimapError: If its size, a value, or what is there is not as expected.
        ImageError: If it cannot be read.
        UsageError: If `values` maps to others than 0, 128 and 255.
    """
    if isinstance(source, Trimap):
        source = source.values
    if isinstance(source, np.ndarray) and source.dtype == np.bool_:
        raise TrimapError(
            "a trimap has three values, got a mask of True and False;"
            " make a trimap of it with trimap_from_mask"
        )
    photo = read_photo(source, max_pixels=max_pixels)
    _check_size(photo.size, size, photo.source)
    trimap = _decoded(photo, values)
    if complete:
        _check_content(trimap, photo.source)
    return trimap


def check_trimap(
    array: NDArray[Any], size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "h w"]:
    """Return the array itself, after checking that it is a complete trimap.

    Raises:
        ShapeError: If it is not (h, w).
        TrimapError: If it is not uint8 of 0, 128 and 255, lacks one of them, or has another size.
    """
    trimap = Trimap(array)
    _check_size(trimap.size, size, "the trimap")
    _check_content(array, "the trimap")
    return array


def _decoded(photo: Photo, values: Mapping[int, int] | None) -> UInt8[np.ndarray, "h w"]:
    """Return a trimap file's meaning, after refusing values without one."""
    name, pixels = photo.source, photo.pixels
    grey = np.ascontiguousarray(pixels[..., 0])
    if not all(np.array_equal(grey, pixels[..., channel]) for channel in (1, 2)):
        raise TrimapError(f"{name}: a trimap must be grey, got a coloured picture; save it as grey")
    if photo.alpha is not None and photo.alpha.min() != photo.alpha.max():
        raise TrimapError(
            f"{name}: a trimap must be grey, got one with transparency that means something;"
            " write what it means as 0, 128 and 255"
        )
    if grey.dtype.kind == "f":
        grey = from_float(grey, np.uint16)
    full = int(np.iinfo(grey.dtype).max)
    meaning, exact = _meanings(full, values)
    counts = np.bincount(grey.ravel(), minlength=full + 1)
    foreign = np.flatnonzero((counts > 0) & (meaning < 0))
    if len(foreign):
        raise TrimapError(f"{name}: {_foreign_values(counts, foreign, photo)}")
    nearly = np.flatnonzero((counts > 0) & ~exact).tolist()
    if nearly:
        warnings.warn(
            f"{name}: unknown is 128 in a trimap, got {counts[nearly].sum()} pixels from"
            f" {_shown(nearly[0], photo)} to {_shown(nearly[-1], photo)};"
            " they are read as unknown",
            TrimapWarning,
            stacklevel=3,
        )
    return meaning.astype(np.uint8)[grey]


def _meanings(
    full: int, values: Mapping[int, int] | None
) -> tuple[Int[np.ndarray, " value"], Bool[np.ndarray, " value"]]:
    """Return what each value from 0 to `full` means, -1 for nothing, and whether it is exact."""
    meaning = np.full(full + 1, -1, np.int16)
    exact = np.ones(full + 1, np.bool_)
    if values is not None:
        known = set(values.values()) <= {BACKGROUND, UNKNOWN, FOREGROUND}
        if not known or not all(0 <= value <= full for value in values):
            raise UsageError(
                f"values must map 0 to {full} to 0, 128 or 255, got {dict(values)}; correct them"
            )
        for value, means in values.items():
            meaning[value] = means
        return meaning, exact
    unit = full // 255
    first, last = (unit * value for value in NEARLY_UNKNOWN)
    meaning[0], meaning[full], meaning[first : last + 1] = BACKGROUND, FOREGROUND, UNKNOWN
    exact[first : last + 1] = False
    exact[UNKNOWN * unit] = True
    if full > 255:
        exact[(full + 1) // 2] = True  # the middle of 16 bit
    return meaning, exact


def _foreign_values(
    counts: Int[np.ndarray, " value"], foreign: Int[np.ndarray, " foreign"], photo: Photo
) -> str:
    """Return the message for values without a meaning: the most frequent ones, and what to do."""
    full = len(counts) - 1
    most = foreign[np.argsort(-counts[foreign], kind="stable")][:_SHOWN].tolist()
    shown = ", ".join(f"{_shown(value, photo)} ({counts[value]} pixels)" for value in most)
    advice = (
        "export it as PNG, without smoothing or lossy compression"
        if np.count_nonzero(counts) > 4
        else "if they are a code, say what they mean: in Python, values={0: 0, 102: 128, 255: 255}"
    )
    return (
        f"a trimap holds only 0 (background), {_shown(128 * full // 255, photo)}"
        f" (unknown) and {_shown(full, photo)} (the object), got {len(foreign)} other"
        f" value{'s' * (len(foreign) > 1)}, most often {shown}; {advice}"
    )


def _shown(value: int, photo: Photo) -> str:
    return f"{value / 65535:.3g}" if photo.pixels.dtype.kind == "f" else str(value)


def _check_size(got: tuple[int, int], expected: tuple[int, int] | None, name: str) -> None:
    if expected is None or got == tuple(expected):
        return
    advice = "scale it without smoothing, or use the one made for this photo"
    if got == tuple(expected)[::-1]:
        advice = "the photo is turned upright as its EXIF says; turn the trimap as well"
    raise TrimapError(
        f"{name}: a trimap must be as large as its photo, {expected[1]} x {expected[0]},"
        f" got {got[1]} x {got[0]}; {advice}"
    )


def _check_content(trimap: UInt8[np.ndarray, "h w"], name: str) -> None:
    counts = np.bincount(trimap.ravel(), minlength=256)
    for value, expected, advice in (
        (UNKNOWN, "grey (128) where matting is to decide", "there is nothing to matte"),
        (FOREGROUND, "white (255) where the object surely is", "mark some of it"),
        (BACKGROUND, "black (0) where the background surely is", "mark some of it"),
    ):
        if not counts[value]:
            raise TrimapError(f"{name}: a trimap needs {expected}, got none; {advice}")
