from dataclasses import replace

import numpy as np
import pytest
import torch

import maskwright as mw
from maskwright.errors import ImageError, UsageError, WeightsError
from maskwright.inference.segment import Segmenter, Thresholds, classes_of, load_classes
from maskwright.models import mask2former
from maskwright.models.mask2former.config import MINI
from maskwright.weights.load import save_model

SMALL = replace(
    MINI,
    queries=12,
    width=32,
    heads=2,
    pixel_layers=1,
    layers=3,
    names=("sky", "person", "dog", "car"),
    things=(False, True, True, True),
    short_side_px=64,
    long_side_px=128,
)


def network(config):
    """Return a network of random weights that is sure of something."""
    torch.manual_seed(1)
    model = mask2former.build(config).eval()
    with torch.no_grad():
        model.decoder.classify.weight.mul_(20)
        for parameter in model.decoder.embed.parameters():
            parameter.mul_(2)
    return model


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(network(SMALL), SMALL, device="cpu")


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).integers(0, 256, (90, 150, 3), np.uint8)


def same(one, other):
    assert [(s.category_id, s.rle) for s in one.segments] == [
        (s.category_id, s.rle) for s in other.segments
    ]
    assert [s.score for s in one.segments] == pytest.approx(
        [s.score for s in other.segments], abs=1e-4
    )


def test_segments_are_of_the_photo_and_have_its_classes(segmenter, photo):
    found = segmenter.segment(photo, thresholds=Thresholds(score=0.3, overlap=0.0))
    assert found.size == (90, 150) and found.task == "panoptic" and len(found.segments) > 1
    assert found.categories == ("sky", "person", "dog", "car")
    assert len({s.category for s in found.segments if not s.is_thing}) == sum(
        not s.is_thing for s in found.segments
    )
    labels = found.label_map()
    assert [int((labels == s.id).sum()) for s in found.segments] == [s.area for s in found.segments]


def test_every_pixel_has_a_class_and_instances_are_things(segmenter, photo):
    labels = segmenter.segment(photo, task="semantic").label_map()
    assert labels.shape == (90, 150) and labels.max() < 4
    objects = segmenter.segment(photo, task="instance")
    scores = [segment.score for segment in objects.segments]
    assert scores == sorted(scores, reverse=True) and len(scores) > 2
    assert all(segment.is_thing for segment in objects.segments)
    few = segmenter.segment(photo, task="instance", thresholds=Thresholds(score=scores[1]))
    assert len(few.segments) == 1


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (700, 3), (64, 64), (301, 200)])
def test_any_size(segmenter, size):
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    for task in ("panoptic", "instance", "semantic"):
        assert segmenter.segment(pixels, task=task).size == size


def test_many_photos_are_segmented_as_each_alone(segmenter, photo):
    photos = [photo, photo[::-1], photo.transpose(1, 0, 2), photo[:, ::-1]]
    for task in ("panoptic", "instance"):
        together = list(segmenter.segment_many(photos, task=task, batch=3))
        assert len(together) == 4
        for one, pixels in zip(together, photos, strict=True):
            same(one, segmenter.segment(pixels, task=task))


def test_photos_before_a_bad_one_are_segmented(segmenter, photo):
    found = segmenter.segment_many([photo, photo, b"no picture", photo])
    same(next(found), segmenter.segment(photo))
    same(next(found), segmenter.segment(photo))
    with pytest.raises(ImageError):
        next(found)


def test_views_are_averaged(segmenter, photo):
    one = segmenter.segment(photo, task="semantic").label_map()
    twice = segmenter.segment(photo, task="semantic", scales=(1.0, 1.0)).label_map()
    assert np.array_equal(one, twice)
    other = segmenter.segment(photo, task="semantic", scales=(0.5, 1.0), mirrored=True)
    assert np.any(other.label_map() != one)
    # What is seen mirrored is put back: a photo and its mirror image give mirrored labels.
    straight = segmenter.segment(photo, task="semantic", mirrored=True).label_map()
    turned = segmenter.segment(photo[:, ::-1], task="semantic", mirrored=True).label_map()
    assert np.mean(straight == turned[:, ::-1]) > 0.99


def test_wrong_use_is_refused(segmenter, photo):
    with pytest.raises(UsageError, match="panoptic, instance, semantic, got 'depth'"):
        segmenter.segment(photo, task="depth")
    with pytest.raises(UsageError, match="for the task 'semantic' only"):
        segmenter.segment(photo, scales=(1.0, 2.0))
    with pytest.raises(UsageError, match="above 0"):
        segmenter.segment(photo, task="semantic", scales=(0.0,))
    with pytest.raises(UsageError, match=r"score threshold must lie in \[0, 1\], got 2"):
        Thresholds(score=2.0)
    with pytest.raises(UsageError, match="1 photo or more"):
        segmenter.segment_many([photo], batch=0)
    with pytest.raises(ImageError):
        segmenter.segment(b"no picture")


def test_a_network_for_one_task_does_no_other(photo):
    config = replace(SMALL, task="semantic")
    segmenter = Segmenter(network(config), config, device="cpu")
    assert segmenter.segment(photo, task="semantic").task == "semantic"
    with pytest.raises(UsageError, match="trained for semantic segmentation alone"):
        segmenter.segment(photo)


def test_it_is_loaded_from_a_file(tmp_path, photo, segmenter):
    state = network(SMALL).state_dict()
    file = save_model(
        tmp_path / "m.safetensors", state, paper="mask2former", config=SMALL, source="a test"
    )
    loaded = mw.Segmenter.load(file, device="cpu")
    same(loaded.segment(photo), segmenter.segment(photo))
    assert load_classes(file) == loaded.classes
    for load in (mw.Segmenter.load, load_classes):
        with pytest.raises(WeightsError, match="a2u-mini holds a2u"):
            load("a2u-mini")


def test_classes_have_their_published_names():
    assert classes_of(replace(MINI, classes=133, names=(), things=())).names[0] == "person"
    assert classes_of(replace(MINI, classes=3)).names == ("class 0", "class 1", "class 2")
    with pytest.raises(WeightsError, match="expected 4 names"):
        classes_of(replace(SMALL, names=("one",), things=()))
