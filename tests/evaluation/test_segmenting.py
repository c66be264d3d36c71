import json

import numpy as np
import pytest
from PIL import Image

from maskwright.data.ground_truth import TruthSet
from maskwright.errors import DataError
from maskwright.evaluation.segmenting import (
    KEPT,
    TALLIES,
    items_of,
    names_of,
    predicted,
    score_photos,
)
from maskwright.metrics.instance import InstancePrecision
from maskwright.metrics.panoptic import panoptic_quality
from maskwright.metrics.semantic import confusion
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation, as_semantic

SIZE = (31, 43)
CLASSES = ClassList(("road", "car", "sky", "bird"), is_thing=(False, True, False, True))


def boxes(task, *parts):
    """Return a segmentation with a box for each (category, top, left, bottom, right[, score])."""
    segments = []
    for number, (category, top, left, bottom, right, *more) in enumerate(parts, start=1):
        mask = np.zeros(SIZE, bool)
        mask[top:bottom, left:right] = True
        score = more[0] if more else 1.0
        is_crowd = score == "crowd"
        segments.append(
            Segment(
                number,
                category,
                CLASSES.names[category],
                rle.encode(mask),
                is_thing=CLASSES.is_thing[category],
                score=1.0 if is_crowd else score,
                is_crowd=is_crowd,
            )
        )
    return Segmentation(SIZE, task, CLASSES.names, tuple(segments))


TRUE = {
    "a": [(0, 0, 0, 9, 43), (1, 10, 3, 25, 20), (1, 12, 25, 30, 40)],
    "b": [(2, 0, 0, 15, 43), (1, 15, 0, 31, 21, "crowd"), (1, 20, 25, 31, 43)],
}
FOUND = {
    "a": [(0, 0, 0, 12, 43, 0.9), (1, 12, 4, 25, 20, 0.75), (3, 12, 24, 29, 40, 0.5)],
    "b": [(2, 0, 0, 14, 43, 0.9), (1, 20, 22, 31, 43, 0.625)],
}


def segmentations(table, task):
    found = [boxes("instance" if task == "instance" else "panoptic", *table[name]) for name in "ab"]
    return [as_semantic(one) for one in found] if task == "semantic" else found


@pytest.fixture
def photos(tmp_path):
    for name in "ab":
        Image.new("RGB", SIZE[::-1]).save(tmp_path / f"{name}.png")
    return tuple(tmp_path / f"{name}.png" for name in "ab")


def truth_set(photos, task, table=TRUE):
    return TruthSet(task, CLASSES, photos, segmentations(table, task).__getitem__)


def tallied(truth, predict, rows=None):
    """Return a tally of all photos, and their rows, through JSON as a stopped run keeps them."""
    tally = TALLIES[truth.task](truth)
    rows = rows or list(score_photos(items_of(truth), tally=tally, predict=predict))
    for index, row in enumerate(rows):
        if row.scores is not None:
            tally.add(index, json.loads(json.dumps(row.scores[KEPT])))
    return tally, rows


def test_semantic_scores_are_those_of_the_confusion_of_all_photos(photos):
    truths, found = (segmentations(table, "semantic") for table in (TRUE, FOUND))
    tally, rows = tallied(truth_set(photos, "semantic"), found.__getitem__)
    maps = [[one.label_map() for one in several] for several in (truths, found)]
    whole = confusion(*maps, names=CLASSES.names)
    assert tally.averages() == whole.scores()
    assert {n: row["iou"] for n, row in tally.per_class().items()} == {
        n: row["iou"] for n, row in whole.per_class().items()
    }
    assert tally.per_class()["road"]["share"] == whole.counts[0].sum() / whole.counts.sum()
    alone = confusion(maps[0][1:], maps[1][1:], names=CLASSES.names).scores()
    assert rows[1].scores["miou"] == alone["miou"] and rows[1].name == "b"


def test_panoptic_scores_are_those_of_the_matches_of_all_photos(photos):
    truths, found = (segmentations(table, "panoptic") for table in (TRUE, FOUND))
    tally, rows = tallied(truth_set(photos, "panoptic"), found.__getitem__)
    whole = panoptic_quality(truths, found, is_thing=CLASSES.is_thing)
    assert tally.averages() == whole.scores() and 0 < whole.all().pq < 1
    assert tally.per_class()["car"] == {
        **{key: getattr(whole.per_class()["car"], key) for key in ("pq", "sq", "rq")},
        **{"matched": 2, "missed": 1, "wrong": 0},
    }
    assert tally.per_class()["bird"]["wrong"] == 1
    assert rows[1].scores["rq"] == 1


def test_instance_scores_are_those_of_all_objects(photos):
    truths, found = (segmentations(table, "instance") for table in (TRUE, FOUND))
    tally, rows = tallied(truth_set(photos, "instance"), found.__getitem__)
    whole = InstancePrecision(CLASSES.names)
    for truth, one in zip(truths, found, strict=True):
        whole.add(truth, one)
    assert tally.averages() == whole.scores() and 0 < whole.masks().ap < 1
    car = tally.per_class()["car"]
    assert car == {
        "ap": whole.masks().per_class["car"],
        "boundary_ap": whole.boundaries().per_class["car"],
        "objects": 3,
    }
    assert [(row.scores["true"], row.scores["found"]) for row in rows] == [(2, 2), (1, 1)]


@pytest.mark.parametrize("task", TALLIES)
def test_a_perfect_prediction_has_full_scores(photos, task):
    table = {name: [part for part in parts if "crowd" not in part] for name, parts in TRUE.items()}
    truth = truth_set(photos, task, table)
    tally, _ = tallied(truth, lambda index: truth[index].segmentation)
    scores = tally.averages()
    assert set(scores.values()) == {1.0}


@pytest.mark.parametrize("task", TALLIES)
def test_where_nothing_was_scored_nothing_is_known(photos, task):
    tally = TALLIES[task](truth_set(photos, task))
    assert set(tally.averages().values()) == {None}
    firsts = {next(iter(row.values())) for row in tally.per_class().values()}
    assert firsts == {None}


def test_a_photo_whose_truth_is_void_counts_for_nothing(photos):
    truth = truth_set(photos, "semantic", {"a": [], "b": []})
    tally, rows = tallied(truth, segmentations(FOUND, "semantic").__getitem__)
    assert rows[0].scores == {"miou": None, "pixel_accuracy": None, KEPT: []}
    assert tally.averages()["miou"] is None


def test_a_bad_photo_is_a_row_that_says_so(photos):
    def predict(index):
        if index == 0:
            raise DataError("a.json: cut off")
        return segmentations(FOUND, "panoptic")[index]

    _, rows = tallied(truth_set(photos, "panoptic"), predict)
    assert (rows[0].scores, rows[0].error) == (None, "a.json: cut off")
    assert rows[1].scores["pq"] > 0


@pytest.mark.parametrize("task", TALLIES)
def test_a_prediction_of_another_size_is_a_row_that_says_so(photos, task):
    other = Segmentation((7, 5), task, CLASSES.names, ())
    _, rows = tallied(truth_set(photos, task), lambda index: other)
    assert all("one size" in row.error for row in rows)


def test_predictions_are_found_by_their_photo(photos):
    truth = truth_set(photos, "panoptic")
    turned = {"a": FOUND["b"], "b": FOUND["a"]}
    found = truth_set(photos[::-1], "panoptic", turned)
    predict = predicted(truth, found)
    assert len(predict(0).segments) == 3 and len(predict(1).segments) == 2
    with pytest.raises(DataError, match=r"must have a prediction, there is none for 1: .*b\.png"):
        predicted(truth, truth_set(photos[:1], "panoptic"))


def test_a_crowd_region_among_predictions_is_named(photos):
    truth = truth_set(photos, "instance")
    predict = predicted(truth, truth_set(photos, "instance", TRUE))
    _, rows = tallied(truth, predict)
    assert rows[0].scores is not None
    assert "b.png: a prediction is of single objects, segment 2 (car) is a crowd" in rows[1].error


def test_items_know_all_files_that_exist(photos, tmp_path):
    (tmp_path / "a.txt").write_text("")
    files = ((tmp_path / "a.txt",), (tmp_path / "b.txt",))
    truth = TruthSet("panoptic", CLASSES, photos, segmentations(TRUE, "panoptic").pop, files)
    assert [item.files for item in items_of(truth)] == [(photos[0], files[0][0]), (photos[1],)]


def test_names_are_paths_below_the_common_folder(tmp_path):
    paths = [tmp_path / name for name in ("x/a.jpg", "y/a.jpg", "b.jpg")]
    assert names_of(paths) == ["x/a", "y/a", "b"]
    assert names_of([tmp_path / "a.jpg", tmp_path / "a.png"]) == ["a.jpg", "a.png"]
