import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maskwright.errors import SubjectError, UsageError
from maskwright.inference.segment import Segmenter
from maskwright.inference.subject import (
    COMPARABLE,
    FOUND,
    Subject,
    find_subjects,
    prominence,
    subjects_in,
)
from maskwright.structures import rle
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

sys.path.append(str(Path(__file__).parents[1] / "models" / "mask2former"))
SIZE = (101, 151)
NAMES = ("person", "dog", "sky", "car, auto")


def box(x0, y0, x1, y1, size=SIZE):
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def panoptic(*parts):
    """Return a panoptic segmentation of (category, score, mask), each laid over those before it."""
    labels = np.zeros(SIZE, int)
    for number, (_, _, mask) in enumerate(parts, start=1):
        labels[mask] = number
    segments = [
        Segment(n, c, NAMES[c], rle.encode(labels == n), is_thing=c != 2, score=score)
        for n, (c, score, _) in enumerate(parts, start=1)
    ]
    return Segmentation(SIZE, "panoptic", NAMES, tuple(segments))


MAIN = (0, 0.9, box(50, 20, 100, 90))
SECOND = (1, 0.9, box(105, 30, 135, 80))
BYSTANDER = (0, 0.9, box(2, 60, 12, 80))
SKY = (2, 1.0, box(0, 0, 151, 15))
SCENE = panoptic(SKY, BYSTANDER, SECOND, MAIN)


def test_prominence_is_the_score_times_a_weighted_share_written_out():
    mask = np.random.default_rng(0).random((7, 11)) > 0.6
    total = covered = 0.0
    for row in range(7):
        for column in range(11):
            y, x = (row + 0.5) * 2 / 7 - 1, (column + 0.5) * 2 / 11 - 1
            weight = np.exp(-2 * (x**2 + y**2))
            total += weight
            covered += weight * mask[row, column]
    segment = Segment(1, 0, "person", rle.encode(mask), score=0.7)
    assert prominence(segment) == pytest.approx(0.7 * covered / total, rel=1e-5)
    everything = Segment(1, 0, "person", rle.encode(np.ones((7, 11), bool)))
    assert prominence(everything) == pytest.approx(1)


def test_the_foreground_is_what_is_comparable_with_the_most_prominent():
    (subject,) = subjects_in(SCENE)
    assert subject.category == "person"
    assert np.array_equal(subject.mask(), MAIN[2] | SECOND[2])
    first, second = (prominence(segment) for segment in subject.segments)
    assert first > second > COMPARABLE * first
    unsure = panoptic((0, 0.9, MAIN[2]), (1, 0.9 * 0.2, SECOND[2]))
    assert np.array_equal(subjects_in(unsure)[0].mask(), MAIN[2])


def test_things_in_the_middle_win():
    corner, middle = box(0, 0, 40, 40), box(60, 40, 90, 65)
    assert subjects_in(panoptic((0, 1.0, corner), (1, 1.0, middle)))[0].category == "dog"


def test_what_lies_in_front_of_the_subject_leaves_no_hole_in_it():
    bag, pole = box(60, 50, 66, 60), box(99, 30, 103, 50)  # on the person; beside her
    found = panoptic(MAIN, (3, 0.9, bag), (3, 0.9, pole))
    (subject,) = subjects_in(found)
    assert np.array_equal(subject.mask(), MAIN[2] & ~pole)
    assert [segment.id for segment in subject.segments] == [1, 2]


def test_the_largest_and_all():
    (largest,) = subjects_in(SCENE, choice="largest")
    assert np.array_equal(largest.mask(), MAIN[2])
    every = subjects_in(SCENE, choice="all")
    assert [one.category for one in every] == ["person", "dog", "person"]
    assert all(len(one.segments) == 1 for one in every)
    # The largest is so by pixels, wherever it is.
    found = panoptic((0, 1.0, box(0, 0, 40, 40)), (1, 1.0, box(60, 40, 90, 65)))
    assert subjects_in(found, choice="largest")[0].category == "person"


def test_classes_are_chosen_by_name_and_stuff_only_so():
    (dog,) = subjects_in(SCENE, categories=["Dog"])
    assert np.array_equal(dog.mask(), SECOND[2])
    assert [one.category for one in subjects_in(SCENE, choice="all", categories=["sky"])] == ["sky"]
    assert subjects_in(panoptic(SKY)) == ()
    assert subjects_in(SCENE, categories=["auto"]) == ()
    with pytest.raises(UsageError, match="one of this network's, person, dog, sky, car, auto; got"):
        subjects_in(SCENE, categories=["dog", "cat"])
    with pytest.raises(UsageError, match="prominent, largest, all, got 'best'"):
        subjects_in(SCENE, choice="best")


def test_specks_are_no_subjects():
    speck = (1, 1.0, box(75, 50, 78, 55))
    assert subjects_in(panoptic(speck)) == ()
    assert len(subjects_in(panoptic((1, 1.0, box(75, 50, 79, 55))))) == 1


def test_a_subject_has_segments_of_one_photo():
    with pytest.raises(UsageError, match="got 0 of the sizes"):
        Subject(())
    other = Segment(1, 0, "person", rle.encode(np.ones((3, 5), bool)))
    with pytest.raises(UsageError, match="take those of one photo"):
        Subject((SCENE.segments[0], other))


def test_a_network_finds_them():
    from query_networks import CERTAIN, certain_network

    segmenter = Segmenter(certain_network(), CERTAIN, device="cpu")
    photo = np.random.default_rng(0).integers(0, 256, (90, 150, 3), np.uint8)
    found = segmenter.segment(photo, thresholds=FOUND)
    assert len(found.segments) > 3
    (subject,) = find_subjects(segmenter, photo)
    assert np.array_equal(subject.mask(), subjects_in(found)[0].mask())
    assert len(find_subjects(segmenter, photo, choice="all")) == len(found.segments)
    with pytest.raises(SubjectError, match="of the class dog, found none but person; point at it"):
        find_subjects(segmenter, photo, categories=["dog"])
    with pytest.raises(UsageError, match="sky, person, dog, car; got cat"):
        find_subjects(segmenter, photo, categories=["cat"])


def test_instances_serve_too_and_nothing_found_is_an_error():
    from query_networks import CERTAIN, certain_network

    config = replace(CERTAIN, task="instance")
    photo = np.random.default_rng(0).integers(0, 256, (90, 150, 3), np.uint8)
    network = certain_network()
    assert find_subjects(Segmenter(network, config, device="cpu"), photo)
    with torch.no_grad():
        network.decoder.classify.weight.zero_()
    with pytest.raises(SubjectError, match="expected a subject, found none; point at it with --po"):
        find_subjects(Segmenter(network, config, device="cpu"), photo)


def test_small_holes_are_filled_and_large_ones_stay():
    body = box(20, 10, 120, 90)
    small, large, edge = box(30, 20, 40, 30), box(60, 20, 110, 80), box(20, 88, 24, 90)
    kept = Subject((segment_of(body & ~small & ~large & ~edge),)).mask()
    assert (kept == (body & ~large & ~edge)).all()


def test_what_reaches_the_edge_of_the_photo_is_no_hole():
    body = box(0, 0, 151, 101) & ~box(0, 0, 5, 5)
    assert (Subject((segment_of(body),)).mask() == body).all()


def segment_of(mask):
    return Segment(1, 0, "person", rle.encode(mask), is_thing=True, score=0.9)
