"""Masks as polygons and back, with holes and any number of parts.

Rings run along the edges of pixels: pixel (row r, column c) covers [c, c + 1) x [r, r + 1), and
belongs to a polygon if its centre does. So a mask traced without tolerance comes back exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int
from numpy.typing import NDArray
from scipy.spatial import KDTree

from maskwright.errors import ShapeError, UsageError

# Steps along the edges of pixels, the object at their right-hand side: (x, y).
_RIGHT, _DOWN, _LEFT, _UP = range(4)
_STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])


@dataclass(frozen=True, eq=False)
class Polygon:
    """One connected part of a mask.

    Args:
        outer: Points (x, y) of its outline in pixels, at least three; the last is joined to the
            first. Clockwise on the screen when it comes from `polygons_from_mask`.
        holes: Outlines of its holes, counterclockwise.

    Raises:
        ShapeError: If a ring is not (n, 2) with at least three points.
        UsageError: If a coordinate is not finite.
    """

    outer: Float64[np.ndarray, "n 2"]
    holes: tuple[Float64[np.ndarray, "_ 2"], ...] = ()

    def __post_init__(self) -> None:
        for ring in self.rings:
            if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3:
                raise ShapeError(
                    "a ring must be at least three points (n, 2),"
                    f" got an array of shape {ring.shape}"
                )
            if not np.isfinite(ring).all():
                raise UsageError("the points of a ring must be finite, got NaN or infinity")

    @property
    def rings(self) -> tuple[NDArray[np.float64], ...]:
        """The outline and the holes."""
        return self.outer, *self.holes


def polygons_from_mask(mask: Bool[np.ndarray, "h w"], tolerance: float | int = 0) -> list[Polygon]:
    """Return a polygon for each part of a mask; parts that touch at a corner only are two.

    Args:
        mask: True is the object.
        tolerance: Points are left out as long as no outline moves further than this, in pixels
            (Douglas and Peucker 1973). 0 is exact, 1 turns the stairs of slanted edges to lines.

    Raises:
        UsageError: If the tolerance is not a number of at least 0.
    """
    if not 0 <= tolerance < np.inf:
        raise UsageError(f"a tolerance must be a number of pixels of at least 0, got {tolerance}")
    outers: dict[int, NDArray[np.float64]] = {}
    holes: dict[int, list[NDArray[np.float64]]] = {}
    for label, ring in _rings(mask):
        points = _simplified(ring, tolerance)
        if _doubled_area(ring) > 0:
            outers[label] = points
        else:
            holes.setdefault(label, []).append(points)
    return [Polygon(outer, tuple(holes.get(label, ()))) for label, outer in outers.items()]


def mask_from_polygons(
    polygons: Sequence[Polygon], size: tuple[int, int]
) -> Bool[np.ndarray, "h w"]:
    """Return the mask (h, w) of the pixels whose centres lie in any of the polygons.

    A centre lies in a polygon if a line from it crosses the rings an odd number of times. What
    lies outside the photo is cut off.

    Raises:
        ShapeError: If `size` has a negative side.
    """
    if min(size) < 0:
        raise ShapeError(f"a size must be a height and a width, got {size}")
    mask = np.zeros(size, np.bool_)
    for polygon in polygons:
        points = np.concatenate(polygon.rings)
        left, top = np.clip(np.floor(points.min(axis=0)), 0, size[::-1]).astype(int).tolist()
        right, bottom = np.clip(np.ceil(points.max(axis=0)), 0, size[::-1]).astype(int).tolist()
        rings = [ring - (left, top) for ring in polygon.rings]
        mask[top:bottom, left:right] |= _filled(rings, (bottom - top, right - left))
    return mask


def joined(polygons: Sequence[Polygon]) -> Float64[np.ndarray, "n 2"]:
    """Return one ring through all parts and holes, for formats that know neither.

    Bridges of no width, walked there and back, lead from ring to ring at their nearest points. A
    line crosses them twice, so `mask_from_polygons` gives the same mask as before.

    Raises:
        ShapeError: If there is no polygon.
    """
    rings = [ring for polygon in polygons for ring in polygon.rings]
    if not rings:
        raise ShapeError("a ring needs one polygon or more, got none; leave the object out")
    path = rings[0]
    for ring in rings[1:]:
        gaps, nearest = KDTree(path).query(ring)
        arrive = int(np.argmin(gaps))
        leave = int(nearest[arrive])
        around = np.concatenate([ring[arrive:], ring[: arrive + 1]])
        path = np.concatenate([path[: leave + 1], around, path[leave:]])
    return path


def iou_lost(polygons: Sequence[Polygon], mask: Bool[np.ndarray, "h w"]) -> float:
    """Return 1 - IoU of a mask and its polygons: 0 if nothing is lost, 1 if all is."""
    drawn = mask_from_polygons(polygons, (mask.shape[0], mask.shape[1]))
    union = int(np.count_nonzero(drawn | mask))
    return 1 - int(np.count_nonzero(drawn & mask)) / union if union else 0.0


def _rings(mask: Bool[np.ndarray, "h w"]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield, for each outline, the number of its part and its corners (n, 2)."""
    padded = np.pad(mask, 1).astype(np.uint8)
    labels = cv2.connectedComponents(padded, connectivity=4)[1]
    x, y, direction, label = _edges(padded, np.asarray(labels, np.int32))
    following = _following(x, y, direction, padded.shape[1]).tolist()
    seen = bytearray(len(following))
    for first in range(len(following)):
        ring = []
        edge = first
        while not seen[edge]:
            seen[edge] = 1
            ring.append(edge)
            edge = following[edge]
        if ring:
            turns = np.array(ring)[direction[ring] != direction[np.roll(ring, 1)]]
            yield int(label[first]), np.stack([x[turns], y[turns]], axis=1) - 1


def _edges(
    padded: NDArray[np.uint8], labels: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Return start (x, y), direction, and part of every pixel edge between object and ground."""
    xs, ys, directions, parts = [], [], [], []
    for axis, sign, direction in ((0, 1, _RIGHT), (0, -1, _LEFT), (1, 1, _UP), (1, -1, _DOWN)):
        y, x = np.nonzero(np.diff(padded.astype(np.int8), axis=axis) == sign)
        next_y, next_x = y + (axis == 0), x + (axis == 1)
        xs.append(next_x + (direction == _LEFT))
        ys.append(next_y + (direction == _UP))
        directions.append(np.full(len(x), direction))
        parts.append(labels[next_y, next_x] if sign > 0 else labels[y, x])
    starts = np.concatenate(xs), np.concatenate(ys)
    return *starts, np.concatenate(directions), np.concatenate(parts)


def _following(
    x: NDArray[np.int64], y: NDArray[np.int64], direction: NDArray[np.int64], width: int
) -> Int[np.ndarray, " edge"]:
    """Return which edge each edge leads to; where two do, the one that turns right."""
    begin = y * (width + 1) + x
    step = _STEPS[direction]
    end = begin + step[:, 1] * (width + 1) + step[:, 0]
    order = np.argsort(begin, kind="stable")
    candidate = order[np.searchsorted(begin[order], end)]
    second = order[np.minimum(np.searchsorted(begin[order], end) + 1, len(order) - 1)]
    turns_right = direction[second] == (direction + 1) % 4
    return np.where((begin[second] == end) & turns_right, second, candidate)


def _simplified(ring: NDArray[np.int64], tolerance: float | int) -> NDArray[np.float64]:
    """Return a ring with fewer points; as it is where fewer than three would be left."""
    if tolerance:
        points = cv2.approxPolyDP(ring.astype(np.int32), tolerance, closed=True)[:, 0]
        if len(points) >= 3:
            return points.astype(np.float64)
    return ring.astype(np.float64)


def _doubled_area(ring: NDArray[np.int64]) -> int:
    """Return twice the area; positive when the ring is clockwise on the screen."""
    x, y = ring.T
    return int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())


def _filled(rings: Sequence[NDArray[np.float64]], size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Return the pixels whose centres lie in the rings, by their crossings in each row."""
    height, width = size
    crossings = np.zeros((height, width + 1), np.uint8)
    for ring in rings:
        upper, lower = ring, np.roll(ring, -1, axis=0)
        swap = upper[:, 1] > lower[:, 1]
        upper, lower = np.where(swap[:, None], lower, upper), np.where(swap[:, None], upper, lower)
        # The rows whose centre line, y = row + 0.5, lies in [upper, lower).
        first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(int)
        count = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(int) - first
        side = np.repeat(np.arange(len(ring)), count)
        row = first[side] + np.arange(len(side)) - np.repeat(np.cumsum(count) - count, count)
        (x, y), (run, fall) = upper[side].T, (lower - upper)[side].T
        meets = x + (row + 0.5 - y) * run / fall
        column = np.clip(np.ceil(meets - 0.5), 0, width).astype(int)
        np.add.at(crossings, (row, column), 1)
    return np.cumsum(crossings, axis=1, dtype=np.uint8)[:, :width] % 2 == 1
