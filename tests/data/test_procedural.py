import cv2
import numpy as np
import pytest

from maskwright.data.procedural import KINDS, draw, draw_background, layers
from maskwright.data.procedural.layers import filled, layer, over, spread_colour
from maskwright.data.procedural.noise import blurred, detail, noise_bands, smooth_noise
from maskwright.data.procedural.strands import Strands, draw_strands
from maskwright.errors import UsageError

HEIGHT, WIDTH = 83, 97


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_background_and_a_soft_part(kind):
    drawn = [draw(kind, (HEIGHT, WIDTH), seed) for seed in range(3)]
    for foreground in drawn:
        assert foreground.colour.shape == (HEIGHT, WIDTH, 3)
        assert foreground.alpha.min() == 0
        assert foreground.alpha.max() <= 1
    soft = [((f.alpha > 0.02) & (f.alpha < 0.98)).mean() for f in drawn]
    assert max(soft) > 0.005
    assert max(f.alpha.max() for f in drawn) > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_pixels_and_others_do_not(kind):
    one, same, other = (draw(kind, (HEIGHT, WIDTH), seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.colour, same.colour)
    np.testing.assert_array_equal(one.alpha, same.alpha)
    assert not np.array_equal(one.alpha, other.alpha)


def test_any_draws_more_than_one_kind():
    sizes = {draw("any", (41, 37), seed).alpha.mean().round(4) for seed in range(5)}
    assert len(sizes) > 1


def test_a_background_is_not_flat():
    scene = draw_background((HEIGHT, WIDTH), 3)
    assert scene.shape == (HEIGHT, WIDTH, 3)
    assert scene.std() > 1


def test_an_unknown_kind_is_refused():
    with pytest.raises(UsageError, match="kind must be one of hair, fur.* or any, got 'wool'"):
        draw("wool", (HEIGHT, WIDTH), 0)


def test_a_tiny_size_is_refused():
    with pytest.raises(UsageError, match="32 or more pixels per side, got 31 x 97"):
        draw("hair", (31, 97), 0)


def test_a_filled_box_covers_as_much_of_a_pixel_as_it_overlaps():
    box = np.array([[1.25, 1.0], [3.0, 1.0], [3.0, 2.0], [1.25, 2.0]])
    share = filled(box, (5, 7), scale=4)
    # OpenCV fills the samples on the outline too: up to one sample, a quarter pixel, too many.
    assert 0.7 <= share[1, 1] <= 1
    assert share[1, 2] == 1
    assert share[3:].max() == 0
    assert share[:, 4:].max() == 0


def test_over_is_porter_and_duff():
    rng = np.random.default_rng(0)
    top = layer(rng.random((5, 7, 3)), rng.random((5, 7)))
    bottom = layer(rng.random((5, 7, 3)), rng.random((5, 7)))
    stack = over(top, bottom.copy())  # it works in the place of the bottom
    for row in range(5):
        for column in range(7):
            for c in range(4):
                expected = top[row, column, c] + bottom[row, column, c] * (1 - top[row, column, 3])
                assert abs(stack[row, column, c] - expected) < 1e-6


def test_colour_is_taken_apart_where_alpha_is_large_and_carried_on_elsewhere():
    alpha = np.zeros((31, 37), np.float32)
    alpha[:, :13] = 0.5
    colour = spread_colour(layer(np.array([0.2, 0.4, 0.8], np.float32), alpha))
    np.testing.assert_allclose(colour[:, :13].reshape(-1, 3) - [0.2, 0.4, 0.8], 0, atol=1e-5)
    np.testing.assert_allclose(colour[:, 13:].mean((0, 1)), [0.2, 0.4, 0.8], atol=0.02)


def test_a_strand_covers_about_its_width_and_never_more_than_its_opacity():
    points = np.stack([np.linspace(2, 40, 11), np.full(11, 20.3)], -1)[None]
    white = np.ones((1, 3))
    strand = Strands(
        points, np.full((1, 11), 3.0), colours=white, tips=white, opacity=np.array([0.6])
    )
    alpha = draw_strands(strand, (41, 43), sheets=1)[..., 3]
    assert alpha.max() == pytest.approx(0.6, abs=0.01)
    assert alpha[:, 20].sum() / 0.6 == pytest.approx(3.0, abs=0.3)


def test_a_fading_strand_is_fainter_at_its_tip_and_changes_colour():
    points = np.stack([np.linspace(2, 40, 13), np.full(13, 20.5)], -1)[None]
    fading = Strands(
        points,
        np.full((1, 13), 5.0),
        colours=np.array([[1.0, 0.0, 0.0]]),
        tips=np.array([[0.0, 1.0, 0.0]]),
        opacity=np.array([0.9]),
        fade=0.6,
    )
    row = draw_strands(fading, (41, 43), sheets=1, pieces=3)[20]
    for column, t in ((5, 1 / 6), (21, 3 / 6), (36, 5 / 6)):
        alpha = 0.9 * (1 - 0.6 * t)
        np.testing.assert_allclose(row[column], [alpha * (1 - t), alpha * t, 0, alpha], atol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_drawn_in_bands_of_rows_shows_no_seam(kind, monkeypatch):
    whole = draw(kind, (HEIGHT, WIDTH), 2)
    monkeypatch.setattr(layers, "CANVAS_BYTES", 1)  # 16 rows to a band
    parts = draw(kind, (HEIGHT, WIDTH), 2)
    apart = np.abs(whole.alpha - parts.alpha)
    # Where a band cuts an outline, OpenCV rounds it anew: one of the 4 x 4 samples, here and there.
    assert apart.max() < 0.3
    assert apart.mean() < 4e-3
    shows = whole.alpha > 0.2
    assert np.abs(whole.colour[shows].astype(int) - parts.colour[shows]).mean() < 1


def test_bands_cover_every_row_once():
    for size in ((1, 7), (16, 31), (4001, 6007)):
        rows = [r for top, end in layers.bands(size, bytes_per_pixel=64) for r in range(top, end)]
        assert rows == list(range(size[0]))


def test_noise_by_bands_is_the_noise_of_the_whole():
    size = (61, 89)
    whole = smooth_noise(np.random.default_rng(3), size, 4.0)
    band = noise_bands(np.random.default_rng(3), size, 4.0)
    parts = np.concatenate([band(0, 7), band(7, 40), band(40, 61)])
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_large_pictures_have_more_detail_and_small_ones_stay_as_they_are():
    assert detail((640, 900)) == detail((1024, 1025)) == 1
    assert detail((4096, 6000)) == 4


def test_a_wide_blur_of_a_large_picture_is_the_same_blur():
    picture = np.zeros((1031, 1033, 3), np.float32)
    picture[300:700, 200:650] = 1
    cv2_blur = cv2.GaussianBlur(picture, (0, 0), 50.0)
    np.testing.assert_allclose(blurred(picture, 50.0), cv2_blur, atol=0.015)
    np.testing.assert_array_equal(blurred(picture, 9.0), cv2.GaussianBlur(picture, (0, 0), 9.0))
