import numpy as np
import pytest
import torch

from maskwright.data.labelled import Labelled
from maskwright.data.object_samples import (
    ObjectPlan,
    ObjectSamples,
    cropped,
    distorted,
    padded,
    resized,
)
from maskwright.errors import DataError

PLAN = ObjectPlan(side_px=64)
SIZE = (70, 90)


class Photos:
    """Photos of a disk and a square, brighter than what is around them."""

    def __init__(self, count, *, empty=False):
        self.count, self.empty = count, empty

    def __len__(self):
        return self.count

    def labelled(self, index, rng):
        y, x = np.ogrid[: SIZE[0], : SIZE[1]]
        labels = np.zeros(SIZE, np.int32)
        labels[(y - 30) ** 2 + (x - 30) ** 2 < 400] = 1
        labels[40:60, 60:85] = 2
        labels[:, 88:] = -1
        labels = labels * (not self.empty)
        image = np.repeat((80 + 60 * np.maximum(labels, 0))[..., None], 3, 2).astype(np.uint8)
        return Labelled(image, labels)


def photo():
    return Photos(1).labelled(0, None)


def test_a_sample_is_a_crop_and_the_label_of_one_object_that_is_seen():
    samples = ObjectSamples([Photos(3), Photos(2)], plan=PLAN)
    assert len(samples) == 5
    for index in range(12):
        sample = samples[index // 5, index % 5]
        assert sample["image"].shape == (3, 64, 64) and sample["image"].dtype == torch.float32
        assert 0 <= sample["image"].min() and sample["image"].max() <= 1
        assert sample["label"].shape == (64, 64) and (sample["label"] == 1).any()
        assert set(sample["label"].unique().tolist()) <= {0, 1, 255}


def test_a_sample_depends_on_its_key_alone():
    samples = ObjectSamples([Photos(3)], plan=PLAN)
    first = samples[1, 2]
    samples[0, 0]
    assert all(torch.equal(value, samples[1, 2][name]) for name, value in first.items())
    assert not torch.equal(first["image"], samples[2, 2]["image"])


def test_photos_without_objects_are_refused_after_a_while():
    with pytest.raises(DataError, match="must show objects, got 20 in turn without any"):
        ObjectSamples([Photos(3, empty=True)], plan=PLAN)[0, 0]


def test_image_and_labels_are_resized_and_mirrored_together():
    mirrored = 0
    for seed in range(8):
        found = resized(photo(), np.random.default_rng(seed), plan=PLAN)
        assert found.image.shape[:2] == found.labels.shape
        assert 0.5 * 70 - 1 <= found.labels.shape[0] <= 2 * 70 + 1
        at = found.labels == 2
        mirrored += int(np.argwhere(at)[:, 1].mean() < found.labels.shape[1] / 2)
        agree = (np.abs(found.image[..., 0].astype(int) - 200) < 20)[at].mean()
        assert agree > 0.85
    assert 0 < mirrored < 8


def test_a_small_photo_is_padded_with_black_that_is_no_object():
    small = Labelled(np.full((30, 80, 3), 9, np.uint8), np.ones((30, 80), np.int32))
    found = padded(small, PLAN)
    assert found.labels.shape == (64, 80) and found.image.shape == (64, 80, 3)
    assert (found.labels[30:] == 0).all() and (found.image[30:] == 0).all()
    assert (found.labels[:30] == 1).all()


def test_a_crop_is_drawn_again_while_one_label_covers_too_much():
    labels = np.zeros((64, 1000), np.int32)
    labels[:, 480:520] = 1
    wide = Labelled(np.zeros((64, 1000, 3), np.uint8), labels)
    shares = [
        (cropped(wide, np.random.default_rng(seed), PLAN).labels == 1).mean() for seed in range(40)
    ]
    assert np.mean([0.25 < share for share in shares]) > 0.3  # 4 % of all places would do
    assert cropped(wide, np.random.default_rng(0), PLAN).image.shape == (64, 64, 3)


def test_colours_change_and_places_do_not():
    gradient = np.linspace(20, 220, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    changed = [distorted(gradient, np.random.default_rng(s), plan=PLAN) for s in range(16)]
    differs = [not np.array_equal(image, gradient) for image in changed]
    assert 0.6 < np.mean(differs) < 1.0
    still = ObjectPlan(brightness=0.0, contrast=(1.0, 1.0), hue_degrees=0)
    same = distorted(gradient, np.random.default_rng(1), plan=still)
    assert np.abs(same.astype(int) - gradient).max() <= 6  # HSV of 8 bits loses a little
    for image in changed:
        assert np.corrcoef(image.mean(-1).ravel(), gradient.mean(-1).ravel())[0, 1] > 0.9
