import json
from pathlib import Path

import numpy as np
import pytest

from maskwright.errors import ShapeError, UsageError
from maskwright.formats.classes import published_classes
from maskwright.formats.panoptic import read_panoptic
from maskwright.metrics.panoptic import PanopticQuality, panoptic_quality
from maskwright.structures import rle
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation, semantic_segmentation

OFFICIAL = Path(__file__).parents[1] / "parity/panoptic"
NAMES, IS_THING = ("dog", "cat", "sky"), (True, True, False)


def row(*runs, crowds=(), size=20):
    """Return a photo of one row: (class, from, to) a segment; None is void."""
    segments = []
    for number, (category, start, end) in enumerate(runs, start=1):
        mask = np.zeros((1, size), bool)
        mask[0, start:end] = True
        segments.append(
            Segment(
                number,
                category,
                NAMES[category],
                rle.encode(mask),
                is_thing=IS_THING[category],
                is_crowd=number in crowds,
            )
        )
    return Segmentation((1, size), "panoptic", NAMES, tuple(segments))


def counted(truth, prediction):
    return panoptic_quality([truth], [prediction], is_thing=IS_THING)


def test_the_numbers_are_those_of_the_official_evaluator():
    classes = published_classes("coco-panoptic")
    truths = read_panoptic(
        OFFICIAL / "ground_truth.json", maps=OFFICIAL / "panoptic_examples", classes=classes
    )
    found = read_panoptic(
        OFFICIAL / "predictions.json", maps=OFFICIAL / "predictions", classes=classes
    )
    counts = panoptic_quality(
        [item.segmentation for item in truths],
        [item.segmentation for item in found],
        is_thing=classes.is_thing,
    )
    official = json.loads((OFFICIAL / "official.json").read_text())
    for key, ours in (
        ("All", counts.all()),
        ("Things", counts.things()),
        ("Stuff", counts.stuff()),
    ):
        theirs = official[key]
        assert (ours.pq, ours.sq, ours.rq) == pytest.approx(
            (theirs["pq"], theirs["sq"], theirs["rq"]), abs=1e-6
        )
        assert ours.classes == theirs["n"]
    per_class = counts.per_class()
    for number, name in zip(classes.numbers, classes.names, strict=True):
        theirs, ours = official["per_class"][str(number)], per_class[name]
        assert (ours.pq, ours.sq, ours.rq) == pytest.approx(
            (theirs["pq"], theirs["sq"], theirs["rq"]), abs=1e-6
        )
    assert counts.scores()["pq_stuff"] == counts.stuff().pq
    assert list(counts.scores())[:4] == ["pq", "sq", "rq", "pq_things"]


def test_a_match_a_miss_and_a_wrong_one_by_hand():
    truth = row((0, 0, 6), (0, 10, 14), (2, 14, 20))
    prediction = row((0, 1, 6), (0, 7, 9), (2, 14, 20))  # void between counts as nothing
    counts = counted(truth, prediction)
    dog, sky = counts.per_class()["dog"], counts.per_class()["sky"]
    # The dog at 1 to 6 has IoU 5/6; the one at 7 to 9 lies on void only, and is not wrong.
    assert dog.sq == pytest.approx(5 / 6) and dog.rq == pytest.approx(1 / 1.5)
    assert dog.pq == pytest.approx(dog.sq * dog.rq)
    assert (sky.pq, sky.sq, sky.rq, sky.classes) == (1, 1, 1, 1)
    assert counts.per_class()["cat"].classes == 0
    assert counts.all().pq == pytest.approx((dog.pq + 1) / 2) and counts.all().classes == 2


def test_half_is_no_match_and_another_class_neither():
    half = counted(row((0, 0, 6)), row((0, 0, 3)))
    assert half.matched.sum() == 0 and half.missed[0] == 1 and half.wrong[0] == 1
    other = counted(row((0, 0, 6)), row((1, 0, 6)))
    assert other.missed[0] == 1 and other.wrong[1] == 1 and other.all().pq == 0


def test_void_is_left_out_of_the_union_and_forgives_half():
    counts = counted(row((0, 0, 4)), row((0, 0, 9)))
    assert counts.iou[0] == 1, "the union is without the five pixels on void"
    for end, wrong in ((8, 1), (9, 0)):  # 4 or 5 of 8 or 9 on void: only more than half forgives
        counts = counted(row((1, 0, 4)), row((0, 0, end)))
        assert counts.wrong[0] == wrong


def test_a_crowd_is_neither_found_nor_missed_and_forgives_its_class():
    crowd = row((0, 0, 10), crowds={1})
    assert counted(crowd, row()).missed.sum() == 0
    same, other = counted(crowd, row((0, 0, 10))), counted(crowd, row((1, 0, 10)))
    assert same.matched.sum() == same.wrong.sum() == 0
    assert other.wrong[1] == 1
    # Of two crowds of a class the last one counts, as in the official evaluator.
    two = row((0, 0, 10), (0, 12, 20), crowds={1, 2})
    assert counted(two, row((0, 0, 10))).wrong[0] == 1
    assert counted(two, row((0, 12, 20))).wrong[0] == 0


def test_counts_of_photos_add_up():
    pairs = [(row((0, 0, 6)), row((0, 0, 5))), (row((0, 3, 9), (2, 9, 12)), row((2, 9, 13)))]
    together = panoptic_quality(*zip(*pairs, strict=True), is_thing=IS_THING)
    merged = counted(*pairs[0])
    merged.merge(counted(*pairs[1]))
    assert merged.scores() == together.scores()
    assert together.per_class()["dog"].rq == pytest.approx(1 / 1.5)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ShapeError, match="one size, got"):
        counted(row((0, 0, 6)), row((0, 0, 6), size=21))
    semantic = semantic_segmentation(np.zeros((1, 20), np.int32), NAMES)
    with pytest.raises(UsageError, match="the prediction must be a panoptic .* got a semantic one"):
        counted(row(), semantic)
    with pytest.raises(ShapeError, match="got 0 for 1"):
        panoptic_quality([row()], [], is_thing=IS_THING)
    with pytest.raises(UsageError, match="of the same classes"):
        counted(row(), row()).merge(PanopticQuality(("cow",), (True,)))
    assert counted(row(), row()).scores()["pq"] == 0
