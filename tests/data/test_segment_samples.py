import numpy as np
import pytest
import torch

from maskwright.data.ground_truth import TruthSet
from maskwright.data.segment_samples import (
    PADDING,
    Crops,
    Jitter,
    Known,
    SegmentSamples,
    TruthPhotos,
    cut,
    known_classes,
    known_segments,
    segment_tensors,
)
from maskwright.image.io import write_image
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

NAMES = ("sky", "cat", "dog")
SIZE = (40, 60)
COLOURS = np.array([[20, 20, 20], [230, 20, 20], [20, 230, 20]], np.uint8)


def rng(seed=0):
    return np.random.default_rng(seed)


def box(x0, y0, x1, y1):
    mask = np.zeros(SIZE, np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


def segmentation(task, *segments):
    found = tuple(
        Segment(number, category, NAMES[category], rle.encode(mask), is_crowd=crowd)
        for number, (category, mask, crowd) in enumerate(segments, start=1)
    )
    return Segmentation(SIZE, task, NAMES, found)


def coloured():
    """Return a photo of two boxes, of other colours than what is around them."""
    labels = box(5, 5, 25, 35).astype(np.uint8) + 2 * box(30, 10, 58, 30)
    return known_classes(COLOURS[labels], np.where(labels, labels, 255))


def masks_of(sample):
    bits = np.unpackbits(sample["masks"].numpy(), axis=2, count=sample["image"].shape[2])
    return {int(c): m.astype(bool) for m, c in zip(bits, sample["classes"], strict=True) if c >= 0}


def test_semantic_labels_become_a_mask_for_each_class_there_is():
    labels = np.full(SIZE, 255, np.int32)
    labels[:10], labels[20:30, :50] = 2, 0
    sample = segment_tensors(known_classes(np.zeros((*SIZE, 3), np.uint8), labels), most=4)
    assert sample["masks"].shape == (4, 40, 8) and sample["masks"].dtype == torch.uint8
    assert sorted(sample["classes"].tolist()) == [-1, -1, 0, 2]
    found = masks_of(sample)
    assert np.array_equal(found[0], labels == 0) and np.array_equal(found[2], labels == 2)


def test_a_photo_that_is_all_void_has_no_target():
    sample = segment_tensors(
        known_classes(np.zeros((*SIZE, 3), np.uint8), np.full(SIZE, 255)), most=2
    )
    assert sample["classes"].tolist() == [-1, -1] and not sample["masks"].any()


def test_objects_that_overlap_keep_their_masks_and_crowds_are_left_out():
    first, second, third = box(0, 0, 30, 30), box(10, 10, 50, 25), box(40, 0, 60, 9)
    crowd = box(0, 30, 60, 40)
    found = segmentation(
        "instance", (1, first, False), (0, crowd, True), (2, second, False), (0, third, False)
    )
    photo = known_segments(np.zeros((*SIZE, 3), np.uint8), found)
    assert photo.layers.shape == (2, *SIZE)
    masks = masks_of(segment_tensors(photo, most=9))
    assert sorted(masks) == [0, 1, 2]
    for category, mask in ((1, first), (2, second), (0, third)):
        assert np.array_equal(masks[category], mask)


def test_the_largest_are_kept_and_the_smallest_left_out():
    found = segmentation(
        "instance", (0, box(0, 0, 2, 2), False), (1, box(9, 9, 20, 20), False),
        (2, box(30, 9, 35, 20), False),
    )  # fmt: skip
    photo = known_segments(np.zeros((*SIZE, 3), np.uint8), found)
    assert segment_tensors(photo, most=2)["classes"].tolist() == [1, 2]
    assert segment_tensors(photo, most=3, least_px=5)["classes"].tolist() == [1, 2, -1]


def test_pixels_are_numbers_from_0_to_1():
    image = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(*SIZE, 3).astype(np.uint8)
    sample = segment_tensors(known_classes(image, np.zeros(SIZE, np.int32)), most=1)
    assert sample["image"].dtype == torch.float32 and sample["image"].shape == (3, *SIZE)
    assert torch.equal(sample["image"][1], torch.from_numpy(image[..., 1]) / 255)


@pytest.mark.parametrize("plan", [Jitter(96, (0.3, 2.0)), Crops(48, (64, 80))])
def test_masks_stay_on_their_objects(plan, monkeypatch):
    monkeypatch.setattr("maskwright.data.segment_samples.distorted", lambda image, rng, plan: image)
    for seed in range(20):
        photo = plan(coloured(), rng(seed))
        for category, mask in masks_of(segment_tensors(photo, most=3, least_px=40)).items():
            shown = photo.image[..., category - 1] > 125
            shown &= (photo.image != PADDING).any(axis=2)
            assert (shown & mask).sum() > 0.85 * (shown | mask).sum()


def test_jitter_makes_photos_fit_into_squares_of_many_sizes():
    plan = Jitter(64, (0.1, 2.0))
    shown = []
    for seed in range(60):
        photo = plan(coloured(), rng(seed))
        assert photo.image.shape == (64, 64, 3) and photo.layers.shape == (1, 64, 64)
        padding = (photo.image == PADDING).all(axis=2)
        rows, columns = (~padding.all(axis=1)).sum(), (~padding.all(axis=0)).sum()
        assert not padding[:rows, :columns].any() and not photo.layers[0][padding].any()
        assert abs(rows - min(64, round(columns * 2 / 3))) <= 1 or columns == 64
        shown.append(columns)
    assert min(shown) < 16 and np.mean(np.array(shown) == 64) == pytest.approx(1 / 1.9, abs=0.2)


def test_one_number_decides_where_the_crop_of_jitter_lies():
    rows, columns = np.mgrid[:50, :80].astype(np.uint8)
    image = np.dstack([rows, columns, rows])
    photo = Known(image, np.zeros((1, 50, 80), np.uint16), np.zeros(0, np.int64))
    for seed in range(10):
        draws = rng(seed)
        draws.random(), draws.uniform()
        share = draws.random()
        found = Jitter(40, (2.0, 2.0))(photo, rng(seed)).image
        assert found[0, 0, 0] == int(11 * share)
        left = int(41 * share)
        assert found[0, :, 1].tolist() in (
            list(range(left, left + 40)), list(range(79 - left, 39 - left, -1))
        )  # fmt: skip


def test_crops_are_of_all_scales_and_filled_up_at_the_end():
    plan = Crops(40, (48, 48), scales=(0.5, 1.0, 2.0))
    shown = {
        tuple(int((photo.image != PADDING).any(axis=2).any(axis=axis).sum()) for axis in (1, 0))
        for photo in (plan(coloured(), rng(seed)) for seed in range(30))
    }
    assert shown == {(20, 30), (40, 48), (48, 48)}


def test_a_long_photo_is_not_made_longer_than_four_times_the_shorter_side():
    long = Known(
        np.zeros((10, 200, 3), np.uint8), np.zeros((1, 10, 200), np.uint16), np.zeros(0, np.int64)
    )
    found = Crops(20, (20, 200), scales=(2.0,))(long, rng()).image
    assert (found != PADDING).any(axis=2).any(axis=0).sum() == 80


def test_a_part_is_cut_where_the_shares_say():
    rows, columns = np.mgrid[:10, :20].astype(np.uint8)
    photo = Known(np.dstack([rows, columns, rows]), rows[None].astype(np.uint16), np.ones(9, int))
    found = cut(photo, (4, 30), shares=(0.5, 0.5))
    assert found.image[0, 0].tolist() == [3, 0, 3] and found.layers[0, :, 0].tolist() == [
        3,
        4,
        5,
        6,
    ]
    assert (found.image[:, 20:] == PADDING).all() and not found.layers[0, :, 20:].any()


@pytest.mark.parametrize("plan", [Crops(11, (10, 10), scales=(1.0,)), Jitter(10, (1.1, 1.1))])
def test_crops_lie_everywhere_up_to_the_last_pixel(plan):
    rows = np.arange(11, dtype=np.uint16)[None, :, None].repeat(11, axis=2)
    photo = Known(np.zeros((11, 11, 3), np.uint8), rows, np.zeros(0, np.int64))
    starts = [int(plan(photo, rng(seed)).layers[0, 0, 0]) for seed in range(60)]
    assert 20 <= sum(starts) <= 40 and set(starts) == {0, 1}


def test_a_share_of_one_is_the_last_position():
    photo = Known(np.zeros((9, 9, 3), np.uint8), np.eye(9, dtype=np.uint16)[None], np.ones(1, int))
    assert cut(photo, (4, 4), shares=(1.0, 1.0)).layers[0, 3, 3] == 1


def folder(path, labels):
    image = COLOURS[np.minimum(labels, 2)]
    write_image(path / "a.png", image)
    return TruthSet("semantic", ClassList(NAMES), (path / "a.png",), lambda index: labels)


def test_samples_of_a_set_depend_on_their_key_alone(tmp_path):
    labels = np.where(box(5, 5, 30, 30), 1, 255).astype(np.int32)
    samples = SegmentSamples(
        TruthPhotos(folder(tmp_path, labels)), plan=Crops(32, (32, 32)), most=3, seed=4
    )
    assert len(samples) == 1
    first = samples[2, 0]
    assert not torch.equal(first["image"], samples[3, 0]["image"])
    assert all(torch.equal(value, samples[2, 0][name]) for name, value in first.items())


def test_a_set_gives_what_its_task_wants(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((*SIZE, 3), np.uint8))
    found = segmentation(
        "panoptic", (1, box(0, 0, 9, 9), False), (1, box(9, 9, 30, 20), False),
        (0, box(0, 30, 60, 40), False),
    )  # fmt: skip
    classes = ClassList(NAMES, (False, True, True))
    for task, expected in (("panoptic", [0, 1, 1]), ("semantic", [0, 1]), ("instance", [0, 1, 1])):
        truth = TruthSet(task, classes, (tmp_path / "a.png",), lambda index: found)
        assert sorted(TruthPhotos(truth).known(0).classes.tolist()) == expected
