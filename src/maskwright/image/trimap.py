"""Trimaps made from masks and alphas; `trimap_read` reads those that people bring.

A trimap is uint8 (h, w): 0 is surely background, 255 surely the object, 128 is unknown.
"""

from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from numpy.typing import NDArray

from maskwright.errors import ShapeError, TrimapError
from maskwright.image.band import band_px, local_band_px
from maskwright.image.distance import edge_distance
from maskwright.image.io import PhotoSource, read_photo
from maskwright.image.trimap_read import TrimapWarning, check_trimap, read_trimap
from maskwright.structures.trimap import BACKGROUND, FOREGROUND, UNKNOWN

__all__ = [
    "TrimapWarning",
    "check_trimap",
    "read_trimap",
    "trimap_from_alpha",
    "trimap_from_mask",
]
SURE = 0.95
"""A soft mask is sure of a pixel from this value on, and up to 1 - SURE."""
SMALL_PART = 0.01
"""A part below this share of the whole may lose its last known pixel to the band."""


def trimap_from_mask(
    mask: NDArray[Any], band: str | int = "auto", *, image: PhotoSource | None = None
) -> UInt8[np.ndarray, "h w"]:
    """Return the trimap whose unknown band lies along the edge of a mask.

    Some of the object and of the background stays known: of a part that the band would swallow
    whole, the innermost pixels stay known, those more than half as deep as the deepest.

    Args:
        mask: (h, w): bool; or uint8, 255 on the object; or floating point from 0 to 1. Values
            between are unknown, and the band begins where they end.
        band: Width on each side of the edge: pixels; or a share of the object's size (the root
            of its area) such as "3%"; or "auto": 2.5 %, and up to six times that where the mask is
            ragged or thin and where object and background are alike.
        image: The photo, for "auto": any source, upright of the mask's size.

    Raises:
        ShapeError: If the mask is not (h, w), or the photo has another size.
        TrimapError: If the mask has no object, no background, or values of another range.
        UsageError: If `band` is none of these.
        ImageError: If the photo cannot be read.
    """
    soft = _soft_mask(mask)
    photo = None if image is None else read_photo(image)
    if photo is not None and photo.size != soft.shape:
        raise ShapeError(f"mask and photo must have one size, got {soft.shape} and {photo.size}")
    inside, outside = soft >= SURE, soft <= 1 - SURE
    for name, known in (("object", inside), ("background", outside)):
        if not known.any():
            raise TrimapError(
                f"a mask must be white on the object and black beside it, got no {name};"
                " mark it in the mask"
            )
    area = int(np.count_nonzero(soft >= 0.5))
    width = band_px(band, area)
    rows, columns = _box(~outside, margin=int(6 * width) + 2)
    local: float | Float32[np.ndarray, "box_h box_w"] = width
    if band == "auto":
        pixels = None if photo is None else photo.pixels[rows, columns]
        local = local_band_px(soft[rows, columns] >= 0.5, width, pixels)
    trimap = np.full(soft.shape, BACKGROUND, np.uint8)
    trimap[rows, columns] = _banded(inside[rows, columns], outside[rows, columns], local)
    return trimap


def trimap_from_alpha(
    alpha: Float[np.ndarray, "h w"], band: str | int = "1%"
) -> UInt8[np.ndarray, "h w"]:
    """Return the trimap whose unknown pixels are the soft ones and those near them.

    Args:
        alpha: The object's share of each pixel; known where it is exactly 0 or 1.
        band: How far from a soft pixel, or from an edge between 0 and 1, a pixel is unknown; see
            `trimap_from_mask`; "auto" is 2.5 % everywhere here.

    Returns:
        The trimap. It lacks foreground where no pixel is opaque, as in glass.

    Raises:
        TrimapError: If a value is not in [0, 1].
        UsageError: If `band` is not as expected.
    """
    soft = _soft_mask(alpha)
    return _banded(soft == 1, soft == 0, band_px(band, int(np.count_nonzero(soft >= 0.5))))


def _soft_mask(mask: NDArray[Any]) -> Float32[np.ndarray, "h w"]:
    """Return a mask or alpha of any kind in [0, 1]."""
    if mask.ndim != 2 or mask.size == 0:
        raise ShapeError(f"a mask must be (h, w), got an array of shape {mask.shape}")
    low, high = mask.min(), mask.max()
    if mask.dtype == np.uint8 and high != 1:
        return mask / np.float32(255)
    if mask.dtype.kind not in "bf" or not (low >= 0 and high <= 1):
        raise TrimapError(
            "a mask must be bool, uint8 with 255 on the object, or floating point from 0 to 1,"
            f" got {mask.dtype} from {low:g} to {high:g}; convert it, such as with (mask > 0)"
        )
    return mask.astype(np.float32)


def _box(object_: Bool[np.ndarray, "h w"], *, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns around the object's pixels."""
    ranges = []
    for axis in (1, 0):
        used = np.flatnonzero(object_.any(axis=axis))
        ranges.append(slice(max(0, int(used[0]) - margin), int(used[-1]) + 1 + margin))
    return ranges[0], ranges[1]


def _banded(
    inside: Bool[np.ndarray, "h w"],
    outside: Bool[np.ndarray, "h w"],
    width_px: float | Float32[np.ndarray, "h w"],
) -> UInt8[np.ndarray, "h w"]:
    """Return the trimap that knows what lies deeper than `width_px` inside or outside."""
    trimap = np.full(inside.shape, UNKNOWN, np.uint8)
    for value, known in ((FOREGROUND, inside), (BACKGROUND, outside)):
        if known.all():
            trimap[:] = value
            break
        depth = edge_distance(known)
        trimap[depth > width_px] = value
        _keep_cores(trimap, value, known, depth)
    return trimap


def _keep_cores(
    trimap: UInt8[np.ndarray, "h w"],
    value: int,
    known: Bool[np.ndarray, "h w"],
    depth: Float32[np.ndarray, "h w"],
) -> None:
    """Set the innermost pixels of parts that the band has swallowed to `value`."""
    parts, labels, boxes, _ = cv2.connectedComponentsWithStats(known.view(np.uint8))
    if parts == 1:  # number 0 is what is not known
        return
    left = np.bincount(labels[trimap == value], minlength=parts)[1:]
    areas = boxes[1:, cv2.CC_STAT_AREA]
    swallowed = (left == 0) & (areas >= min(SMALL_PART * areas.sum(), areas.max()))
    for label in np.flatnonzero(swallowed) + 1:
        x, y, width, height = boxes[label, :4]
        window = slice(y, y + height), slice(x, x + width)
        depth_here = np.where(labels[window] == label, depth[window], 0)
        trimap[window][depth_here > depth_here.max() / 2] = value
