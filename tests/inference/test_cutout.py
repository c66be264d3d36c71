import numpy as np
import pytest

from maskwright.errors import ShapeError
from maskwright.image.photo import Photo
from maskwright.inference.cutout import cut_out
from maskwright.structures.matte import Matte

HEIGHT, WIDTH = 41, 53


@pytest.fixture
def scene():
    """An orange thing with a soft edge before a blue background."""
    y, x = np.indices((HEIGHT, WIDTH))
    alpha = np.clip((15 - np.hypot(y - 20, x - 25)) / 4 + 0.5, 0, 1).astype(np.float32)
    foreground, background = np.array([0.9, 0.5, 0.1]), np.array([0.1, 0.2, 0.8])
    image = alpha[..., None] * foreground + (1 - alpha[..., None]) * background
    return image, alpha, foreground


def at(image, dtype):
    if dtype == np.float32:
        return image.astype(np.float32)
    return np.rint(image * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_soft_pixels_get_the_object_s_colour_at_the_photo_s_depth(scene, dtype):
    image, alpha, foreground = scene
    rgba = cut_out(at(image, dtype), Matte(alpha)).rgba
    assert rgba.dtype == dtype
    full = 1 if dtype == np.float32 else np.iinfo(dtype).max
    soft = (alpha > 0.05) & (alpha < 1)
    assert np.abs(rgba[soft][:, :3] / full - foreground).max() < 0.05
    raw = cut_out(at(image, dtype), Matte(alpha), decontaminate=False).rgba
    assert np.abs(raw[soft][:, :3] / full - foreground).max() > 0.3
    np.testing.assert_allclose(rgba[..., 3] / full, alpha, atol=0.5 / min(full, 255))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_that_are_wholly_the_object_are_copied(scene, dtype):
    image, alpha, _ = scene
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, np.iinfo(dtype).max, image.shape, dtype, endpoint=True)
    rgba = cut_out(noisy, Matte(alpha)).rgba
    np.testing.assert_array_equal(rgba[alpha == 1][:, :3], noisy[alpha == 1])


def test_metadata_and_transparency_of_the_photo_are_kept(scene):
    image, alpha, _ = scene
    own = np.full((HEIGHT, WIDTH), 255, np.uint8)
    own[:, 25:] = 0
    photo = Photo(at(image, np.uint8), alpha=own, icc_profile=b"profile", dpi=(300.0, 300.0))
    cut = cut_out(photo, Matte(alpha))
    assert (cut.icc_profile, cut.dpi) == (b"profile", (300.0, 300.0))
    assert not cut.rgba[:, 25:, 3].any() and cut.rgba[20, 20, 3] == 255


def test_a_matte_with_colours_brings_them(scene):
    image, alpha, _ = scene
    green = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    green[..., 1] = 1
    rgba = cut_out(at(image, np.uint8), Matte(alpha, green)).rgba
    soft = (alpha > 0) & (alpha < 1)
    np.testing.assert_array_equal(rgba[soft][:, :3], np.full((soft.sum(), 3), (0, 255, 0)))


def test_another_size_is_refused(scene):
    image, alpha, _ = scene
    with pytest.raises(ShapeError, match=r"one size, got \(41, 53\) and \(40, 53\)"):
        cut_out(at(image, np.uint8), Matte(alpha[:-1]))
