"""A margin on a coarse grid as mask or probability of every pixel, without wide maps of floats.

Between samples the margin is interpolated bilinearly, as the official InterFormer code does; the
mask is where it is above 0. Between two rows of equal sign all rows have that sign, so that only
the pixels along edges are interpolated at all.
"""

import numpy as np
from jaxtyping import Bool, Float32, Int
from scipy.special import expit

STRIDE_PX = 4  # of the grid
STRIP_PX = 256  # rows of probabilities that are made at once

Size = tuple[int, int]


def enlarged_mask(
    margin: Float32[np.ndarray, "rows columns"], size: Size, *, seen: Size
) -> Bool[np.ndarray, "h w"]:
    """Return where the margin is above 0.

    Args:
        margin: Samples at the centres of cells of 4 x 4 pixels of what the network saw; both
            sides are 2 or more.
        size: Height and width of the mask.
        seen: Height and width of what the network saw, without what filled it up.
    """
    upper, share = _between(size[0], seen[0], len(margin))
    wide = _widened(margin, size[1], seen[1])
    is_above = wide > 0
    mask = np.empty(size, np.bool_)
    starts = np.flatnonzero(np.diff(upper, prepend=-1))
    for start, end in zip(starts, [*starts[1:], size[0]], strict=True):
        row = upper[start]
        mask[start:end] = is_above[row]
        mixed = np.flatnonzero(is_above[row] != is_above[row + 1])
        if len(mixed):
            part = share[start:end, None]
            between = wide[row, mixed] * (1 - part) + wide[row + 1, mixed] * part
            mask[start:end, mixed] = between > 0
    return mask


def enlarged_probability(
    margin: Float32[np.ndarray, "rows columns"], size: Size, *, seen: Size
) -> Float32[np.ndarray, "h w"]:
    """Return 1 / (1 + exp(-margin)) of every pixel; arguments as for `enlarged_mask`."""
    upper, share = _between(size[0], seen[0], len(margin))
    wide = _widened(margin, size[1], seen[1])
    probability = np.empty(size, np.float32)
    for start in range(0, size[0], STRIP_PX):
        rows = slice(start, start + STRIP_PX)
        part = share[rows, None]
        strip = wide[upper[rows]] * (1 - part)
        strip += wide[upper[rows] + 1] * part
        expit(strip, out=probability[rows])
    return probability


def _widened(
    margin: Float32[np.ndarray, "rows columns"], width: int, seen: int
) -> Float32[np.ndarray, "rows w"]:
    left, share = _between(width, seen, margin.shape[1])
    wide = margin[:, left] * (1 - share)
    wide += margin[:, left + 1] * share
    return wide


def _between(
    length: int, seen: int, samples: int
) -> tuple[Int[np.ndarray, " pixel"], Float32[np.ndarray, " pixel"]]:
    """Return the sample before each pixel's centre, and the share of the one after it."""
    at = (np.arange(length) + 0.5) * (seen / length / STRIDE_PX) - 0.5
    at = np.clip(at, 0, samples - 1)
    before = np.minimum(at.astype(np.int64), samples - 2)
    return before, (at - before).astype(np.float32)
