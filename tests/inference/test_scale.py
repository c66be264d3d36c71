import numpy as np
import pytest

from maskwright.errors import UsageError
from maskwright.image.photo import Photo
from maskwright.inference.scale import Scale, scale_for
from maskwright.layers.mobilenet import DEVIATION, MEAN
from maskwright.structures.box import Box
from maskwright.structures.click import Click

MOST_PX = 640 * 480


@pytest.mark.parametrize(
    "size,seen",
    [
        ((480, 640), (480, 640)),
        ((139, 211), (139, 211)),
        ((3000, 4000), (480, 640)),
        ((1, 1), (128, 128)),
        ((32, 24), (171, 128)),
        ((2, 300), (3, 512)),
        ((1, 5000), (1, 5000)),
    ],
)
def test_large_photos_are_shrunk_and_tiny_ones_enlarged(size, seen):
    assert scale_for(size, MOST_PX) == Scale(size, seen)


@pytest.mark.parametrize("size", [(100, 20000), (20000, 100), (1, 10**6), (12000, 9000)])
def test_no_photo_costs_much_more_than_allowed(size):
    height, width = scale_for(size, MOST_PX).padded
    assert 0.5 * MOST_PX < height * width < 1.7 * MOST_PX


def test_a_click_keeps_its_place_and_stays_inside():
    scale = Scale((300, 200), (150, 100))
    assert scale.click(Click(50.5, 101, False)) == Click(25.25, 50.5, False)
    last = scale.click(Click(np.nextafter(200, 0), np.nextafter(300, 0)))
    assert last.pixel(scale.seen) == (149, 99)
    with pytest.raises(UsageError, match=r"0 <= x < 200 and 0 <= y < 300, got \(200, 3\)"):
        scale.click(Click(200, 3))


def test_where_nothing_is_scaled_a_click_is_the_same():
    scale = Scale((3, 7), (3, 7))
    for x in np.random.default_rng(0).random(100) * 7:
        assert scale.click(Click(x, 0.1)) == Click(x, 0.1)


def test_in_an_icon_a_click_is_at_its_pixels_centre():
    assert Scale((16, 16), (128, 128)).click(Click(3.01, 5.99)) == Click(28, 44)


def test_boxes_and_masks_follow():
    scale = Scale((60, 80), (30, 40))
    assert scale.box(Box(2, 4, 20, 30)) == Box(1, 2, 10, 15)
    mask = np.zeros((60, 80), bool)
    mask[10:20, 30:50] = True
    expected = np.zeros((32, 64), bool)
    expected[5:10, 15:25] = True
    np.testing.assert_array_equal(scale.mask(mask), expected)
    with pytest.raises(UsageError, match="a box must touch the photo"):
        scale.box(Box(80, 0, 90, 10))


def test_the_image_is_normalised_and_filled_up_with_zeros():
    pixels = np.random.default_rng(0).integers(0, 256, (37, 41, 3), np.uint8)
    x = Scale((37, 41), (37, 41)).image(Photo(pixels)).numpy()
    assert x.shape == (1, 3, 64, 64)
    expected = (pixels.astype(np.float64) - MEAN) / DEVIATION
    np.testing.assert_allclose(x[0, :, :37, :41].transpose(1, 2, 0), expected, atol=1e-5)
    assert (x[..., 37:, :] == 0).all() and (x[..., 41:] == 0).all()


@pytest.mark.parametrize("dtype,full", [(np.uint16, 65535), (np.float32, 1)])
def test_other_depths_look_the_same(dtype, full):
    grey = np.full((64, 64, 3), 51, np.uint8)
    deep = np.full((64, 64, 3), 51 / 255 * full).astype(dtype)
    scale = Scale((64, 64), (32, 32))
    np.testing.assert_allclose(scale.image(Photo(grey)), scale.image(Photo(deep)), atol=1e-5)
