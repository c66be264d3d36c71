from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from maskwright.data.object_crops import (
    OUTSIDE,
    Composites,
    ObjectCropPlan,
    ObjectCrops,
    Thing,
    composite,
    cut_scene,
    joined,
    layer_of_part,
    recorded,
    relit,
)
from maskwright.data.scenes import Part, Scene, parts_of, pyramid
from maskwright.metrics.interactive import iou

PLAN = ObjectCropPlan(side_px=96)
SIZE = (120, 180)
NOISE = np.random.default_rng(0).normal(0, 32, 1 << 16).astype(np.int8)


def scene(*, may_join=False):
    """Return a photo of a red disk and a green square, whose colours tell where they are."""
    y, x = np.ogrid[: SIZE[0], : SIZE[1]]
    labels = np.zeros(SIZE, np.uint8)
    labels[(y - 60) ** 2 + (x - 50) ** 2 < 900] = 1
    labels[30:90, 90:150] = 2
    image = np.full((*SIZE, 3), 20, np.uint8)
    image[labels == 1, 0] = image[labels == 2, 1] = 230
    return Scene("a photo", pyramid(image), (labels,), tuple(parts_of(labels, 0)), may_join)


def things():
    rgba = np.zeros((60, 50, 4), np.uint8)
    rgba[..., 0] = 250
    rgba[5:55, 5:45, 3] = 255
    return Composites([Thing(pyramid(rgba))], [pyramid(np.full((70, 130, 3), 30, np.uint8))])


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def crops():
    return ObjectCrops(
        [(0.5, [scene()]), (0.3, [scene(may_join=True)])], (0.2, things()), plan=PLAN
    )


def test_a_sample_is_a_crop_and_the_label_of_its_object(crops):
    for index in range(30):
        sample = crops[0, index]
        assert sample["image"].shape == (3, 96, 96) and sample["label"].shape == (96, 96)
        assert sample["image"].dtype == torch.float32 and sample["label"].dtype == torch.uint8
        assert set(sample["label"].unique().tolist()) == {0, 1}
        assert 0 <= sample["image"].min() and sample["image"].max() <= 1


def test_a_sample_depends_on_its_key_alone(crops):
    first = crops[2, 7]
    crops[0, 1]
    assert all(torch.equal(value, crops[2, 7][name]) for name, value in first.items())
    assert not torch.equal(first["image"], crops[3, 7]["image"])


def test_the_label_lies_on_the_object_at_every_scale():
    for seed in range(40):
        cut = cut_scene(scene(), rng(seed), plan=PLAN)
        of_a_colour = [(cut.image[..., c] > 125) & (cut.image[..., 2] < 60) for c in (0, 1)]
        assert max(iou(shown & cut.inside, cut.mask) for shown in of_a_colour) > 0.9


def test_objects_are_seen_from_near_and_from_far():
    shares = [cut_scene(scene(), rng(seed), plan=PLAN).mask.mean() for seed in range(60)]
    assert min(shares) < 0.08 and max(shares) > 0.4


def test_nothing_but_one_colour_lies_beyond_the_photo(crops):
    narrow = scene()
    narrow = Scene(
        "",
        tuple(level[:, :40] for level in narrow.levels[:1]),
        (narrow.maps[0][:, :40],),
        (Part(0, (1,), 0.1, (20, 30, 40, 90)),),
    )
    data = ObjectCrops([(1.0, [narrow])], plan=PLAN)
    beyond = torch.tensor(OUTSIDE)[:, None] / 255
    for index in range(10):
        sample = data[0, index]
        column = sample["image"][:, 48, [0, -1]]
        assert torch.isclose(column, beyond).all(dim=0).any()
        outside = torch.isclose(sample["image"], beyond[..., None]).all(dim=0)
        assert not (sample["label"].bool() & outside).float().mean() > 0.01


def test_a_region_may_be_joined_with_one_that_touches_it():
    found = scene()
    disk = found.mask(found.parts[0])
    both = joined(disk, found.maps[0], rng())
    np.testing.assert_array_equal(both, disk)  # they do not touch
    touching = found.maps[0].copy()
    touching[30:90, 79:88] = 3
    disk = touching == 1
    both = joined(disk, touching, rng())
    np.testing.assert_array_equal(both, disk | (touching == 3))


def test_a_composite_s_label_is_the_front_foreground():
    alone = ObjectCropPlan(side_px=96, second_probability=0.0)
    for seed in range(20):
        cut = composite(things(), rng(seed), plan=alone)
        red = cut.image[..., 0] > 140
        assert np.abs(red.mean() - cut.mask.mean()) < 0.01 and (red == cut.mask).mean() > 0.98
        assert cut.inside.all()
    always = ObjectCropPlan(side_px=96, second_probability=1.0)
    two = [composite(things(), rng(seed), plan=always) for seed in range(20)]
    assert np.mean([(c.image[..., 0] > 140).mean() > c.mask.mean() + 0.01 for c in two]) > 0.5


def test_light_noise_and_compression_leave_the_picture_recognisable():
    image = scene().levels[0]
    changed = [recorded(image, rng(seed), noise=NOISE, most_noise=9.0) for seed in range(30)]
    assert all(c.shape == image.shape and c.dtype == np.uint8 for c in changed)
    assert np.mean([np.array_equal(c, image) for c in changed]) < 0.4
    for c in changed:
        assert np.corrcoef(c.mean(-1).ravel(), image.mean(-1).ravel())[0, 1] > 0.8


def test_crops_larger_than_the_drawn_noise_meet_it_again():
    image = np.full((90, 70, 3), 128, np.uint8)
    few = NOISE[: image.size // 2 - 5]
    for seed in range(12):
        changed = recorded(image, rng(seed), noise=few, most_noise=9.0)
        assert changed.shape == image.shape and abs(changed.mean() - 128) < 60


def test_photos_without_objects_are_left_out():
    empty = Scene("", scene().levels, (np.zeros(SIZE, np.uint8),), ())
    data = ObjectCrops([(1.0, [empty, scene()])], plan=PLAN)
    assert len(data.scenes[0]) == 1 and len(data) == 10_000


def test_shrunk_photos_do_not_drift_from_their_labels():
    large = scene()
    labels = np.repeat(np.repeat(large.maps[0], 4, 0), 4, 1)
    image = np.repeat(np.repeat(large.levels[0], 4, 0), 4, 1)
    large = Scene("", pyramid(image), (labels,), tuple(parts_of(labels, 0)))
    whole = ObjectCropPlan(side_px=96, whole_probability=1.0)
    drifts = []
    for seed in range(40):
        cut = cut_scene(large, rng(seed), plan=whole)
        channel = int(cut.image[cut.mask].mean(0)[:2].argmax())
        near = cv2.dilate(cut.mask.astype(np.uint8), np.ones((7, 7), np.uint8))
        weights = (cut.image[..., channel].astype(float) - 20) * near
        rows = np.mgrid[:96, :96][0]
        drifts.append((weights * rows).sum() / weights.sum() - rows[cut.mask].mean())
    assert max(map(abs, drifts)) < 0.5  # labels end at whole pixels, colours between them
    assert abs(np.mean(drifts)) < 0.06


def test_objects_of_photos_are_cut_out_by_their_masks_and_laid_on_another():
    found = replace(things(), scenes=[scene()])
    never = replace(PLAN, second_probability=0.0, matted_probability=0.0, relit_probability=0.0)
    for seed in range(20):
        cut = composite(found, rng(seed), plan=never)
        of_a_colour = [(cut.image[..., c] > 125) & (cut.image[..., 2] < 60) for c in (0, 1)]
        assert max(iou(shown, cut.mask) for shown in of_a_colour) > 0.9
        beside = cv2.erode((~cut.mask).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        assert np.abs(cut.image[beside].astype(int) - 30).max(initial=0) <= 1  # the background


def test_a_layer_in_another_light_keeps_its_alpha():
    layer = layer_of_part(scene(), scene().parts[0], rng(), plan=PLAN)
    changed = [relit(layer, rng(seed)) for seed in range(5)]
    assert all(np.array_equal(c[..., 3], layer[..., 3]) for c in changed)
    assert not any(np.array_equal(c[..., :3], layer[..., :3]) for c in changed)
