"""Trimaps made from true alphas, to test on: no soft pixel is ever called known.

Training may take liberties with its trimaps (see `trimaps.py`); in a test, a hair that the trimap
calls background is an error nobody can avoid. Bands are exact Euclidean distances at full
resolution: eroding 24 megapixels by an ellipse of 180 pixels takes minutes, a distance a second.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from maskwright.data.matting import BenchmarkRow
from maskwright.errors import UsageError
from maskwright.image.colour import from_float, to_float
from maskwright.image.distance import edge_distance
from maskwright.image.io import read_grey
from maskwright.image.trimap import read_trimap

STANDARD_SHARE = 0.01
"""Of the shorter side: how far the standard band reaches to both sides of what is not sure."""
MEMATTE_PX = (1, 29)
"""Sides of the elements that MEMatte's training erodes with, on a picture of 640 pixels."""
MEMATTE_SIDE_PX = 640
JPEG_NOISE = 5
"""Of 255: an alpha this close to 0 or 255 means 0 or 255 where it went through a JPEG."""


def banded_trimap(
    alpha: UInt8[np.ndarray, "h w"], *, foreground_px: float, background_px: float
) -> UInt8[np.ndarray, "h w"]:
    """Return the trimap that keeps a distance from whatever is not sure.

    Args:
        alpha: 255 in the foreground, 0 in the background.
        foreground_px: A pixel is known foreground if it is farther than this from each pixel
            whose alpha is below 255. Distances are between centres; the border is no edge.
        background_px: The same for background and pixels whose alpha is above 0.

    Returns:
        0 background, 128 unknown, 255 foreground.
    """
    trimap = np.full(alpha.shape, 128, np.uint8)
    trimap[_farther(alpha == 255, foreground_px)] = 255
    trimap[_farther(alpha == 0, background_px)] = 0
    return trimap


def snapped(alpha: UInt8[np.ndarray, "h w"], file: Path) -> UInt8[np.ndarray, "h w"]:
    """Return an alpha without the noise of its file: a JPEG's has no exact 0 and 255 near edges."""
    if file.suffix.lower() not in {".jpg", ".jpeg"}:
        return alpha
    alpha = np.where(alpha <= JPEG_NOISE, np.uint8(0), alpha)
    return np.where(alpha >= 255 - JPEG_NOISE, np.uint8(255), alpha)


def standard_trimap(alpha: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Return the trimap for a test set that has none: the same band for everyone.

    Unknown is what is neither 0 nor 255, and what lies within 1 % of the shorter side (at least
    one pixel) of that or of the other side of a hard edge.
    """
    reach = max(1.0, STANDARD_SHARE * min(alpha.shape))
    return banded_trimap(alpha, foreground_px=reach, background_px=reach)


def drawn_trimap(
    alpha: UInt8[np.ndarray, "h w"], rng: np.random.Generator
) -> UInt8[np.ndarray, "h w"]:
    """Return a trimap whose two distances are drawn as MEMatte's training does.

    An element of 1 to 29 pixels on a picture of 640 reaches half as far, (side - 1) / 2, and
    grows with the shorter side; at least one pixel.
    """
    low, high = MEMATTE_PX
    reach = (rng.integers(low, high + 1, 2) - 1) / 2 * min(alpha.shape) / MEMATTE_SIDE_PX
    foreground_px, background_px = np.maximum(reach, 1).tolist()
    return banded_trimap(alpha, foreground_px=foreground_px, background_px=background_px)


def trimap_of(row: BenchmarkRow) -> UInt8[np.ndarray, "h w"]:
    """Return the trimap of a benchmark image: its file, or the standard one of its alpha.

    A JPEG's alpha is `snapped` first.

    Raises:
        ImageError: If a file cannot be read.
        TrimapError: If the file is no trimap of the alpha's size.
    """
    alpha = read_grey(row.alpha)
    if row.trimap is None:
        return standard_trimap(snapped(from_float(to_float(alpha), np.uint8), row.alpha))
    return read_trimap(row.trimap, (alpha.shape[0], alpha.shape[1]), complete=False)


def _farther(inside: Bool[np.ndarray, "h w"], reach_px: float) -> Bool[np.ndarray, "h w"]:
    """Return where `inside` is farther than `reach_px` from all that is not."""
    if reach_px < 0:
        raise UsageError(f"a band must be 0 pixels or wider, got {reach_px:g}")
    if inside.all():  # OpenCV's distance to nothing is not a number to compare with
        return inside
    return (edge_distance(inside) > reach_px) & inside
