from dataclasses import replace

import numpy as np
import pytest
import torch

from maskwright.data.augmentation import A2U, MEMATTE, augment, tensors
from maskwright.data.composition import (
    ANY_INTERPOLATION,
    NEAREST,
    Sample,
    composite,
    joined,
)
from maskwright.data.foreground import Foreground
from maskwright.data.procedural import draw, draw_background
from maskwright.data.transforms import (
    cropped,
    deformed,
    jittered,
    mirrored,
    squared,
    with_background_cut,
    with_background_stretched,
)
from maskwright.data.trimaps import random_trimap

PLANS = {"mematte": MEMATTE, "a2u": A2U}
CROP = 61


def small(plan):
    return replace(plan, crop_px=CROP, square_px=83, trimap_px=plan.trimap_px and 83)


def second(rng):
    return draw("smoke", (67, 71), rng)


def composed(plan, seed):
    return augment(started(), np.random.default_rng(seed), plan=small(plan), second=second)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_equal_seeds_give_equal_samples(plan):
    one, same, other = (tensors(composed(plan, seed)) for seed in (3, 3, 4))
    for key, value in one.items():
        torch.testing.assert_close(value, same[key], rtol=0, atol=0)
    assert not torch.equal(one["image"], other["image"])


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_sample_obeys_the_compositing_equation(plan):
    for seed in range(9):
        t = tensors(composed(plan, seed))
        expected = t["alpha"] * t["foreground"] + (1 - t["alpha"]) * t["background"]
        torch.testing.assert_close(t["image"], expected, rtol=0, atol=1e-5)
        assert t["image"].shape == (3, CROP, CROP)
        assert t["image"].min() >= 0
        assert t["image"].max() <= 1
        assert set(t["trimap"].unique().tolist()) <= {0.0, 128.0, 255.0}
        torch.testing.assert_close(t["unknown"], (t["trimap"] == 128).float())


def started():
    fur = draw("fur", (97, 101), 1)
    return Sample(fur.colour, fur.alpha, draw_background((79, 89), 2))


def assert_equal(one, other):
    for name in ("image", "foreground", "background", "alpha", "trimap"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("seed", range(6))
def test_the_steps_of_mematte_in_order(seed):
    rng, s, ways = np.random.default_rng(seed), started(), ANY_INTERPOLATION
    if rng.random() < 0.5:
        s = joined(s, second(rng), rng, interpolations=ways, weighted=False)
    if rng.random() < 0.25:
        s = squared(s, rng, side_px=83, interpolations=ways)
    s = deformed(s, rng, interpolations=ways)
    s = replace(s, trimap=random_trimap(s.alpha, rng, side_px=83, interpolations=ways))
    s = with_background_stretched(s, rng, interpolations=ways)
    s = cropped(s, rng, side_px=CROP, stride_px=4, interpolations=ways)
    assert_equal(composite(jittered(s, rng)), composed(MEMATTE, seed))


@pytest.mark.parametrize("seed", range(6))
def test_the_steps_of_a2u_in_order(seed):
    rng, s, ways = np.random.default_rng(seed), started(), NEAREST
    if rng.random() < 0.5:
        s = joined(s, second(rng), rng, interpolations=ways, weighted=True)
    if rng.random() < 0.25:
        s = squared(s, rng, side_px=83, interpolations=ways)
    s = deformed(s, rng, interpolations=ways)
    if rng.random() < 0.5:
        s = mirrored(s)
    s = with_background_cut(replace(s, trimap=random_trimap(s.alpha, rng)))
    s = cropped(s, rng, side_px=CROP, stride_px=1, interpolations=ways)
    assert_equal(composite(jittered(s, rng)), composed(A2U, seed))


def test_a2u_never_smooths_alpha():
    fur = draw("fur", (97, 101), 1)
    hard = Foreground(fur.colour, (fur.alpha > 0.5).astype(np.float32))
    start = Sample(hard.colour, hard.alpha, draw_background((79, 89), 2))
    plan = replace(small(A2U), joint_probability=0.0)
    for seed in range(5):
        done = augment(start, np.random.default_rng(seed), plan=plan, second=second)
        assert set(np.unique(done.alpha)) <= {0.0, 1.0}


def test_a_second_foreground_is_asked_for_half_the_time():
    asked = []

    def counted(rng):
        asked.append(1)
        return second(rng)

    fur = draw("fur", (41, 43), 1)
    start = Sample(fur.colour, fur.alpha, draw_background((41, 43), 2))
    plan = replace(small(A2U), crop_px=31)
    for seed in range(40):
        augment(start, np.random.default_rng(seed), plan=plan, second=counted)
    assert 10 < len(asked) < 30


def test_the_published_parameters():
    assert (MEMATTE.crop_px, MEMATTE.trimap_px, MEMATTE.crop_stride_px) == (512, 640, 4)
    assert (A2U.crop_px, A2U.trimap_px, A2U.crop_stride_px) == (512, None, 1)
    assert A2U.joint_weighted
    assert not MEMATTE.joint_weighted
