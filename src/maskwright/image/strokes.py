"""A round brush drawn along a line, as a mask."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool

from maskwright.errors import UsageError

_SHIFT = 4  # OpenCV draws at sixteenths of a pixel
_MOST_RADIUS_PX = 10_000


def stroke_mask(
    points: Sequence[tuple[float | int, float | int]],
    radius_px: float | int,
    size: tuple[int, int],
) -> Bool[np.ndarray, "h w"]:
    """Return the pixels that a round brush covers on its way from point to point.

    Args:
        points: (x, y) in pixels of the upright photo, one or more.
        radius_px: Of the brush; at most half a pixel is drawn as one pixel wide.
        size: Height and width of the mask.

    Raises:
        UsageError: If there is no point, or the radius is not a number from 0 to 10000.
    """
    if not len(points):
        raise UsageError("a stroke needs one point or more, got none; draw a line")
    if not 0 <= radius_px <= _MOST_RADIUS_PX:
        raise UsageError(f"a brush's radius must be 0 to {_MOST_RADIUS_PX} pixels, got {radius_px}")
    mask = np.zeros(size, np.uint8)
    # OpenCV counts from the centre of the first pixel, we from its corner.
    path = np.rint((np.asarray(points, np.float64) - 0.5) * 2**_SHIFT).astype(np.int32)
    width = max(1, round(2 * radius_px) - 1)  # OpenCV colours what a line touches, too
    cv2.polylines(mask, [path[:, None]], False, 1, thickness=width, shift=_SHIFT)
    if len(path) == 1:
        centre = (int(path[0, 0]), int(path[0, 1]))
        radius = round(radius_px * 2**_SHIFT)
        cv2.circle(mask, centre, radius, 1, thickness=cv2.FILLED, shift=_SHIFT)
    return mask.view(np.bool_)
