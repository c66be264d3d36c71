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
_EDGES = 1 << 14  # places that edges run through, each as high as a band, looked at at once

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
    for start, end in zip(*_bands(upper), strict=True):
        row = upper[start]
        mask[start:end] = is_above[row]
        mixed = np.flatnonzero(is_above[row] != is_above[row + 1])
        if len(mixed):
            part = share[start:end, None]
            between = wide[row, mixed] * (1 - part) + wide[row + 1, mixed] * part
            mask[start:end, mixed] = between > 0
    return mask


def enlarged_changes(
    margin: Float32[np.ndarray, "rows columns"], size: Size, *, seen: Size
) -> Int[np.ndarray, " change"]:
    """Return where the mask begins and ends, as `rle.from_changes` takes it; the same mask.

    The mask itself is never made: only along edges is any pixel looked at. Arguments as for
    `enlarged_mask`.
    """
    height = size[0]
    upper, share = _between(height, seen[0], len(margin))
    wide = _widened(margin, size[1], seen[1])
    starts, ends = _bands(upper)
    above, below = wide[upper[starts]], wide[upper[starts] + 1]
    first, last = above > 0, above > 0  # row of each band
    band, column = np.nonzero(first != (below > 0))
    steps = np.arange(int((ends - starts).max()))
    found = []
    for few in range(0, len(band), _EDGES):
        at = band[few : few + _EDGES], column[few : few + _EDGES]
        rows = np.minimum(starts[at[0], None] + steps, ends[at[0], None] - 1)
        part = share[rows]
        is_object = above[at][:, None] * (1 - part) + below[at][:, None] * part > 0
        first[at], last[at] = is_object[:, 0], is_object[:, -1]
        edge, step = np.nonzero(is_object[:, 1:] != is_object[:, :-1])
        found.append(at[1][edge] * height + starts[at[0][edge]] + step + 1)
    upper_band, over = np.nonzero(last[:-1] != first[1:])
    found.append(over * height + starts[upper_band + 1])
    bottom = np.append(False, last[-1, :-1])  # of the column before
    found.append(np.flatnonzero(first[0] != bottom) * height)
    return np.sort(np.concatenate(found))


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


def _bands(
    upper: Int[np.ndarray, " pixel"],
) -> tuple[Int[np.ndarray, " band"], Int[np.ndarray, " band"]]:
    """Return first row and end of the bands of pixels that lie between the same two samples."""
    starts = np.flatnonzero(np.diff(upper, prepend=-1))
    return starts, np.append(starts[1:], len(upper))


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
