import colorsys
import math

import numpy as np
import pytest

from maskwright.data.composition import ANY_INTERPOLATION, NEAREST, Sample
from maskwright.data.transforms import (
    Affine,
    cropped,
    deformed,
    draw_affine,
    inverse_matrix,
    jittered,
    mirrored,
    squared,
    with_background_cut,
    with_background_stretched,
)

HEIGHT, WIDTH = 47, 53


def rng(seed=0):
    return np.random.default_rng(seed)


def sample(size=(HEIGHT, WIDTH), background=(59, 61), seed=0):
    draw = rng(seed)
    alpha = draw.random(size, dtype=np.float32)
    alpha[: size[0] // 3] = 0
    trimap = np.where(alpha > 0, 128, 0).astype(np.uint8)
    return Sample(
        draw.integers(0, 256, (*size, 3), dtype=np.uint8),
        alpha,
        draw.integers(0, 256, (*background, 3), dtype=np.uint8),
        trimap,
    )


def test_the_inverse_matrix_undoes_shear_turn_scale_and_flip():
    affine = Affine(rotation=0.3, shear=-0.15, scale=(0.8, 1.25), flip=(-1, 1))
    matrix = inverse_matrix(affine, (HEIGHT, WIDTH))
    t, s = affine.rotation, affine.shear
    centre = np.array([WIDTH / 2 + 0.5, HEIGHT / 2 + 0.5])
    turn = np.array([[math.cos(t + s), -math.sin(t + s)], [math.sin(t), math.cos(t)]])
    for point in ([0.0, 0.0], [13.0, 7.0], [52.0, 46.0]):
        source = matrix @ [*point, 1]
        x, y = source - centre  # stretched and flipped first, then sheared and turned
        forward = centre + turn @ [x * 0.8 * -1, y * 1.25 * 1]
        np.testing.assert_allclose(forward, point, atol=1e-9)


def test_no_turn_stretch_shear_or_flip_is_the_identity():
    still = Affine(rotation=0.0, shear=0.0, scale=(1.0, 1.0), flip=(1, 1))
    np.testing.assert_array_equal(inverse_matrix(still, (HEIGHT, WIDTH)), [[1, 0, 0], [0, 1, 0]])


def test_only_large_images_are_turned():
    assert draw_affine(rng(), (1023, 1021)).rotation == 0
    assert draw_affine(rng(), (1024, 7)).rotation != 0


def test_affine_draws_stay_in_the_published_ranges():
    draws = [draw_affine(rng(seed), (2000, 7)) for seed in range(200)]
    assert max(abs(d.rotation) for d in draws) <= math.radians(30)
    assert max(abs(d.shear) for d in draws) <= math.radians(10)
    assert min(min(d.scale) for d in draws) >= 0.8
    assert max(max(d.scale) for d in draws) <= 1.25
    assert {d.flip for d in draws} == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


def test_deformed_reads_each_pixel_where_the_matrix_points():
    one = sample()
    moved = deformed(one, rng(3), interpolations=NEAREST)
    draw = rng(3)
    matrix = inverse_matrix(draw_affine(draw, one.size), one.size)
    agree = total = 0
    for y in range(HEIGHT):
        for x in range(WIDTH):
            u, v = matrix @ [x, y, 1]
            if abs(u % 1 - 0.5) < 0.1 or abs(v % 1 - 0.5) < 0.1:
                continue  # OpenCV rounds positions to 1/32 pixel; keep away from the ties
            column, row = round(u), round(v)
            inside = 0 <= row < HEIGHT and 0 <= column < WIDTH
            total += 1
            agree += moved.alpha[y, x] == (one.alpha[row, column] if inside else 0)
    assert total > 1000
    assert agree == total


def test_mirrored_twice_is_the_sample():
    one = sample()
    twice = mirrored(mirrored(one))
    np.testing.assert_array_equal(twice.alpha, one.alpha)
    np.testing.assert_array_equal(twice.foreground, one.foreground)
    assert not np.array_equal(mirrored(one).alpha, one.alpha)


def test_squared_is_a_square_and_leaves_the_background():
    whole = sample()
    whole = Sample(whole.foreground, whole.alpha, whole.background)
    one = squared(whole, rng(), side_px=41, interpolations=ANY_INTERPOLATION)
    assert one.foreground.shape == (41, 41, 3)
    assert one.alpha.shape == (41, 41)
    assert one.background.shape == (59, 61, 3)


def test_a_stretched_background_has_the_foregrounds_size():
    one = with_background_stretched(sample(), rng(), interpolations=NEAREST)
    assert one.background.shape == (HEIGHT, WIDTH, 3)


def test_a_cut_background_is_its_top_left_at_native_scale():
    one = sample()
    np.testing.assert_array_equal(
        with_background_cut(one).background, one.background[:HEIGHT, :WIDTH]
    )


def test_a_small_background_is_enlarged_before_it_is_cut():
    one = with_background_cut(sample(background=(23, 37)))
    assert one.background.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("stride_px", [1, 4])
def test_a_crop_is_centred_on_an_unknown_pixel(stride_px):
    one = sample((113, 127), (113, 127))
    trimap = np.zeros((113, 127), np.uint8)
    trimap[60:76, 44:60] = 128
    one = Sample(one.foreground, one.alpha, one.background, trimap)
    for seed in range(20):
        crop = cropped(one, rng(seed), side_px=32, stride_px=stride_px, interpolations=NEAREST)
        assert crop.foreground.shape == crop.background.shape == (32, 32, 3)
        assert crop.trimap[16, 16] == 128


def test_with_few_unknown_pixels_the_crop_lies_anywhere():
    one = sample((113, 127), (113, 127))
    trimap = np.zeros((113, 127), np.uint8)
    trimap[0, 0] = 128
    one = Sample(one.foreground, one.alpha, one.background, trimap)
    crops = [
        cropped(one, rng(seed), side_px=31, stride_px=1, interpolations=NEAREST)
        for seed in range(9)
    ]
    assert len({float(crop.alpha.mean()) for crop in crops}) > 3


def test_without_an_unknown_pixel_the_whole_sample_is_resized():
    one = sample((113, 127), (113, 127))
    one = Sample(one.foreground, one.alpha, one.background, np.zeros((113, 127), np.uint8))
    crop = cropped(one, rng(), side_px=31, stride_px=1, interpolations=NEAREST)
    assert crop.alpha.shape == (31, 31)
    np.testing.assert_array_equal(crop.foreground[0, 0], one.foreground[0, 0])


@pytest.mark.parametrize("size", [(31, 127), (29, 37), (97, 31)])
def test_a_sample_not_larger_than_the_crop_is_enlarged(size):
    one = sample(size, size)
    crop = cropped(one, rng(), side_px=31, stride_px=4, interpolations=ANY_INTERPOLATION)
    assert crop.alpha.shape == (31, 31)
    assert set(np.unique(crop.trimap)) <= {0, 128}


@pytest.mark.parametrize("seed", range(6))
def test_jitter_in_hsv_written_out(seed):
    one = sample((7, 11), (7, 11))
    one.foreground[4:] //= 40  # near black and, next to it, near grey and near white:
    one.foreground[5] += 120  # what leaves [0, 1] at either end is reflected
    one.foreground[6] += 247
    moved = jittered(one, rng(seed)).foreground
    draw = rng(seed)
    turn = int(draw.integers(-40, 40))
    hsv = np.array([
        [colorsys.rgb_to_hsv(*(pixel / 255)) for pixel in row] for row in one.foreground
    ])
    shift = []
    for channel in (1, 2):
        seen = [hsv[r, c, channel] for r in range(7) for c in range(11) if one.alpha[r, c] > 0]
        shift.append(draw.uniform(-1, 1) * (1.1 - sum(seen) / len(seen)) / 10)
    for r in range(7):
        for c in range(11):
            h, s, v = hsv[r, c]
            s, v = (abs(x + d) for x, d in zip((s, v), shift, strict=True))
            s, v = (2 - x if x > 1 else x for x in (s, v))
            expected = colorsys.hsv_to_rgb((h + turn / 360) % 1, s, v)
            np.testing.assert_allclose(moved[r, c] / 255, expected, atol=2e-5)


def test_an_invisible_foreground_is_not_jittered():
    one = sample()
    hidden = Sample(one.foreground, np.zeros_like(one.alpha), one.background, one.trimap)
    assert jittered(hidden, rng()) is hidden
