from dataclasses import replace

import numpy as np
import pytest
import torch

from maskwright.data.ground_truth import GroundTruth
from maskwright.image.io import write_image
from maskwright.inference.segment import Segmenter
from maskwright.models.mask2former.config import Config
from maskwright.models.mask2former.model import build
from maskwright.structures.segmentation import Segmentation, semantic_segmentation
from maskwright.training.segment_validation import SHEETS, SegmentValidation
from maskwright.training.segmenting import SegmentTraining

SMALL = Config(
    backbone="mobilenetv2",
    classes=3,
    queries=5,
    width=32,
    heads=2,
    pixel_layers=1,
    pixel_hidden=32,
    layers=3,
    hidden=32,
    names=("sky", "cat", "dog"),
    things=(False, True, True),
    short_side_px=32,
)


def model():
    torch.manual_seed(0)
    return SegmentTraining(build(SMALL))


def truths(path, task, count=3):
    """Return noise, each with its left half the sky."""
    photos = []
    for index in range(count):
        pixels = np.random.default_rng(index).integers(0, 256, (40, 60, 3), np.uint8)
        write_image(path / f"{index}.png", pixels)
        labels = np.full((40, 60), 255, np.int32)
        labels[:, :30] = 0
        labels[:, 40:50] = 1
        found = semantic_segmentation(labels, SMALL.names, is_thing=SMALL.things)
        found = Segmentation(found.size, task, found.categories, found.segments)
        photos.append(GroundTruth(path / f"{index}.png", found))
    return photos


class Right(Segmenter):
    """Finds what there is."""

    known: dict

    def segment_many(self, images, task="panoptic", **_):
        return (self.known[image] for image in images)


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("semantic", ["missed", "miou", "fwiou", "pixel_accuracy"]),
        ("panoptic", ["missed", "pq", "sq", "rq"]),
        ("instance", ["missed", "ap", "ap50"]),
    ],
)
def test_scores_of_a_task(tmp_path, task, names, monkeypatch):
    photos = truths(tmp_path, task)
    validate = SegmentValidation(photos, replace(SMALL, task=task))
    scores, sheets = validate(model())
    assert list(scores)[: len(names)] == names and 0.5 < scores["missed"] <= 1
    assert len(sheets) == 3 and sheets[0].shape == (320, 3 * 480 + 8, 3)
    Right.known = {each.photo: each.segmentation for each in photos}
    monkeypatch.setattr("maskwright.training.segment_validation.Segmenter", Right)
    perfect, shown = validate(model())
    assert perfect["missed"] == pytest.approx(0) and perfect[names[1]] == pytest.approx(1)
    assert np.array_equal(shown[0][:, 484:964], shown[0][:, 968:])


def test_photos_are_spread_over_the_list(tmp_path):
    photos = truths(tmp_path, "semantic", count=9)
    chosen = SegmentValidation.of(photos, 3, SMALL).photos
    assert [photos.index(each) for each in chosen] == [0, 3, 6]
    assert len(SegmentValidation.of(photos, 99, SMALL).photos) == 9
    every = SegmentValidation(photos, replace(SMALL, task="semantic"))
    assert len(every(model())[1]) == SHEETS


def test_what_is_found_beside_the_subject_counts_there(tmp_path, monkeypatch):
    photos = truths(tmp_path, "panoptic")
    everything = semantic_segmentation(np.zeros((40, 60), np.int32), SMALL.names)
    found = Segmentation((40, 60), "panoptic", SMALL.names, everything.segments)
    Right.known = {each.photo: found for each in photos}
    monkeypatch.setattr("maskwright.training.segment_validation.Segmenter", Right)
    validate = SegmentValidation(photos, SMALL, subject=True)
    assert validate(model())[0]["subject"] == pytest.approx(40 / 60)
    nothing = Segmentation((40, 60), "panoptic", SMALL.names, ())
    Right.known = {each.photo: nothing for each in photos}
    assert validate(model())[0]["subject"] == 0
    assert "subject" not in SegmentValidation(photos, SMALL)(model())[0]
