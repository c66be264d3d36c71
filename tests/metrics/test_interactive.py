import numpy as np
import pytest

from maskwright.errors import ShapeError, UsageError
from maskwright.metrics.interactive import (
    Timing,
    at_limit,
    clicks_needed,
    held_on,
    iou,
    is_failure,
    mean_curve,
    noc,
    nof,
    scores,
)

SOON, NEVER, LAST = [0.5, 0.9, 0.8], [0.1] * 20, [0.2] * 19 + [0.95]


def test_iou_counted_pixel_by_pixel():
    rng = np.random.default_rng(0)
    prediction, truth, ignored = rng.random((3, 5, 7)) > 0.4
    both = either = 0
    for p, t, i in zip(prediction.flat, truth.flat, ignored.flat, strict=True):
        both += p and t and not i
        either += (p or t) and not i
    assert iou(prediction, truth, ignored) == both / either
    assert iou(prediction, truth) != both / either


def test_two_empty_masks_agree():
    nothing = np.zeros((2, 3), bool)
    assert iou(nothing, nothing) == 1.0
    assert iou(nothing, ~nothing) == 0.0
    assert iou(~nothing, nothing, ~nothing) == 1.0


def test_masks_of_two_sizes_are_refused():
    with pytest.raises(ShapeError, match=r"the size of the truth, \(2, 3\), got \(3, 2\)"):
        iou(np.zeros((3, 2), bool), np.zeros((2, 3), bool))
    with pytest.raises(ShapeError, match=r"the ignored pixels must have .*got \(1, 3\)"):
        iou(np.zeros((2, 3), bool), np.zeros((2, 3), bool), np.zeros((1, 3), bool))


def test_the_first_click_that_reaches_the_target_counts_though_the_iou_falls_again():
    assert clicks_needed(SOON, 0.9) == 2
    assert clicks_needed(SOON, 0.5) == 1
    assert not is_failure(SOON, 0.9)


def test_what_never_reaches_the_target_counts_as_the_limit_and_as_a_failure():
    assert clicks_needed(NEVER, 0.85) == 20 and is_failure(NEVER, 0.85)
    assert clicks_needed(SOON, 0.95, limit=7) == 7
    assert clicks_needed(LAST, 0.9, limit=10) == 10 and is_failure(LAST, 0.9, limit=10)


def test_the_last_click_is_a_success_but_at_the_limit():
    curves = [SOON, NEVER, LAST]
    assert noc(curves, 0.9) == (2 + 20 + 20) / 3
    assert nof(curves, 0.9) == 1
    assert at_limit(curves, 0.9) == 2


def test_a_curve_that_ended_holds_its_last_value():
    assert held_on(SOON, limit=5).tolist() == [0.5, 0.9, 0.8, 0.8, 0.8]
    assert held_on(SOON, limit=2).tolist() == [0.5, 0.9]
    np.testing.assert_allclose(mean_curve([SOON, [1.0]], limit=4), [0.75, 0.95, 0.9, 0.9])


def test_seconds_per_click_with_and_without_encoding():
    total = Timing(2.0, 0.5, 10) + Timing(1.0, 1.0, 5)
    assert total.spc() == pytest.approx(4.5 / 15)
    assert total.spc(with_encoding=False) == pytest.approx(1.5 / 15)
    with pytest.raises(UsageError, match="need a click, got none"):
        Timing(1.0).spc()


def test_scores_have_the_names_of_the_report():
    found = scores([SOON, NEVER], targets=(0.85, 0.9), timing=Timing(1.0, 1.0, 4))
    assert found == {
        **{"noc85": 11.0, "noc90": 11.0, "nof85": 1, "nof90": 1},
        **{"spc": 0.5, "spc_without_encoding": 0.25},
    }
    assert "spc" not in scores([SOON])


def test_nothing_to_average_is_refused():
    with pytest.raises(UsageError, match="one object or more, got none"):
        noc([], 0.9)
    with pytest.raises(UsageError, match="one click or more, got none"):
        mean_curve([[]])


@pytest.mark.parametrize("target", [0.0, 85.0, float("nan")])
def test_a_target_is_an_iou(target):
    with pytest.raises(UsageError, match=r"an IoU in \(0, 1\], got"):
        noc([SOON], target)
