import numpy as np
import pytest
import torch
from torch.nn import functional as F

from maskwright.inference import enlarge
from maskwright.inference.enlarge import enlarged_changes, enlarged_mask, enlarged_probability
from maskwright.structures import rle


def margin(rows, columns, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def enlarged(x, size, seen):
    """Bilinear interpolation, pixel by pixel."""
    out = np.empty(size)
    for r in range(size[0]):
        for c in range(size[1]):
            v = np.clip((r + 0.5) * seen[0] / size[0] / 4 - 0.5, 0, len(x) - 1)
            u = np.clip((c + 0.5) * seen[1] / size[1] / 4 - 0.5, 0, x.shape[1] - 1)
            top, left = int(v), int(u)
            below, right = min(top + 1, len(x) - 1), min(left + 1, x.shape[1] - 1)
            upper = x[top, left] * (1 - u + left) + x[top, right] * (u - left)
            lower = x[below, left] * (1 - u + left) + x[below, right] * (u - left)
            out[r, c] = upper * (1 - v + top) + lower * (v - top)
    return out


@pytest.mark.parametrize(
    "size,seen",
    [((97, 61), (43, 31)), ((5, 7), (43, 31)), ((1, 1), (32, 32)), ((43, 31), (43, 31))],
)
def test_mask_and_probability_are_those_of_bilinear_interpolation(size, seen):
    x = margin(11, 8)
    expected = enlarged(x, size, seen)
    np.testing.assert_array_equal(enlarged_mask(x, size, seen=seen), expected > 0)
    probability = enlarged_probability(x, size, seen=seen)
    assert probability.dtype == np.float32
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-expected)), atol=1e-6)


@pytest.mark.parametrize("level", [-9, -1, 0, 1, 9])
@pytest.mark.parametrize(
    "size,seen",
    [((97, 61), (43, 31)), ((5, 7), (43, 31)), ((1, 1), (32, 32)), ((600, 40), (43, 31))],
)
def test_the_runs_are_those_of_the_mask(size, seen, level, monkeypatch):
    monkeypatch.setattr(enlarge, "_EDGES", 7)
    x = margin(11, 8) + np.float32(level)
    changes = enlarged_changes(x, size, seen=seen)
    assert rle.from_changes(changes, size) == rle.encode(enlarged_mask(x, size, seen=seen))


def test_what_was_seen_as_it_is_gets_torchs_interpolation():
    x = margin(16, 24)
    expected = F.interpolate(torch.from_numpy(x)[None, None], (64, 96), mode="bilinear")[0, 0]
    whole = enlarged_mask(x, (64, 96), seen=(64, 96))
    np.testing.assert_array_equal(whole, expected.numpy() > 0)
    # What was filled up is cut off, and shifts nothing.
    np.testing.assert_array_equal(enlarged_mask(x, (53, 71), seen=(53, 71)), whole[:53, :71])


def test_a_margin_of_zero_is_background():
    assert not enlarged_mask(np.zeros((8, 8), np.float32), (37, 41), seen=(32, 32)).any()


def test_probabilities_are_equal_across_strips():
    x = margin(150, 8)
    tall = enlarged_probability(x, (600, 32), seen=(600, 32))
    np.testing.assert_allclose(
        tall, 1 / (1 + np.exp(-enlarged(x, (600, 32), (600, 32)))), atol=1e-6
    )
