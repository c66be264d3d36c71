from dataclasses import replace

import cv2
import numpy as np
import pytest

from maskwright.data.composition import ANY_INTERPOLATION, NEAREST, Sample, composite, joined, pick
from maskwright.data.foreground import Foreground
from maskwright.errors import ShapeError

HEIGHT, WIDTH = 11, 13


def foreground(seed, size=(HEIGHT, WIDTH)):
    rng = np.random.default_rng(seed)
    colour = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    return Foreground(colour, rng.random(size, dtype=np.float32))


def sample(seed=0):
    front = foreground(seed)
    return Sample(front.colour, front.alpha, foreground(seed + 50).colour)


@pytest.mark.parametrize("weighted", [False, True])
def test_joint_alpha_and_colour_written_out(weighted):
    one, two = sample(), foreground(1)
    rng = np.random.default_rng(0)
    both = joined(one, two, rng, interpolations=NEAREST, weighted=weighted)
    for r in range(HEIGHT):
        for c in range(WIDTH):
            a, b = float(one.alpha[r, c]), float(two.alpha[r, c])
            alpha = 1 - (1 - a) * (1 - b)
            assert both.alpha[r, c] == pytest.approx(alpha, abs=1e-6)
            for k in range(3):
                f, g = float(one.foreground[r, c, k]), float(two.colour[r, c, k])
                colour = (
                    (f * a + g * (1 - a) * b) / (alpha + 1e-5) if weighted else f * a + g * (1 - a)
                )
                assert colour - 1.01 <= both.foreground[r, c, k] <= colour + 0.01


def test_the_second_foreground_takes_the_size_of_the_first():
    two = foreground(1, (17, 19))
    both = joined(
        sample(), two, np.random.default_rng(0), interpolations=ANY_INTERPOLATION, weighted=True
    )
    assert both.size == (HEIGHT, WIDTH)
    assert both.foreground.dtype == np.uint8


def test_two_that_would_cover_everything_stay_apart():
    full = replace(sample(), alpha=np.ones((HEIGHT, WIDTH), np.float32))
    rng = np.random.default_rng(0)
    assert joined(full, foreground(1), rng, interpolations=NEAREST, weighted=False) is full


def test_a_composite_is_the_compositing_equation_after_clipping():
    one = sample()
    one = replace(
        one,
        alpha=(one.alpha * 1.4 - 0.2).astype(np.float32),
        foreground=one.foreground.astype(np.float32) * 1.2 - 20,
    )
    whole = composite(one)
    for r in range(HEIGHT):
        for c in range(WIDTH):
            a = min(max(float(one.alpha[r, c]), 0), 1)
            for k in range(3):
                f = min(max(float(one.foreground[r, c, k]), 0), 255)
                expected = a * f + (1 - a) * float(one.background[r, c, k])
                assert whole.image[r, c, k] == pytest.approx(expected, abs=1e-3)
    assert whole.alpha.min() == 0
    assert whole.foreground.max() == 255


def test_every_interpolation_is_drawn():
    rng = np.random.default_rng(0)
    assert {pick(rng, ANY_INTERPOLATION) for _ in range(60)} == set(ANY_INTERPOLATION)
    assert {pick(rng, NEAREST) for _ in range(9)} == {cv2.INTER_NEAREST}


def test_colour_and_alpha_must_agree_in_size():
    with pytest.raises(ShapeError, match=r"one size, got \(5, 7\) and \(7, 5\); resize"):
        Foreground(np.zeros((5, 7, 3), np.uint8), np.zeros((7, 5), np.float32))
