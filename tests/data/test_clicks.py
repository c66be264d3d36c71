import random
from pathlib import Path

import numpy as np
import pytest
import torch

from maskwright.data.clicks import (
    INTERFORMER,
    PROTOCOLS,
    RITM,
    TRAINING_SPREAD,
    distance_inside,
    draw_more_clicks,
    first_click,
    hold_dialogue,
    more_click_weights,
    next_click,
)
from maskwright.errors import UsageError
from maskwright.structures.click import Click

CASES = torch.load(Path(__file__).parents[1] / "parity/interformer_behaviour.pt", weights_only=True)


def rectangle(size, top, bottom, left, right):
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("number", range(6))
def test_distances_equal_the_official_ones_to_the_last_digit_but_one(number):
    case = CASES["click_cases"][number]
    prediction, truth = case["pred"].numpy(), case["gt"].numpy()
    clicked = np.zeros(truth.shape, bool)
    for row, column, _ in case["points"]:
        clicked[row, column] = True
    missing, too_much = truth & ~prediction & ~clicked, prediction & ~truth & ~clicked
    for error, official in ((missing, case["fn_dist"]), (too_much, case["fp_dist"])):
        np.testing.assert_array_max_ulp(distance_inside(error), official.numpy(), 2)


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("spread", [1.0, TRAINING_SPREAD])
def test_next_clicks_equal_the_official_ones(number, spread):
    case = CASES["click_cases"][number]
    candidates = case[f"candidates_k{spread}"].tolist()
    clicks = [Click(x, y, sign == "positive") for y, x, sign in case["points"]]
    asked = []

    def pick(count):
        asked.append(count)
        return random.Random(number).randrange(count)

    def ask(pick):
        prediction, truth = case["pred"].numpy(), case["gt"].numpy()
        click = next_click(prediction, truth, clicks=clicks, spread=spread, pick=pick)
        return [*click.pixel(truth.shape), "positive" if click.positive else "negative"]

    official = case[f"click_k{spread}_seed{number}"]
    assert ask(pick) == list(official)
    assert asked == [len(candidates)]
    assert [ask(lambda _, i=i: i)[:2] for i in range(len(candidates))] == candidates


def test_the_number_of_further_clicks_is_distributed_as_the_official_one():
    np.testing.assert_allclose(more_click_weights(), CASES["num_click_probs"].numpy(), rtol=1e-12)
    rng = np.random.default_rng(0)
    drawn = [draw_more_clicks(rng) for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(1.5, abs=0.1)


def test_distances_are_those_to_the_nearest_pixel_outside():
    mask = np.random.default_rng(0).random((7, 11)) > 0.2
    padded = np.pad(mask, 1)
    outside = np.argwhere(~padded)
    for row, column in np.ndindex(mask.shape):
        nearest = np.hypot(*(outside - (row + 1, column + 1)).T).min()
        expected = nearest if mask[row, column] else 0
        assert distance_inside(mask)[row, column] == np.float32(expected)


def test_the_first_click_lies_in_the_middle_of_the_object():
    truth = rectangle((31, 41), 5, 16, 7, 18)
    assert first_click(truth) == Click(12.5, 10.5)
    with pytest.raises(UsageError, match="needs an object of one pixel or more"):
        first_click(truth & False)


def test_the_larger_error_is_clicked_and_of_equal_ones_what_is_too_much():
    size = (31, 61)
    left, right = rectangle(size, 5, 14, 5, 14), rectangle(size, 5, 14, 35, 44)
    assert next_click(right, left) == Click(39.5, 9.5, False)
    larger = rectangle(size, 3, 16, 5, 18)
    assert next_click(right, larger).positive


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_a_perfect_prediction_needs_no_click(protocol):
    truth = rectangle((9, 11), 2, 5, 3, 7)
    assert next_click(truth, truth, protocol=protocol) is None


def test_a_click_is_a_hole_in_the_error_for_interformer_only():
    truth = rectangle((33, 33), 4, 29, 4, 29)  # its middle is (16, 16)
    nothing, clicked = np.zeros_like(truth), [Click(16.5, 16.5)]
    ours = next_click(nothing, truth, clicks=clicked, protocol=INTERFORMER)
    theirs = next_click(nothing, truth, clicks=clicked, protocol=RITM)
    assert max(abs(theirs.x - 16.5), abs(theirs.y - 16.5)) == 1
    assert max(abs(ours.x - 16.5), abs(ours.y - 16.5)) > 3


def test_ritm_takes_the_first_middle_and_interformer_any():
    truth = rectangle((9, 31), 2, 7, 4, 25)  # a bar: its middle is a line
    nothing = np.zeros_like(truth)

    def last(count):
        return count - 1

    assert next_click(nothing, truth, protocol=RITM, pick=last) == Click(6.5, 4.5)
    assert next_click(nothing, truth, protocol=INTERFORMER, pick=last) == Click(22.5, 4.5)


def test_training_clicks_lie_off_the_middle():
    truth = rectangle((45, 45), 2, 43, 2, 43)
    rng = np.random.default_rng(0)
    clicks = [first_click(truth, spread=TRAINING_SPREAD, pick=rng.integers) for _ in range(60)]
    distance = distance_inside(truth)
    reached = [distance[click.pixel(truth.shape)] for click in clicks]
    assert min(reached) > distance.max() / 1.7 and min(reached) < distance.max() / 1.4
    with pytest.raises(UsageError, match=r"1 or more, got 0\.5"):
        first_click(truth, spread=0.5)


def test_ignored_pixels_are_an_error_for_interformer_only():
    truth = rectangle((21, 41), 5, 16, 3, 14)
    prediction, ignored = np.ones_like(truth), np.zeros_like(truth)
    prediction[:, 14:20] = False
    ignored[:, 20:] = True
    assert next_click(prediction, truth, protocol=INTERFORMER, ignored=ignored).x > 20
    assert next_click(prediction, truth, protocol=RITM, ignored=ignored).x < 14


def test_a_dialogue_goes_on_until_its_protocol_ends_it():
    truth = rectangle((41, 61), 10, 31, 10, 41)

    def blob(clicks):
        """A stubborn model: a disk of 9 pixels around each positive click."""
        rows, columns = np.ogrid[:41, :61]
        mask = np.zeros(truth.shape, bool)
        for click in clicks:
            if click.positive:
                mask |= (rows + 0.5 - click.y) ** 2 + (columns + 0.5 - click.x) ** 2 <= 81
        return mask & truth

    long = hold_dialogue(blob, truth, protocol=INTERFORMER, target=0.6, limit=7)
    short = hold_dialogue(blob, truth, protocol=RITM, target=0.6, limit=7)
    assert len(long.clicks) == len(long.ious) == 7
    assert len(short.ious) < 7 and short.ious[-1] >= 0.6 > short.ious[-2]
    assert list(long.ious) == sorted(long.ious)


def test_a_dialogue_ends_when_nothing_is_wrong_and_never_counts_what_is_ignored():
    truth, ignored = rectangle((21, 23), 5, 16, 3, 14), rectangle((21, 23), 0, 21, 0, 5)
    perfect = hold_dialogue(lambda _: truth & ~ignored, truth, ignored=ignored)
    assert perfect.ious == (1.0,)
    with pytest.raises(UsageError, match="one pixel or more, got none"):
        hold_dialogue(lambda _: truth, truth, ignored=~ignored | truth)
