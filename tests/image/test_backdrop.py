import numpy as np
import pytest
from PIL import ImageCms

from maskwright.errors import ImageError, UsageError
from maskwright.image.backdrop import compose_on, parse_backdrop
from maskwright.image.colour import network_rgb
from maskwright.image.io import write_image
from maskwright.image.photo import Photo
from maskwright.structures.cutout import Cutout

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# The same with red and green exchanged.
SWAPPED = SRGB.replace(b"rXYZ", b"?XYZ").replace(b"gXYZ", b"rXYZ").replace(b"?XYZ", b"gXYZ")


def test_a_file_is_a_photo_and_all_else_a_colour(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image("red", np.full((2, 3, 3), 51, np.uint8), format="png")
    np.testing.assert_allclose(parse_backdrop("red"), np.full((2, 3, 3), 0.2), atol=1e-6)
    assert parse_backdrop("blue").tolist() == [0, 0, 1]


def test_what_is_neither_is_refused(tmp_path):
    with pytest.raises(UsageError, match="--background must be a photo or a colour; .*got 'blurp"):
        parse_backdrop("blurple")
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(ImageError, match="x.png: expected a photo, got an empty file"):
        parse_backdrop(str(tmp_path / "x.png"))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_composite_has_the_depth_of_the_cutout(dtype):
    full = np.iinfo(dtype).max
    rgba = np.array([[[full, 0, 0, full], [0, full, 0, 0]]], dtype)
    white = parse_backdrop("white")
    assert compose_on(Cutout(rgba), white).tolist() == [[[full, 0, 0], [full, full, full]]]
    assert compose_on(Cutout(rgba), white).dtype == dtype


def test_a_transparent_photo_lies_on_white(tmp_path):
    rgba = np.array([[[255, 0, 0, 0], [255, 0, 0, 51], [255, 0, 0, 255]]], np.uint8)
    write_image(tmp_path / "red.png", rgba)
    found = parse_backdrop(str(tmp_path / "red.png"))
    np.testing.assert_allclose(found, [[[1, 1, 1], [1, 0.8, 0.8], [1, 0, 0]]], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_backdrop_becomes_the_colour_space_of_the_cutout(dtype):
    cut = Cutout(np.zeros((3, 5, 4), dtype), icc_profile=SWAPPED)
    colour = np.array([40, 200, 60], np.float32) / 255
    for backdrop in (colour, np.tile(colour, (2, 7, 1))):
        found = compose_on(cut, backdrop)
        assert found.dtype == dtype
        full = 1 if dtype == np.float32 else np.iinfo(dtype).max
        np.testing.assert_allclose(found[1, 2] / full * 255, [200, 40, 60], atol=1.01)
        shown = network_rgb(Photo(found, icc_profile=SWAPPED))
        np.testing.assert_allclose(shown[1, 2], colour, atol=2 / 255)


def test_the_colours_of_the_cutout_stay_what_they_are():
    rgba = np.array([[[40, 200, 60, 255], [40, 200, 60, 0]]], np.uint8)
    cut = Cutout(rgba, icc_profile=SWAPPED)
    assert compose_on(cut, parse_backdrop("white")).tolist() == [[[40, 200, 60], [255] * 3]]


@pytest.mark.parametrize("profile", [None, SRGB, SRGB[:200], b"nothing"])
def test_a_backdrop_stays_as_it_is_where_the_profile_asks_for_nothing(profile):
    cut = Cutout(np.zeros((1, 1, 4), np.uint16), icc_profile=profile)
    backdrop = np.array([1, 257, 65534], np.float32) / 65535
    assert compose_on(cut, backdrop).tolist() == [[[1, 257, 65534]]], "not through 8 bit"
