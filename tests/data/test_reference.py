from pathlib import Path

import numpy as np
import pytest
import torch

from maskwright.data.reference import unknown_map, with_clicks, with_prediction, zoom_region
from maskwright.errors import ShapeError, UsageError
from maskwright.structures.box import Box
from maskwright.structures.click import Click

CASES = torch.load(Path(__file__).parents[1] / "parity/interformer_behaviour.pt", weights_only=True)


def official_click(row, column, sign):
    return Click(column, row, sign == "positive")


def test_the_map_evolves_as_the_official_one():
    cases = CASES["ref_evolution"]
    history = [state[0, 0].numpy() for state in cases["history"]]
    reference, found = unknown_map(history[0].shape), []
    found.append(reference)
    for points, mask in cases["script"]:
        reference = with_clicks(reference, [official_click(*point) for point in points])
        found.append(reference)
        reference = with_prediction(reference, mask.numpy())
        found.append(reference)
    assert len(found) == len(history) == 11
    for ours, official in zip(found, history, strict=True):
        np.testing.assert_array_equal(ours, official)


def test_rings_lie_as_the_official_ones():
    official = CASES["points_to_ref_label_r5_3"].numpy()
    reference = unknown_map(official.shape)
    for click in (Click(30, 20), Click(36, 24, False), Click(5, 60)):  # read off the picture
        reference = with_clicks(reference, [click], ring_px=3)
    np.testing.assert_array_equal(reference, official)


def test_a_click_is_sure_of_81_pixels_whatever_they_were():
    reference = np.full((29, 31), 1, np.uint8)
    after = with_clicks(reference, [Click(15.9, 12.1)])
    assert np.count_nonzero(after == 4) == 81 and np.count_nonzero(after == 1) == 29 * 31 - 81
    for row in range(29):
        for column in range(31):
            near = (row - 12) ** 2 + (column - 15) ** 2 <= 25
            assert after[row, column] == (4 if near else 1)
    assert (reference == 1).all()
    assert np.count_nonzero(with_clicks(unknown_map((29, 31)), [Click(30, 0)]) == 4) == 26


def test_of_clicks_made_at_once_the_object_wins_and_of_later_ones_the_newest():
    on, beside = Click(10, 10), Click(13, 10, False)
    empty = unknown_map((23, 29))
    assert with_clicks(empty, [on, beside])[10, 11] == 4
    assert with_clicks(with_clicks(empty, [on]), [beside])[10, 11] == 0
    assert with_clicks(with_clicks(empty, [beside]), [on])[10, 11] == 4


def test_predictions_move_states_one_step_and_clicks_never():
    states = np.array([[0, 1, 2, 3, 4]], np.uint8)
    yes = np.ones((1, 5), bool)
    assert with_prediction(states, yes).tolist() == [[0, 2, 3, 3, 4]]
    assert with_prediction(states, ~yes).tolist() == [[0, 1, 1, 2, 4]]
    assert with_prediction(states, yes).dtype == np.uint8


def test_a_click_outside_and_a_mask_of_another_size_are_refused():
    with pytest.raises(UsageError, match=r"0 <= x < 7 and 0 <= y < 5, got \(7, 0\)"):
        with_clicks(unknown_map((5, 7)), [Click(7, 0)])
    with pytest.raises(ShapeError, match=r"the size of the map, \(5, 7\), got \(7, 5\)"):
        with_prediction(unknown_map((5, 7)), np.zeros((7, 5), bool))


def test_regions_are_the_official_ones():
    assert CASES["roi_cases"]
    for case in CASES["roi_cases"]:
        found = zoom_region(case["ref"][0, 0].numpy(), case["pre"][0, 0].numpy() == 1)
        left, top, right, bottom = case["roi"].flatten().int().tolist()
        assert found == Box(left, top, right, bottom)


def test_a_region_lies_around_clicks_and_mask_on_multiples_of_32():
    nothing, reference = np.zeros((96, 160), bool), unknown_map((96, 160))
    assert zoom_region(reference, nothing) == Box(0, 0, 160, 96)
    clicked = with_clicks(reference, [Click(80, 48, False)])
    assert zoom_region(clicked, nothing) == Box(64, 32, 128, 96)
    corner = with_clicks(reference, [Click(159, 95)])
    assert zoom_region(corner, nothing) == Box(128, 64, 160, 96)
    mask = nothing.copy()
    mask[40:44, 10:50] = True
    assert zoom_region(reference, mask) == Box(0, 0, 64, 64)
    assert zoom_region(clicked, mask) == Box(0, 0, 128, 64)
