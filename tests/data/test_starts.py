import numpy as np
import pytest

from maskwright.data.starts import start_from_box, start_from_scribble
from maskwright.errors import ShapeError, UsageError
from maskwright.structures.box import Box


def test_a_box_gives_a_click_inside_four_beside_it_and_its_ellipse():
    size, box = (71, 83), Box(20, 15, 61, 46)
    start = start_from_box(box, size)
    assert [(c.x, c.y, c.positive) for c in start.clicks] == [
        (40.5, 30.5, True),
        (40.5, 9.5, False),
        (40.5, 51.5, False),
        (14.5, 30.5, False),
        (66.5, 30.5, False),
    ]
    rows, columns = np.nonzero(start.mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15, 45, 20, 60)
    assert start.mask.sum() == pytest.approx(np.pi / 4 * 41 * 31, rel=0.02)


def test_no_disk_of_a_click_beside_a_box_reaches_into_it():
    size, box = (71, 83), Box(20.2, 15.7, 61, 46)
    reference = start_from_box(box, size).reference(size)
    assert (reference == 0).any() and not (reference[box.slices(size)] == 0).any()
    assert reference[30, 40] == 4 and reference[30, 22] == 3 and reference[0, 0] == 1


def test_a_box_at_the_edge_of_the_photo_has_no_click_beyond_it():
    start = start_from_box(Box(-5, -5, 40, 30), (30, 83))
    assert [(c.x, c.y) for c in start.clicks if not c.positive] == [(45.5, 15.0)]
    with pytest.raises(UsageError, match="a box must touch the photo"):
        start_from_box(Box(90, 0, 95, 5), (30, 83))


def test_a_scribble_becomes_clicks_no_further_apart_than_its_spacing():
    start = start_from_scribble([(5, 5), (5, 30), (40, 30)], (50, 60), positive=False)
    at = np.array([(c.x, c.y) for c in start.clicks])
    assert at[0].tolist() == [5, 5] and at[-1].tolist() == [40, 30]
    assert np.hypot(*np.diff(at, axis=0).T).max() <= 10
    assert len(at) == 7 and not any(c.positive for c in start.clicks)
    assert start.mask is None


def test_a_scribble_covers_its_line_in_the_reference_map():
    reference = start_from_scribble([(10, 20), (50, 20)], (41, 61)).reference((41, 61))
    assert (reference[20, 10:51] == 4).all()


def test_a_dot_is_one_click():
    assert len(start_from_scribble([(3, 4), (3, 4)], (9, 9)).clicks) == 1
    assert len(start_from_scribble([(3, 4)], (9, 9)).clicks) == 1


def test_bad_scribbles_are_refused():
    with pytest.raises(UsageError, match="one point or more, got none"):
        start_from_scribble([], (9, 9))
    with pytest.raises(UsageError, match="a click must lie in the photo"):
        start_from_scribble([(3, 4), (9, 4)], (9, 9))
    with pytest.raises(UsageError, match="two finite coordinates"):
        start_from_scribble([(3, float("nan"))], (9, 9))
    with pytest.raises(UsageError, match="a spacing must be above 0 pixels"):
        start_from_scribble([(3, 4)], (9, 9), spacing_px=0.0)


def test_a_first_mask_of_another_size_is_refused():
    with pytest.raises(ShapeError, match="a mask must have the size of the map"):
        start_from_box(Box(1, 1, 5, 5), (9, 9)).reference((9, 10))
