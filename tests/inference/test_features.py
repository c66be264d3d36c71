import dataclasses

import numpy as np
import pytest
import torch
from clicking import MOBILE, photo, small_clicker
from safetensors.torch import save_file

from maskwright.errors import FeaturesError, ImageError
from maskwright.image.photo import Photo
from maskwright.inference.features import ImageFeatures, hash_image
from maskwright.inference.scale import Scale
from maskwright.structures.click import Click


@pytest.fixture(scope="module")
def clicker():
    return small_clicker(MOBILE)


@pytest.fixture(scope="module")
def features(clicker):
    return clicker.encode(photo())


def test_a_file_gives_the_same_answers(clicker, features, tmp_path):
    path = features.save(tmp_path / "a" / "photo.features")
    again = ImageFeatures.open(path)
    assert (again.scale, again.image, again.weights) == (
        features.scale,
        features.image,
        features.weights,
    )
    clicks = [Click(100, 60), Click(20, 30, False)]
    expected = clicker.answer(features, clicks)
    np.testing.assert_array_equal(clicker.answer(again, clicks).margin, expected.margin)
    assert features.bytes < path.stat().st_size < features.bytes + 4000
    assert [file.name for file in path.parent.iterdir()] == ["photo.features"]


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_one_clear_line(features, tmp_path, share):
    path = features.save(tmp_path / "photo.features")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FeaturesError, match="photo.features: expected a features file, got one"):
        ImageFeatures.open(path)


def test_a_changed_value_is_noticed(features, tmp_path):
    path = features.save(tmp_path / "photo.features")
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(FeaturesError, match="expected the values that were written, got others"):
        ImageFeatures.open(path)


def test_absent_and_foreign_files_are_told_apart(tmp_path):
    with pytest.raises(FeaturesError, match="x.features: there is no such features file"):
        ImageFeatures.open(tmp_path / "x.features")
    save_file({"a": torch.zeros(2)}, tmp_path / "weights.safetensors")
    with pytest.raises(FeaturesError, match="got a safetensors file of another kind"):
        ImageFeatures.open(tmp_path / "weights.safetensors")
    with pytest.raises(FeaturesError, match="damaged or of another kind"):
        ImageFeatures.open(tmp_path)


def test_another_photo_is_noticed(features):
    features.check_image(photo())
    other = photo()
    other[70, 80, 1] ^= 1
    with pytest.raises(FeaturesError, match="the array: expected the photo that was encoded, got"):
        features.check_image(other)
    with pytest.raises(FeaturesError, match="211 x 139, got 210 x 139"):
        features.check_image(photo()[:, :-1])
    with pytest.raises(ImageError):
        features.check_image("no such photo.png")


def test_other_weights_are_noticed(features):
    other = small_clicker(MOBILE, change=1e-3)
    assert other.weights != features.weights
    with pytest.raises(FeaturesError, match="made with these weights .* got those of others"):
        other.answer(features, [Click(5, 5)])


def test_equal_weights_have_one_hash_whatever_they_compute_in():
    assert small_clicker(dtype="bf16").weights == small_clicker(dtype="fp32").weights


def test_the_hash_is_of_pixels_their_type_and_profile():
    grey = np.full((3, 5, 3), 7, np.uint8)
    photos = [
        Photo(grey),
        Photo(grey.astype(np.uint16)),
        Photo(grey.reshape(5, 3, 3)),
        Photo(grey, icc_profile=b"profile"),
    ]
    assert len({hash_image(one) for one in photos}) == 4
    assert hash_image(Photo(grey)) == hash_image(Photo(grey.copy(), dpi=(300.0, 300.0), source="x"))


def test_maps_of_another_size_and_values_that_overflowed_are_refused(features):
    with pytest.raises(FeaturesError, match=r"features of \(64, 64\) pixels need four maps"):
        dataclasses.replace(features, scale=Scale((64, 64), (64, 64)))
    broken = (features.maps[0] * float("inf"), *features.maps[1:])
    with pytest.raises(FeaturesError, match="must be fp16 and finite"):
        dataclasses.replace(features, maps=broken)
