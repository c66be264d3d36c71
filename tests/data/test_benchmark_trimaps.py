import math
from pathlib import Path

import numpy as np
import pytest

from maskwright.data.benchmark_trimaps import (
    banded_trimap,
    drawn_trimap,
    snapped,
    standard_trimap,
    trimap_of,
)
from maskwright.data.matting import BenchmarkRow
from maskwright.errors import UsageError
from maskwright.image.io import write_image

HEIGHT, WIDTH = 23, 29


def picture():
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[5:19, 11:] = 255
    alpha[3, 4] = 1
    alpha[12, 20] = 254
    return alpha


def test_each_side_keeps_its_distance_from_what_is_not_sure():
    alpha = picture()
    trimap = banded_trimap(alpha, foreground_px=2.5, background_px=4.0)
    others = {sure: np.argwhere(alpha != sure).tolist() for sure in (0, 255)}
    for row in range(HEIGHT):
        for column in range(WIDTH):
            expected = 128
            for sure, reach in ((255, 2.5), (0, 4.0)):
                nearest = min(math.dist((row, column), other) for other in others[sure])
                if alpha[row, column] == sure and nearest > reach:
                    expected = sure
            assert trimap[row, column] == expected, (row, column)


def test_an_alpha_of_one_kind_has_no_band():
    for value in (0, 255):
        alpha = np.full((HEIGHT, WIDTH), value, np.uint8)
        assert (banded_trimap(alpha, foreground_px=9.0, background_px=9.0) == value).all()


def test_a_negative_band_is_refused():
    with pytest.raises(UsageError, match="a band must be 0 pixels or wider, got -1"):
        banded_trimap(picture(), foreground_px=-1.0, background_px=2.0)


def test_the_standard_band_is_one_percent_of_the_shorter_side_and_a_pixel_at_least():
    step = np.zeros((701, 809), np.uint8)
    step[:, 400:] = 255
    assert (standard_trimap(step)[350] == 128).sum() == 2 * 7
    assert (standard_trimap(step[:31])[15] == 128).sum() == 2


def test_drawn_bands_differ_and_never_call_a_soft_pixel_known():
    alpha = np.zeros((701, 809), np.uint8)
    alpha[:, 400:] = 255
    alpha[:, 396:400] = 99
    widths = set()
    for seed in range(7):
        row = drawn_trimap(alpha, np.random.default_rng(seed))[350]
        assert (row[396:400] == 128).all()
        inner, outer = (row[400:] == 128).sum(), (row[:396] == 128).sum()
        assert 1 <= inner <= 14 * 701 / 640 and 1 <= outer <= 14 * 701 / 640
        widths.add((int(inner), int(outer)))
    assert len(widths) > 4


def test_a_drawn_band_is_a_pixel_wide_at_least():
    step = np.zeros((HEIGHT, WIDTH), np.uint8)
    step[:, 14:] = 255
    for seed in range(5):
        row = drawn_trimap(step, np.random.default_rng(seed))[11]
        assert row[13] == row[14] == 128


def test_only_the_noise_of_a_jpeg_is_taken_for_sure():
    alpha = np.array([[0, 5, 6, 249, 250, 255]], np.uint8)
    assert snapped(alpha, Path("a.JPG")).tolist() == [[0, 0, 6, 249, 255, 255]]
    assert snapped(alpha, Path("a.png")).tolist() == alpha.tolist()


def test_an_image_without_a_trimap_gets_the_standard_one(tmp_path):
    alpha = picture()
    write_image(tmp_path / "a.png", alpha)
    write_image(tmp_path / "t.png", np.full((HEIGHT, WIDTH), 128, np.uint8))
    row = BenchmarkRow("a", tmp_path / "a.png", None, tmp_path / "a.png")
    np.testing.assert_array_equal(trimap_of(row), standard_trimap(alpha))
    own = BenchmarkRow("a", tmp_path / "a.png", tmp_path / "t.png", tmp_path / "a.png")
    assert (trimap_of(own) == 128).all()
