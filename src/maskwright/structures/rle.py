"""COCO's compressed run-length code of a mask.

Source of the format: the COCO API, https://github.com/cocodataset/cocoapi (Lin et al.,
"Microsoft COCO: Common Objects in Context", ECCV 2014, arXiv:1405.0312). Runs go down the
columns and begin with background; from the fourth run on, the difference to the run two before
is stored; a number is cut into groups of five bits, lowest first, each written as one character.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Int32, Integer

from maskwright.errors import DataError, ShapeError

_FIRST_CHARACTER = 48  # "0"; the six bits of a group reach up to "o"
_MORE, _SIGN = 0x20, 0x10
_GROUPS = 7  # 35 bits hold every difference of two 32-bit runs
MOST_PIXELS = 2**32 - 1  # runs are 32-bit numbers in COCO's own code


def encode(mask: Bool[np.ndarray, "h w"]) -> dict[str, Any]:
    """Return `{"size": [h, w], "counts": str}` for a mask; True is the object."""
    pixels = mask.ravel(order="F")
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    if pixels.size and pixels[0]:
        changes = np.concatenate([[0], changes])
    return from_changes(changes, (mask.shape[0], mask.shape[1]))


def encode_labels(labels: Integer[np.ndarray, "h w"]) -> dict[int, dict[str, Any]]:
    """Return the RLE of every value of a label map, in rising order, in one pass over the pixels.

    Args:
        labels: A number per pixel.
    """
    pixels = labels.ravel(order="F")
    edges = np.concatenate([[0], np.flatnonzero(pixels[1:] != pixels[:-1]) + 1, [pixels.size]])
    found = np.stack([edges[:-1], edges[1:]], axis=1)[: pixels.size]
    values = pixels[found[:, 0]]
    order = np.argsort(values, kind="stable")
    names, firsts = np.unique(values[order], return_index=True)
    size = (labels.shape[0], labels.shape[1])
    groups = np.split(found[order], firsts[1:])
    return {
        value: from_spans(group, size)
        for value, group in zip(names.tolist(), groups, strict=False)  # no value, one empty group
    }


def from_changes(changes: Int[np.ndarray, " change"], size: tuple[int, int]) -> dict[str, Any]:
    """Return the RLE of a mask that begins as background and changes where it is said.

    Args:
        changes: Rising pixel numbers, counted down the columns: the object begins at the first,
            ends before the second, and so on.
        size: Height and width.
    """
    height, width = size
    runs = np.diff(np.concatenate([[0], changes, [height * width]]))
    if len(runs) > 1 and runs[-1] == 0:
        runs = runs[:-1]
    return {"size": [height, width], "counts": _to_text(runs)}


def from_spans(found: Int[np.ndarray, "span 2"], size: tuple[int, int]) -> dict[str, Any]:
    """Return the RLE of spans as `spans` gives them: sorted, not touching, within `size`."""
    return from_changes(found.ravel(), size)


def decode(rle: Mapping[str, Any]) -> Bool[np.ndarray, "h w"]:
    """Return the mask of an RLE, compressed (`counts` str or bytes) or not (a list of runs).

    Raises:
        DataError: If the RLE is damaged or does not cover its size exactly.
    """
    height, width, runs = _checked(rle)
    is_object = np.arange(len(runs)) % 2 == 1
    pixels = np.repeat(is_object, runs)
    return np.ascontiguousarray(pixels.reshape(width, height).T)


def area(rle: Mapping[str, Any]) -> int:
    """Return how many pixels belong to the object, without decoding the mask.

    Raises:
        DataError: If the RLE is damaged or does not cover its size exactly.
    """
    return int(_checked(rle)[2][1::2].sum())


def spans(rle: Mapping[str, Any]) -> Int[np.ndarray, "span 2"]:
    """Return [start, end) of each unbroken run of the object, pixels counted down the columns.

    Raises:
        DataError: If the RLE is damaged or does not cover its size exactly.
    """
    runs = _checked(rle)[2]
    ends = np.cumsum(runs)
    found = np.stack([(ends - runs)[1::2], ends[1::2]], axis=1)
    found = found[found[:, 0] < found[:, 1]]
    if not len(found):
        return found
    is_first = np.concatenate([[True], found[1:, 0] > found[:-1, 1]])
    firsts = np.flatnonzero(is_first)
    lasts = np.concatenate([firsts[1:] - 1, [len(found) - 1]])
    return np.stack([found[firsts, 0], found[lasts, 1]], axis=1)


def paint(
    found: Int[np.ndarray, "span 2"],
    values: Int[np.ndarray, " span"],
    *,
    size: tuple[int, int],
    background: int = 0,
) -> Int32[np.ndarray, "h w"]:
    """Return a map with a value on each span; spans of several masks that do not overlap.

    Args:
        found: As `spans` gives them, in any order.
        values: For each span.
        size: Height and width.
        background: Where no span is.
    """
    height, width = size
    order = np.argsort(found[:, 0], kind="stable")
    edges = np.concatenate([[0], found[order].ravel(), [height * width]])
    painted = np.full(len(edges) - 1, background, np.int32)
    painted[1::2] = values[order]
    pixels = np.repeat(painted, np.diff(edges))
    return np.ascontiguousarray(pixels.reshape(width, height).T)


def box_of_spans(found: Int[np.ndarray, "span 2"], height: int) -> tuple[int, int, int, int]:
    """Return the edges (x0, y0, x1, y1) of the smallest box around the object, half-open.

    Args:
        found: As `spans` gives them, at least one.
        height: Of the mask.

    Raises:
        ShapeError: If there is no span.
    """
    if not len(found):
        raise ShapeError("a box needs an object of one pixel or more, got none; leave it out")
    left, top = np.divmod(found[:, 0], height)
    right, bottom = np.divmod(found[:, 1] - 1, height)
    is_tall = bool((left != right).any())  # such a span leaves a column at the bottom
    rows = (0, height) if is_tall else (int(top.min()), int(bottom.max()) + 1)
    return int(left.min()), rows[0], int(right.max()) + 1, rows[1]


def _checked(rle: Mapping[str, Any]) -> tuple[int, int, Int[np.ndarray, " run"]]:
    try:
        height, width = (int(length) for length in rle["size"])
        counts = rle["counts"]
        runs = _to_runs(counts)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            "an RLE needs 'size' [h, w] and 'counts' (COCO text or a list of runs), got one that"
            f" cannot be read ({type(error).__name__}: {error})"
        ) from error
    total = sum(runs.tolist())
    if not (height >= 0 and width >= 0 and height * width <= MOST_PIXELS):
        raise DataError(f"an RLE's size must be two 32-bit lengths, got {[height, width]}")
    if total != height * width or (runs < 0).any():
        raise DataError(
            f"an RLE of size {[height, width]} must have runs that sum up to {height * width},"
            f" got {total}; the file is damaged"
        )
    return height, width, runs


def _to_text(runs: Int[np.ndarray, " run"]) -> str:
    """Return the compressed counts."""
    numbers = runs.astype(np.int64)
    numbers[3:] -= runs[1:-2]
    groups = (numbers[:, None] >> (5 * np.arange(_GROUPS))) & 0x1F
    # A group is the last one when only copies of its own sign bit are left above it.
    rest = numbers[:, None] >> (5 * np.arange(1, _GROUPS + 1))
    negative = (groups & _SIGN) != 0
    is_last = rest == np.where(negative, -1, 0)
    last = is_last.argmax(axis=1)
    place = np.arange(_GROUPS)
    groups |= np.where(place < last[:, None], _MORE, 0)
    written = groups[place <= last[:, None]]
    return (written + _FIRST_CHARACTER).astype(np.uint8).tobytes().decode("ascii")


def _to_runs(counts: Any) -> Int[np.ndarray, " run"]:
    """Return the runs that `counts` stands for.

    Raises:
        ValueError: If a character or the last number is damaged.
    """
    if not isinstance(counts, str | bytes):
        return np.asarray([int(run) for run in counts], dtype=np.int64)
    text = counts.encode("ascii") if isinstance(counts, str) else counts
    groups = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - _FIRST_CHARACTER
    if ((groups < 0) | (groups >= 2 * _MORE)).any():
        raise ValueError("a character outside '0' to 'o'")
    is_last = (groups & _MORE) == 0
    if groups.size and not is_last[-1]:
        raise ValueError("the last number is cut off")
    ends = np.flatnonzero(is_last)
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    place = np.arange(len(groups)) - np.repeat(starts, ends - starts + 1)
    if (place >= _GROUPS).any():
        raise ValueError("a number has more than 32 bits")
    numbers = _sums(((groups & 0x1F) << (5 * place)), starts)
    negative = (groups[ends] & _SIGN) != 0
    numbers -= np.where(negative, 1 << (5 * (place[ends] + 1)), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    if len(numbers) > 2:
        numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _sums(
    values: Int[np.ndarray, " group"], starts: Int[np.ndarray, " run"]
) -> Int[np.ndarray, " run"]:
    return np.add.reduceat(values, starts) if len(starts) else np.zeros(0, dtype=np.int64)
