import numpy as np
import pytest

from maskwright.errors import UsageError
from maskwright.image.strokes import stroke_mask

SIZE = (41, 53)


def distances(points):
    """Return how far each pixel's centre is from a line through points."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    nearest = np.full(SIZE, np.inf)
    for (x0, y0), (x1, y1) in zip(points, points[1:] or points, strict=False):
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        at = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length if length else 0
        at = np.clip(at, 0, 1)
        nearest = np.minimum(nearest, np.hypot(x - x0 - at * (x1 - x0), y - y0 - at * (y1 - y0)))
    return nearest


@pytest.mark.parametrize("radius", [1.5, 4.0, 9.0])
@pytest.mark.parametrize(
    "points",
    [
        [(20.5, 30.5)],
        [(10.0, 12.3), (40.0, 30.9)],
        [(5.0, 5.0), (45.0, 6.0), (20.0, 33.0)],
        [(0.0, 0.0), (52.9, 40.9)],
    ],
)
def test_a_stroke_covers_what_is_within_its_radius(points, radius):
    drawn, far = stroke_mask(points, radius, SIZE), distances(points)
    assert drawn.dtype == bool and drawn.shape == SIZE
    assert drawn[far < radius - 1].all() and not drawn[far > radius + 1].any()


def test_a_thin_stroke_is_there_all_the_same():
    assert stroke_mask([(3.5, 4.5)], 0.2, SIZE)[4, 3]


@pytest.mark.parametrize("radius", [-1, np.nan, np.inf, 1e9])
def test_an_impossible_radius_is_refused(radius):
    with pytest.raises(UsageError, match="radius must be 0 to 10000"):
        stroke_mask([(1, 1)], radius, SIZE)


def test_no_point_is_refused():
    with pytest.raises(UsageError, match="one point or more"):
        stroke_mask([], 3, SIZE)
