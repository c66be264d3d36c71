"""How far from the edge of a mask the true edge may lie: the width of a trimap's unknown band.

Everything is in proportion to the object, whose size is the root of its area: a width in pixels
that suits one photo breaks the next. Where the mask is ragged the band is wider, for there is
hair or a mask that is wrong; and where object and background are alike, for masks go wrong there.
"""

import re
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

from maskwright.errors import UsageError
from maskwright.image.colour import to_float

AUTO_SHARE = 0.025
"""Of the object's size: the width at a straight edge between colours that differ."""
AUTO_LEAST_PX = 2.0
MOST_RAGGED = 3.0
"""The factor at which widening by raggedness ends; likeness of colour adds a factor of up to 2."""
_WORK_PX = 5  # the width on the small copy that is looked at
_WORK_SIDE = 1024
_REACH = 2.5  # how far is looked, in widths
_COLOUR_NOISE = 0.03  # differences of colour below this say nothing


def band_px(band: str | int, area: int) -> float:
    """Return the width of the band on each side of an edge, in pixels.

    Args:
        band: Pixels; a share of the object's size, such as "3%"; or "auto".
        area: Pixels of the object.

    Raises:
        UsageError: If `band` is none of these.
    """
    size = area**0.5
    if band == "auto":
        return max(AUTO_LEAST_PX, AUTO_SHARE * size)
    if isinstance(band, str) and re.fullmatch(r"\d+(\.\d+)?%", band) and float(band[:-1]) > 0:
        return max(1.0, float(band[:-1]) / 100 * size)
    if isinstance(band, int) and band >= 1:
        return float(band)
    raise UsageError(
        f'a band must be "auto", pixels from 1, or a share of the object such as "3%", got {band!r}'
    )


def local_band_px(
    inside: Bool[np.ndarray, "h w"], width_px: float, pixels: NDArray[Any] | None = None
) -> Float32[np.ndarray, "h w"]:
    """Return a width for every pixel near the edge, at least `width_px`.

    Args:
        inside: True on the object.
        width_px: The width at a straight edge between colours that differ.
        pixels: The photo, (h, w, 3) of uint8, uint16 or floating point; None if it is not known.
    """
    height, width = inside.shape
    scale = min(1, _WORK_PX / width_px, _WORK_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    sigma = max(1.0, _REACH * width_px * scale)
    factor = _raggedness(inside, size, sigma)
    if pixels is not None:
        small = to_float(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
        share = cv2.resize(inside.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        factor *= 1 + _likeness(share, small, sigma)
    factor *= np.float32(width_px)
    local = cv2.resize(factor, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(local, np.float32)


def _raggedness(
    inside: Bool[np.ndarray, "h w"], size: tuple[int, int], sigma: float
) -> Float32[np.ndarray, "small_h small_w"]:
    """Return the length of edge around the nearby edge, in lengths of a straight one: 1 to 3.

    Hair, leaves and thin parts have much edge in little space.
    """
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    mask = inside.astype(np.uint8)
    edge = mask - cv2.erode(mask, cross, borderType=cv2.BORDER_REPLICATE)
    scale = size[0] / inside.shape[1]
    density = cv2.resize(edge.astype(np.float32), size, interpolation=cv2.INTER_AREA) / scale
    around = cv2.GaussianBlur(density, (0, 0), sigma)
    seen_from_edge = cv2.GaussianBlur(density * around, (0, 0), sigma) / np.maximum(around, 1e-6)
    straight = 1 / (np.sqrt(2 * np.pi) * sigma)
    return np.clip(seen_from_edge / straight, 1, MOST_RAGGED).astype(np.float32)


def _likeness(
    share: Float32[np.ndarray, "h w"], pixels: Float32[np.ndarray, "h w 3"], sigma: float
) -> Float32[np.ndarray, "h w"]:
    """Return 1 where object and background have one colour nearby, towards 0 where they differ.

    The squared distance of their mean colours is measured against their variances (Fisher's
    criterion), summed over the channels.
    """
    mean, variance = [], []
    for weight in (share**4, (1 - share) ** 4):  # mixed pixels count little
        total = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None] + 1e-6
        first = cv2.GaussianBlur(weight[..., None] * pixels, (0, 0), sigma) / total
        second = cv2.GaussianBlur(weight[..., None] * pixels**2, (0, 0), sigma) / total
        mean.append(first)
        variance.append(np.maximum(second - first**2, 0))
    spread = variance[0] + variance[1] + _COLOUR_NOISE**2
    separation = ((mean[0] - mean[1]) ** 2 / spread).sum(axis=-1)
    return np.asarray(1 / (1 + separation), np.float32)
