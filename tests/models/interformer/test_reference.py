from pathlib import Path

import pytest
import torch

from maskwright.models.interformer.reference import (
    unknown_map,
    with_click,
    with_prediction,
    zoom_region,
)
from maskwright.structures.box import Box

PARITY = Path(__file__).parents[2] / "parity"


@pytest.fixture(scope="module")
def recorded():
    return torch.load(PARITY / "interformer_behaviour.pt", weights_only=True)


def test_clicks_and_predictions_lead_to_the_official_maps(recorded):
    evolution = recorded["ref_evolution"]
    history = iter(evolution["history"])
    reference = unknown_map((64, 96))
    assert torch.equal(reference, next(history))
    for clicks, mask in evolution["script"]:
        for row, column, sign in clicks:
            reference = with_click(reference, (row, column), positive=sign == "positive")
        assert torch.equal(reference, next(history))
        reference = with_prediction(reference, mask[None, None])
        assert torch.equal(reference, next(history))


def test_regions_are_the_official_ones(recorded):
    for case in recorded["roi_cases"]:
        found = zoom_region(case["ref"][0, 0], case["pre"][0, 0].bool())
        left, top, right, bottom = case["roi"].flatten().int().tolist()
        assert found == Box(left, top, right, bottom)


def test_a_click_is_a_disk_of_81_pixels_that_covers_older_clicks():
    before = unknown_map((37, 41))
    reference = with_click(before, (17, 19), positive=True)
    assert (before == 2).all()
    for row in range(37):
        for column in range(41):
            near = (row - 17) ** 2 + (column - 19) ** 2 <= 25
            assert reference[0, 0, row, column] == (4 if near else 2)
    assert int((reference == 4).sum()) == 81
    reference = with_click(reference, (17, 22), positive=False)
    assert int((reference == 0).sum()) == 81
    assert 0 < int((reference == 4).sum()) < 81
    assert int((with_click(before, (0, 40), positive=True) == 4).sum()) == 26


def test_states_move_one_step_towards_the_prediction_and_clicks_stay():
    states = torch.arange(5, dtype=torch.uint8)[None]
    yes, no = torch.ones(1, 5, dtype=torch.bool), torch.zeros(1, 5, dtype=torch.bool)
    assert with_prediction(states, yes).tolist() == [[0, 2, 3, 3, 4]]
    assert with_prediction(states, no).tolist() == [[0, 1, 1, 2, 4]]
    assert with_prediction(states, yes).dtype == torch.uint8


def test_a_region_lies_around_clicks_and_mask_on_multiples_of_32():
    nothing = torch.zeros(96, 160, dtype=torch.bool)
    reference = unknown_map((96, 160))[0, 0]
    assert zoom_region(reference, nothing) == Box(0, 0, 160, 96)
    clicked = with_click(reference, (48, 80), positive=False)
    assert zoom_region(clicked, nothing) == Box(64, 32, 128, 96)
    corner = with_click(reference, (95, 159), positive=True)
    assert zoom_region(corner, nothing) == Box(128, 64, 160, 96)
    mask = nothing.clone()
    mask[40:44, 10:50] = True
    assert zoom_region(reference, mask) == Box(0, 0, 64, 64)
    assert zoom_region(clicked, mask) == Box(0, 0, 128, 64)
