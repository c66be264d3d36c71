import warnings

import cv2
import numpy as np
import pytest

import maskwright.image.foreground as foreground_module
from maskwright.errors import ShapeError, UsageError
from maskwright.image.foreground import EPSILON, estimate_foreground, estimate_layers

HEIGHT, WIDTH = 7, 11
LARGE = (293, 307)  # more than DENSE_PIXELS


def mixed(alpha, colours, behind):
    return alpha[..., None] * colours + (1 - alpha[..., None]) * behind


def soft_error(estimate, truth, alpha):
    """Return the mean error that shows once composited, on a scale of 0 to 255."""
    soft = (alpha > 0) & (alpha < 1)
    return 255 * float((alpha[..., None] * np.abs(estimate - truth))[soft].mean())


def pymatting_foreground(image, alpha):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba warns while it compiles
        pymatting = pytest.importorskip("pymatting")
        return pymatting.estimate_foreground_ml(image.astype(np.float64), alpha.astype(np.float64))


def energy_terms(image, alpha):
    """Write the paper's energy as rows of a least squares problem in (F, B), pixel by pixel."""
    height, width = alpha.shape
    rows, right = [], []

    def unknown(layer, y, x):
        return (layer * height + y) * width + x

    for y in range(height):
        for x in range(width):
            row = np.zeros(2 * alpha.size)
            row[unknown(0, y, x)], row[unknown(1, y, x)] = alpha[y, x], 1 - alpha[y, x]
            rows.append(row)
            right.append(image[y, x])
            for down, across in ((1, 0), (0, 1)):
                if y + down == height or x + across == width:
                    continue
                step = alpha[y, x] - alpha[y + down, x + across]
                for layer in (0, 1):
                    row = np.zeros(2 * alpha.size)
                    weight = np.sqrt(2 * (EPSILON + abs(step)))  # the sum meets each pair twice
                    row[unknown(layer, y, x)] = weight
                    row[unknown(layer, y + down, x + across)] = -weight
                    rows.append(row)
                    right.append(np.zeros(3))
    return np.array(rows), np.array(right)


def test_the_layers_come_close_to_the_least_energy_written_out():
    rng = np.random.default_rng(0)
    alpha = cv2.GaussianBlur(rng.uniform(0.1, 0.9, (HEIGHT, WIDTH)), (0, 0), 1)
    colours = rng.uniform(0.2, 0.8, (2, 1, 1, 3)) + rng.uniform(0, 0.02, (2, HEIGHT, WIDTH, 3))
    image = mixed(alpha, *colours)
    rows, right = energy_terms(image, alpha)
    least = np.linalg.lstsq(rows, right)[0]
    layers = np.concatenate([layer.reshape(-1, 3) for layer in estimate_layers(image, alpha)])

    def energy(solution):
        return float(((rows @ solution - right) ** 2).sum())

    start = np.concatenate([image.reshape(-1, 3)] * 2)
    assert energy(layers) - energy(least) < 0.02 * (energy(start) - energy(least))


def test_colours_are_found_again_where_both_layers_are_of_one_colour():
    alpha = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    colours, behind = np.float32([0.2, 0.9, 0.4]), np.float32([0.7, 0.1, 0.5])
    layers = estimate_layers(mixed(alpha, colours, behind), alpha)
    np.testing.assert_allclose(layers[0], np.broadcast_to(colours, layers[0].shape), atol=0.01)
    np.testing.assert_allclose(layers[1], np.broadcast_to(behind, layers[1].shape), atol=0.01)


@pytest.mark.parametrize("size", [(131, 137), LARGE])
def test_known_pixels_are_copied_and_mixing_again_gives_the_image(size, hair):
    alpha, colours, behind = hair(size)
    image = mixed(alpha, colours, behind)
    foreground, background = estimate_layers(image, alpha)
    assert foreground.dtype == background.dtype == np.float32
    assert (foreground[alpha == 1] == image[alpha == 1]).all()
    assert (background[alpha == 0] == image[alpha == 0]).all()
    assert np.abs(mixed(alpha, foreground, background) - image).mean() < 0.5 / 255


@pytest.mark.parametrize("size", [(131, 137), LARGE])
def test_hair_shows_a_small_part_of_the_error_of_raw_colours(size, hair):
    alpha, colours, behind = hair(size)
    image = mixed(alpha, colours, behind)
    estimate = estimate_foreground(image, alpha)
    assert soft_error(estimate, colours, alpha) < soft_error(image, colours, alpha) / 8


def test_hair_is_nearer_to_the_truth_than_pymatting_and_not_far_from_it(hair):
    for seed in (1, 2):
        alpha, colours, behind = hair(LARGE, seed=seed)
        image = mixed(alpha, colours, behind)
        oracle = pymatting_foreground(image, alpha)
        estimate = estimate_foreground(image, alpha)
        assert soft_error(estimate, colours, alpha) < 0.7 * soft_error(oracle, colours, alpha)
        assert soft_error(estimate, oracle, alpha) < 3


def test_strips_change_nothing(monkeypatch, hair):
    alpha, colours, behind = hair(LARGE)
    image = mixed(alpha, colours, behind)
    whole = estimate_layers(image, alpha)
    monkeypatch.setattr(foreground_module, "STRIP_PIXELS", 19 * LARGE[1])
    for layer, in_strips in zip(whole, estimate_layers(image, alpha), strict=True):
        np.testing.assert_array_equal(layer, in_strips)


def test_transparent_pixels_take_the_colour_of_the_foreground_beside_them(hair):
    alpha, colours, behind = hair(LARGE)
    estimate = estimate_foreground(mixed(alpha, colours, behind), alpha)
    near = (alpha == 0) & (cv2.dilate(alpha, np.ones((7, 7))) > 0)
    assert np.abs(estimate - colours)[near].mean() < np.abs(behind - colours)[near].mean() / 5


def test_a_cut_out_resized_channel_by_channel_shows_no_fringe(hair):
    alpha, colours, behind = hair(LARGE)
    image = mixed(alpha, colours, behind)

    def shown(foreground):
        """Return the half-size cut-out on black, its colours shrunk without regard to alpha."""
        size = (LARGE[1] // 2, LARGE[0] // 2)
        layers = [cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (foreground, alpha)]
        return layers[0] * layers[1][..., None]

    fringe = [
        np.abs(shown(x) - shown(colours)).mean() for x in (image, estimate_foreground(image, alpha))
    ]
    assert fringe[1] < fringe[0] / 5


@pytest.mark.parametrize("value", [0, 1])
def test_an_alpha_without_foreground_or_without_background_gives_finite_colours(value):
    image = np.random.default_rng(0).random((HEIGHT, WIDTH, 3), np.float32)
    foreground, background = estimate_layers(image, np.full((HEIGHT, WIDTH), value, np.float32))
    known, open_ = (foreground, background) if value else (background, foreground)
    assert (known == image).all()
    assert (open_ >= image.min()).all()
    assert (open_ <= image.max()).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (1, 13), (17, 1)])
def test_the_smallest_photos_have_colours(size):
    rng = np.random.default_rng(0)
    layers = estimate_layers(rng.random((*size, 3)), rng.random(size))
    for layer in layers:
        assert layer.shape == (*size, 3)
        assert (layer >= 0).all()
        assert (layer <= 1).all()


def test_64_bit_views_and_32_bit_arrays_give_the_same_and_are_not_changed(hair):
    alpha, colours, behind = hair((53, 59))
    image = mixed(alpha, colours, behind)
    wide = np.asfortranarray(image.astype(np.float64)), np.asfortranarray(alpha.astype(np.float64))
    copies = wide[0].copy(), wide[1].copy()
    np.testing.assert_array_equal(estimate_foreground(image, alpha), estimate_foreground(*wide))
    np.testing.assert_array_equal(wide[0], copies[0])
    np.testing.assert_array_equal(wide[1], copies[1])


@pytest.mark.parametrize(
    ("image", "alpha", "error", "message"),
    [
        (np.zeros((7, 11, 3)), np.zeros((11, 7)), ShapeError, r"got \(7, 11, 3\) and \(11, 7\)"),
        (np.zeros((0, 11, 3)), np.zeros((0, 11)), ShapeError, "of the same size"),
        (np.full((7, 11, 3), 255.0), np.zeros((7, 11)), UsageError, "image must lie in .* to 255"),
        (
            np.zeros((7, 11, 3)),
            np.full((7, 11), -0.5),
            UsageError,
            "alpha must lie in .* from -0.5",
        ),
        (np.zeros((7, 11, 3)), np.full((7, 11), np.nan), UsageError, "alpha must lie in .* nan"),
    ],
)
def test_impossible_input_is_refused(image, alpha, error, message):
    for function in (estimate_foreground, estimate_layers):
        with pytest.raises(error, match=message):
            function(image, alpha)
