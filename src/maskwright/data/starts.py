"""Boxes and scribbles as what a network that takes clicks understands: clicks, and a first mask.

Not from a paper. A mask from elsewhere needs no translation: `reference.with_prediction` takes it
as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from maskwright.data.reference import DISK_PX, unknown_map, with_clicks, with_prediction
from maskwright.errors import UsageError
from maskwright.structures.box import Box
from maskwright.structures.click import Click

SPACING_PX = 2 * DISK_PX  # of the clicks along a scribble: their disks touch


@dataclass(frozen=True, eq=False)
class Start:
    """How a dialogue begins.

    Attributes:
        clicks: In the order in which they count.
        mask: Where the object is taken to be, bool (h, w), or None.
    """

    clicks: tuple[Click, ...]
    mask: Bool[np.ndarray, "h w"] | None = None

    def reference(self, size: tuple[int, int]) -> np.ndarray:
        """Return the reference map (h, w) of this start.

        Raises:
            UsageError: If a click lies outside the photo.
            ShapeError: If the mask has another size.
        """
        reference = unknown_map(size)
        if self.mask is not None:
            reference = with_prediction(reference, self.mask)
        for click in self.clicks:
            reference = with_clicks(reference, [click])
        return reference


def start_from_box(box: Box, size: tuple[int, int]) -> Start:
    """Return a click at the centre of the box, clicks beside its edges, and its ellipse as mask.

    Clicks beside the middle of an edge are negative and `DISK_PX` + 1 pixels away from it, so
    that none of their disks reaches into the box; where the photo ends before, there is none.
    The ellipse that touches all four edges is nearer to most objects than the box.

    Args:
        box: In pixels of the photo; what reaches beyond it is cut off.
        size: Height and width of the photo.

    Raises:
        UsageError: If the box lies outside the photo.
    """
    rows, columns = box.slices(size)
    top, bottom, left, right = rows.start, rows.stop, columns.start, columns.stop
    y, x = (top + bottom) / 2, (left + right) / 2
    gap = DISK_PX + 0.5
    beside = [(x, top - gap), (x, bottom + gap), (left - gap, y), (right + gap, y)]
    height, width = size
    clicks = [Click(x, y)]
    clicks += [Click(a, b, False) for a, b in beside if 0 <= a < width and 0 <= b < height]
    mask = np.zeros(size, np.bool_)
    v, u = np.ogrid[top:bottom, left:right]
    inside = ((u + 0.5 - x) / (right - left)) ** 2 + ((v + 0.5 - y) / (bottom - top)) ** 2 <= 0.25
    mask[rows, columns] = inside
    return Start(tuple(clicks), mask)


def start_from_scribble(
    points: Sequence[tuple[float | int, float | int]],
    size: tuple[int, int],
    *,
    positive: bool = True,
    spacing_px: float | int = SPACING_PX,
) -> Start:
    """Return clicks along a line of points; no first mask, for a line does not say how wide.

    Args:
        points: (x, y) in pixels of the photo, joined in this order. One is a click.
        size: Height and width of the photo.
        positive: Whether the line lies on the object.
        spacing_px: At most this far apart lie two clicks, along the line; both its ends get one.

    Raises:
        UsageError: If there is no point, one is not finite or lies outside the photo, or the
            spacing is not above 0.
    """
    if not len(points):
        raise UsageError("a scribble needs one point or more, got none; draw a line")
    if not spacing_px > 0:
        raise UsageError(f"a spacing must be above 0 pixels, got {spacing_px}; 10 is usual")
    for x, y in points:
        Click(x, y, positive).pixel(size)
    corners = np.asarray(points, np.float64)
    lengths = np.hypot(*np.diff(corners, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    count = int(np.ceil(along[-1] / spacing_px)) + 1
    where = np.linspace(0, along[-1], count) if count > 1 else np.zeros(1)
    xs, ys = (np.interp(where, along, corners[:, axis]) for axis in (0, 1))
    clicks = [Click(float(x), float(y), positive) for x, y in zip(xs, ys, strict=True)]
    return Start(tuple(clicks))
