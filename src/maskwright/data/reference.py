"""The reference map: what clicks and earlier predictions say about every pixel, in five states.

Huang et al., "InterFormer: Real-time Interactive Image Segmentation", ICCV 2023,
arXiv:2304.02942, section 3. A click is sure of a small disk; predictions move the other pixels
one step at a time, so that the map remembers the last few of them. Maps are uint8 (h, w) and are
never changed in place.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from maskwright.errors import ShapeError
from maskwright.structures.box import Box
from maskwright.structures.click import Click

BACKGROUND, MAYBE_BACKGROUND, UNKNOWN, MAYBE_OBJECT, OBJECT = range(5)
DISK_PX = 5
ZOOM, REGION_PX = 1.4, 32
# One step towards the object and away from it; what a click said is never moved.
_TOWARDS = np.array([BACKGROUND, UNKNOWN, MAYBE_OBJECT, MAYBE_OBJECT, OBJECT], np.uint8)
_AWAY = np.array([BACKGROUND, MAYBE_BACKGROUND, MAYBE_BACKGROUND, UNKNOWN, OBJECT], np.uint8)


def unknown_map(size: tuple[int, int]) -> UInt8[np.ndarray, "h w"]:
    """Return the map before the first click: everything is unknown."""
    return np.full(size, UNKNOWN, np.uint8)


def with_clicks(
    reference: UInt8[np.ndarray, "h w"],
    clicks: Sequence[Click],
    *,
    disk_px: int = DISK_PX,
    ring_px: int = 0,
) -> UInt8[np.ndarray, "h w"]:
    """Return the map after clicks that were made at once.

    Pixels at most `disk_px` away from a click become sure, whatever they were; where disks of
    both kinds overlap, the object wins. Clicks made one after another are applied one by one, so
    that the newest wins.

    Args:
        reference: The map so far.
        clicks: In pixels of the map.
        disk_px: Radius of what is sure.
        ring_px: Width of a ring around it, which is moved one step; 0 in the published networks.

    Raises:
        UsageError: If a click lies outside the map.
    """
    beside, on = ([c for c in clicks if bool(c.positive) is kind] for kind in (False, True))
    size = (reference.shape[0], reference.shape[1])
    sure_beside, sure_on = _near(size, beside, disk_px), _near(size, on, disk_px)
    after = reference
    if ring_px:
        ring_beside = _near(size, beside, disk_px + ring_px) & ~sure_beside
        ring_on = _near(size, on, disk_px + ring_px) & ~sure_on
        after = np.where(ring_on & ~ring_beside, _TOWARDS[after], after)
        after = np.where(ring_beside & ~ring_on, _AWAY[after], after)
    after = np.where(sure_beside, np.uint8(BACKGROUND), after)
    return np.where(sure_on, np.uint8(OBJECT), after)


def with_prediction(
    reference: UInt8[np.ndarray, "h w"], mask: Bool[np.ndarray, "_ _"]
) -> UInt8[np.ndarray, "h w"]:
    """Return the map after a prediction, or after a mask from elsewhere as the start.

    Pixels that are not sure move one step: towards the object where the mask is True, away from
    it where it is False.

    Raises:
        ShapeError: If the mask has another size.
    """
    if mask.shape != reference.shape:
        raise ShapeError(
            f"a mask must have the size of the map, {reference.shape}, got {mask.shape};"
            " use the one made for this photo"
        )
    return np.where(mask, _TOWARDS[reference], _AWAY[reference])


def zoom_region(reference: UInt8[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"]) -> Box:
    """Return where to look closer: around the last mask and all clicks, in multiples of 32 pixels.

    Args:
        reference: The map; its sides are multiples of 32.
        mask: The last prediction.
    """
    seen = mask | (reference == BACKGROUND) | (reference == OBJECT)
    if not seen.any():
        return Box(0, 0, seen.shape[1], seen.shape[0])
    (top, bottom), (left, right) = (_span(seen.any(1 - axis)) for axis in (0, 1))
    return Box(left, top, right, bottom)


def _span(seen: Bool[np.ndarray, " pixel"]) -> tuple[int, int]:
    """Return the first and the last edge, along one axis, of the region around what was seen."""
    at = np.flatnonzero(seen)
    first, last = int(at[0]), int(at[-1]) + 1
    centre, reach = (first + last) / 2, max((last - first) * ZOOM, REGION_PX) / 2
    start = math.floor(max(centre - reach, 0) / REGION_PX) * REGION_PX
    return start, math.ceil(min(centre + reach, len(seen)) / REGION_PX) * REGION_PX


def _near(size: tuple[int, int], clicks: Sequence[Click], reach_px: int) -> Bool[np.ndarray, "h w"]:
    """Return the pixels that are at most so far from a click, from centre to centre."""
    near = np.zeros(size, np.bool_)
    for click in clicks:
        row, column = click.pixel(size)
        top, left = max(row - reach_px, 0), max(column - reach_px, 0)
        window = near[top : row + reach_px + 1, left : column + reach_px + 1]
        rows, columns = np.ogrid[: window.shape[0], : window.shape[1]]
        window |= (rows + top - row) ** 2 + (columns + left - column) ** 2 <= reach_px**2
    return near
