import numpy as np
import pytest
import torch

from maskwright.data.object_crops import OUTSIDE, Thing
from maskwright.data.scenes import Scene, parts_of, pyramid
from maskwright.data.segment_crops import (
    Crop,
    Matted,
    Pasteboard,
    SegmentCropPlan,
    SegmentCrops,
    category_of,
    label_of,
)

SIZE = (120, 180)
CATEGORIES = 3
DISK, SQUARE, PASTED = 0, 1, 2
PLAIN = SegmentCropPlan(side_px=96, backdrop_probability=0.0, pasted=(1.0,))


def scene():
    """Return a photo of a red disk and a green square: two classes, told by colour."""
    y, x = np.ogrid[: SIZE[0], : SIZE[1]]
    labels = np.zeros(SIZE, np.uint8)
    labels[(y - 60) ** 2 + (x - 50) ** 2 < 900] = label_of(DISK, 4, categories=CATEGORIES)
    labels[30:90, 90:150] = label_of(SQUARE, 1, categories=CATEGORIES)
    image = np.full((*SIZE, 3), 20, np.uint8)
    image[labels == labels[60, 50], 0] = image[labels == labels[60, 120], 1] = 230
    return Scene("a photo", pyramid(image), (labels,), tuple(parts_of(labels, 0)))


def crops(plan, *, scenes=True, seed=0):
    rgba = np.zeros((60, 50, 4), np.uint8)
    rgba[..., 2] = 250
    rgba[5:55, 5:45, 3] = 255
    found = Pasteboard(
        [(1.0, [scene()])] if scenes else [],
        [Matted(Thing(pyramid(rgba)), PASTED)],
        [pyramid(np.full((70, 130, 3), 30, np.uint8))],
        CATEGORIES,
    )
    return SegmentCrops(found, plan=plan, seed=seed)


def masks_of(sample):
    side = sample["image"].shape[2]
    bits = np.unpackbits(sample["masks"].numpy(), axis=2, count=side).astype(bool)
    return [(int(c), mask) for c, mask in zip(sample["classes"], bits, strict=True) if c >= 0]


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.setattr(
        "maskwright.data.segment_crops.recorded", lambda image, rng, noise, most_noise: image.copy()
    )


def test_a_label_tells_its_class():
    for category in range(4):
        for instance in range(60):
            label = label_of(category, instance, categories=4)
            assert 0 < label < 256 and category_of(label, categories=4) == category


def test_masks_lie_on_their_objects_at_every_scale():
    data, seen = crops(PLAIN), set()
    for index in range(40):
        sample = data[0, index]
        assert sample["image"].shape == (3, 96, 96) and sample["masks"].shape == (24, 96, 12)
        for category, mask in masks_of(sample):
            shown = sample["image"][category].numpy() > 0.49
            shown &= sample["image"][2].numpy() < 0.25
            assert (shown & mask).sum() > 0.85 * (shown | mask).sum()
            seen.add(category)
    assert seen == {DISK, SQUARE}


def test_a_sample_depends_on_its_key_alone():
    data = crops(SegmentCropPlan(side_px=64))
    first = data[2, 7]
    data[0, 1]
    assert all(torch.equal(value, data[2, 7][name]) for name, value in first.items())
    assert not torch.equal(first["image"], data[3, 7]["image"])


@pytest.mark.parametrize("scenes", [True, False])
def test_backdrops_show_what_is_pasted_alone(scenes):
    plan = SegmentCropPlan(
        side_px=96, backdrop_probability=1.0, pasted_alone=(0.0, 1.0), matted_probability=1.0
    )
    data = crops(plan, scenes=scenes)
    for index in range(20):
        sample = data[0, index]
        blue = sample["image"][2].numpy() > 0.55
        found = masks_of(sample)
        assert [category for category, _ in found] == [PASTED] * int(blue.mean() >= 0.004)
        assert all((blue == mask).mean() > 0.98 for _, mask in found)


def test_objects_of_photos_are_pasted_with_their_classes():
    plan = SegmentCropPlan(
        side_px=96, backdrop_probability=1.0, pasted_alone=(0.0, 1.0), matted_probability=0.0
    )
    data, seen = crops(plan), set()
    for index in range(20):
        sample = data[0, index]
        for category, mask in masks_of(sample):
            shown = sample["image"][category].numpy() > 0.5
            assert (shown == mask).mean() > 0.97
            seen.add(category)
    assert seen == {DISK, SQUARE}


def test_what_is_pasted_hides_what_was_there():
    labels = np.zeros((8, 8), np.int64)
    labels[:, :4] = 1
    outside = np.zeros((8, 8), np.bool_)
    outside[6:] = True
    crop = Crop(np.zeros((8, 8, 3), np.uint8), labels, outside, [DISK])
    alpha = np.zeros((8, 8), np.uint8)
    alpha[2:, 2:6] = 255
    alpha[:2, 2:6] = 100
    crop.paste(np.dstack([np.full((8, 8, 3), 200, np.uint8), alpha]), SQUARE)
    assert crop.classes == [DISK, SQUARE]
    assert (crop.labels[2:, 2:6] == 2).all() and (crop.labels[:2, 2:4] == 1).all()
    assert (crop.image[2:, 2:6] == 200).all() and (crop.image[:2, 2:6] == 78).all()
    assert not crop.outside[6:, 2:6].any() and crop.outside[6:, :2].all()


def test_what_lies_beyond_the_photo_has_one_colour_and_no_object():
    beyond = torch.tensor(OUTSIDE)[:, None, None] / 255
    data, shares = crops(PLAIN), []
    for index in range(20):
        sample = data[0, index]
        outside = torch.isclose(sample["image"], beyond).all(dim=0).numpy()
        shares.append(outside.mean())
        assert not any((mask & outside).any() for _, mask in masks_of(sample))
    assert max(shares) > 0.2


def test_what_is_nearly_hidden_is_not_asked_for():
    small = SegmentCropPlan(side_px=96, backdrop_probability=0.0, pasted=(1.0,), least_share=0.2)
    for index in range(20):
        every, large = (masks_of(crops(plan)[0, index]) for plan in (PLAIN, small))
        assert len(large) == sum(mask.mean() >= 0.2 for _, mask in every)
