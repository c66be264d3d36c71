import numpy as np
import pytest
from PIL import Image

from maskwright.errors import ShapeError, UsageError
from maskwright.image.colour import from_float, to_float
from maskwright.image.compose import compose, cover, parse_colour
from maskwright.image.foreground import estimate_foreground

HEIGHT, WIDTH = 5, 7


@pytest.fixture
def layers():
    rng = np.random.default_rng(0)
    colours, behind = rng.random((2, HEIGHT, WIDTH, 3), np.float32)
    alpha = rng.random((HEIGHT, WIDTH), np.float32)
    alpha[0], alpha[1] = 0, 1
    return colours, alpha, behind


def test_the_equation_written_out(layers):
    colours, alpha, behind = layers
    composed = compose(colours, alpha, behind)
    assert composed.dtype == np.float32
    for y in range(HEIGHT):
        for x in range(WIDTH):
            for channel in range(3):
                front, back = colours[y, x, channel], behind[y, x, channel]
                expected = alpha[y, x] * front + (1 - alpha[y, x]) * back
                assert composed[y, x, channel] == pytest.approx(expected, abs=1e-6)


def test_known_pixels_are_exactly_one_of_the_two(layers):
    colours, alpha, behind = layers
    composed = compose(colours, alpha, behind)
    assert (composed[0] == behind[0]).all()
    assert (composed[1] == colours[1]).all()


def test_one_colour_stands_for_a_picture_of_it(layers):
    colours, alpha, _ = layers
    colour = np.array([0.1, 0.2, 0.3])
    picture = np.broadcast_to(colour, colours.shape)
    np.testing.assert_array_equal(compose(colours, alpha, colour), compose(colours, alpha, picture))


@pytest.mark.parametrize("background", ["black", "white", "#2060e0"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_cut_out_shows_no_fringe_on_any_colour(background, dtype, hair):
    alpha, colours, behind = hair((127, 131))
    alpha = to_float(from_float(alpha, dtype))
    photo = from_float(compose(colours, alpha, behind), dtype)
    estimate = from_float(estimate_foreground(to_float(photo), alpha), dtype)
    colour = parse_colour(background)
    truth = compose(colours, alpha, colour)
    soft = (alpha > 0) & (alpha < 1)

    def error(cut_out):
        return np.abs(compose(to_float(cut_out), alpha, colour) - truth)[soft].mean()

    assert error(estimate) < error(photo) / 6
    assert error(estimate) < 1.5 / 255


def test_a_picture_covers_from_its_middle():
    columns = np.broadcast_to(np.arange(13, dtype=np.float32)[:, None] / 13, (HEIGHT, 13, 3))
    covered = cover(columns, (HEIGHT, WIDTH))
    np.testing.assert_array_equal(covered, columns[:, 3:10])


@pytest.mark.parametrize("size", [(3, 29), (29, 3), (61, 67), (1, 1), (10, 14)])
def test_a_picture_covers_any_size_without_being_stretched(size):
    y, x = np.mgrid[:23, :31].astype(np.float32)
    picture = np.stack([y / 31, x / 31, 0 * x], axis=-1)
    covered = cover(picture, size)
    assert covered.shape == (*size, 3)
    if min(size) > 1:  # a pixel is as high as it is wide
        down, across = (
            np.ptp(covered[..., 0]) / (size[0] - 1),
            np.ptp(covered[..., 1]) / (size[1] - 1),
        )
        scale = max(size[0] / 23, size[1] / 31)
        assert down * 31 * scale == pytest.approx(1, abs=0.4)
        assert across * 31 * scale == pytest.approx(1, abs=0.4)
    composed = compose(np.zeros((*size, 3)), np.zeros(size), picture)
    np.testing.assert_array_equal(composed, covered)


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("white", (255, 255, 255)),
        (" Black ", (0, 0, 0)),
        ("tomato", (255, 99, 71)),
        ("#fa0", (255, 170, 0)),
        ("#0F80ff", (15, 128, 255)),
        ("1, 2,253", (1, 2, 253)),
    ],
)
def test_colours_are_parsed(text, colour):
    parsed = parse_colour(text)
    assert parsed.dtype == np.float32
    assert (from_float(parsed, np.uint8) == colour).all()


@pytest.mark.parametrize(
    "text", ["", "whitish", "#12", "#12345", "#12345678", "#ggg", "0,0,256", "1,2"]
)
def test_other_colours_are_refused(text):
    with pytest.raises(UsageError, match="a colour must be a name such as white, #rgb, .* got '"):
        parse_colour(text)


def test_arrays_of_other_shapes_and_types_are_refused(layers):
    colours, alpha, behind = layers
    with pytest.raises(ShapeError, match=r"foreground must be .* got \(5, 7, 3\) and \(7, 5\)"):
        compose(colours, alpha.T, behind)


def test_a_background_that_is_neither_colour_nor_picture_is_refused(layers):
    colours, alpha, behind = layers
    with pytest.raises(ShapeError, match=r"one colour \(3,\) or a picture .* got the shape \(4,\)"):
        compose(colours, alpha, np.zeros(4))
    with pytest.raises(UsageError, match="background must be floating point .* got uint8"):
        compose(colours, alpha, np.zeros(3, np.uint8))


def test_a_name_is_known_after_others_have_asked_pillow_for_it():
    Image.new("RGB", (1, 1), "teal")  # Pillow then keeps another kind of entry
    assert (parse_colour("teal") * 255).round().tolist() == [0, 128, 128]
