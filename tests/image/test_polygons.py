import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from maskwright.errors import ShapeError, UsageError
from maskwright.image.polygons import (
    Polygon,
    iou_lost,
    joined,
    mask_from_polygons,
    polygons_from_mask,
)

SMALL_MASKS = arrays.arrays(
    np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 11)), elements=st.booleans()
)
EIGHT = np.ones((3, 3), bool)


def rings_and_discs(height=211, width=223):
    """Return three parts: a ring around an island, and a disc that the border cuts."""
    y, x = np.mgrid[:height, :width] + 0.5
    distance = np.hypot(x - 97, y - 103)
    return ((distance < 83) & (distance > 47)) | (distance < 13) | (np.hypot(x - 223, y) < 37)


@given(SMALL_MASKS)
@settings(max_examples=100, deadline=None)
def test_a_mask_comes_back_exactly_with_holes_and_parts(mask):
    polygons = polygons_from_mask(mask)
    assert (mask_from_polygons(polygons, mask.shape) == mask).all()
    assert iou_lost(polygons, mask) == 0
    assert len(polygons) == ndimage.label(mask)[1]
    gaps = ndimage.label(~np.pad(mask, 1), EIGHT)[1]
    assert sum(len(polygon.holes) for polygon in polygons) == gaps - 1


@given(SMALL_MASKS)
@settings(max_examples=100, deadline=None)
def test_the_area_inside_the_rings_is_the_number_of_pixels(mask):
    area = 0.0
    for polygon in polygons_from_mask(mask):
        for ring in polygon.rings:
            for (x, y), (next_x, next_y) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                area += (x * next_y - next_x * y) / 2
    assert area == mask.sum()


def test_a_pixel_is_a_square_along_its_edges():
    mask = np.zeros((5, 7), bool)
    mask[2, 3] = True
    (polygon,) = polygons_from_mask(mask)
    assert {tuple(point) for point in polygon.outer} == {(3, 2), (4, 2), (4, 3), (3, 3)}
    assert len(polygon.outer) == 4


def test_an_island_in_a_hole_is_a_part_of_its_own():
    mask = rings_and_discs()
    polygons = polygons_from_mask(mask)
    assert sorted(len(polygon.holes) for polygon in polygons) == [0, 0, 1]
    assert iou_lost(polygons, mask) == 0


@pytest.mark.parametrize("tolerance", [1, 1.5, 2])
def test_tolerance_saves_points_and_loses_little(tolerance):
    mask = rings_and_discs()
    exact, simple = polygons_from_mask(mask), polygons_from_mask(mask, tolerance)
    points = [sum(len(r) for p in polygons for r in p.rings) for polygons in (exact, simple)]
    assert points[1] < points[0] / 3
    assert 0 < iou_lost(simple, mask) < 0.02 * tolerance
    assert [len(p.holes) for p in simple] == [len(p.holes) for p in exact]


@given(SMALL_MASKS, st.floats(0.1, 5))
@settings(max_examples=100, deadline=None)
def test_no_part_and_no_hole_is_lost_however_coarse(mask, tolerance):
    exact, simple = polygons_from_mask(mask), polygons_from_mask(mask, tolerance)
    assert [len(p.holes) for p in simple] == [len(p.holes) for p in exact]


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(3, 7), st.just(2)),
        elements=st.floats(-4, 15).map(lambda value: round(value, 3)),
    )
)
@settings(max_examples=100, deadline=None)
def test_filling_counts_the_crossings_to_the_left_of_each_centre(ring):
    height, width = 7, 11
    filled = mask_from_polygons([Polygon(ring)], (height, width))
    for row in range(height):
        for column in range(width):
            x, y, crossings = column + 0.5, row + 0.5, 0
            for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                if (y0 <= y) != (y1 <= y):
                    meets = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
                    if abs(meets - x) < 1e-9:
                        return  # on the line: either is right
                    crossings += meets < x
            assert filled[row, column] == crossings % 2


@given(SMALL_MASKS.filter(np.any), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_one_ring_holds_all_parts_and_holes(mask, scale):
    mask = mask.repeat(scale, axis=0)
    ring = joined(polygons_from_mask(mask))
    assert (mask_from_polygons([Polygon(ring)], mask.shape) == mask).all()
    away = ring * 1.7 + 0.123  # bridges cancel wherever they run
    exact = [
        Polygon(p.outer * 1.7 + 0.123, tuple(h * 1.7 + 0.123 for h in p.holes))
        for p in polygons_from_mask(mask)
    ]
    drawn = mask_from_polygons([Polygon(away)], (19, 43))
    assert (drawn == mask_from_polygons(exact, (19, 43))).all()


def test_no_polygons_make_no_ring():
    with pytest.raises(ShapeError, match="one polygon or more, got none"):
        joined([])


def test_polygons_that_overlap_are_united():
    square = np.array([(1, 1), (5, 1), (5, 5), (1, 5)], float)
    mask = mask_from_polygons([Polygon(square), Polygon(square + 2)], (11, 13))
    assert mask.sum() == 16 + 16 - 4


@pytest.mark.parametrize("shape", [(0, 0), (0, 7), (5, 7)])
def test_an_empty_mask_has_no_polygons(shape):
    mask = np.zeros(shape, bool)
    assert polygons_from_mask(mask) == []
    assert (mask_from_polygons([], shape) == mask).all()
    assert iou_lost([], mask) == 0


def test_a_part_that_is_left_out_is_reported_as_lost():
    mask = np.zeros((5, 7), bool)
    mask[1, :3] = mask[3, 4:5] = True
    polygons = sorted(polygons_from_mask(mask), key=lambda polygon: np.ptp(polygon.outer[:, 0]))
    assert iou_lost(polygons[1:], mask) == 0.25
    assert iou_lost([], mask) == 1


def test_impossible_rings_sizes_and_tolerances_are_refused():
    with pytest.raises(
        ShapeError, match=r"at least three points .* got an array of shape \(2, 2\)"
    ):
        Polygon(np.zeros((2, 2)))
    with pytest.raises(
        ShapeError, match=r"at least three points .* got an array of shape \(1, 2\)"
    ):
        Polygon(np.zeros((3, 2)), (np.zeros((1, 2)),))
    with pytest.raises(UsageError, match="must be finite"):
        Polygon(np.array([(0, 0), (1, 0), (np.nan, 1)]))
    with pytest.raises(ShapeError, match=r"a height and a width, got \(-1, 7\)"):
        mask_from_polygons([], (-1, 7))
    for tolerance in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="a tolerance must be a number of pixels .* got"):
            polygons_from_mask(np.zeros((5, 7), bool), tolerance)
