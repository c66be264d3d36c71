import numpy as np
import pytest

from maskwright.data.ground_truth import TruthSet
from maskwright.evaluation.run import Row
from maskwright.evaluation.segment_report import as_json, as_text
from maskwright.evaluation.segmenting import KEPT, TALLIES
from maskwright.structures.class_list import ClassList

CLASSES = ClassList(("road", "car", "sky"), is_thing=(False, True, False))
ROWS = [Row("a", {"miou": 0.5, KEPT: [1]}), Row("b", None, "b.png: cut off")]


@pytest.fixture
def truth(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    return TruthSet("semantic", CLASSES, (tmp_path / "a.png",), lambda index: np.zeros((2, 2)))


def test_semantic_tables_begin_with_the_worst_class(truth):
    tally = TALLIES["semantic"](truth)
    tally.add(0, [[0, 0, 90], [0, 1, 10], [1, 0, 30], [1, 1, 10], [1, 3, 20]])
    report = as_json(ROWS, tally, {"model": "m"})
    assert (report["images"], report["failed"], report["model"]) == (1, 1, "m")
    assert report["per_image"] == [
        {"name": "a", "miou": 0.5},
        {"name": "b", "error": "b.png: cut off"},
    ]
    assert report["per_class"]["sky"] == {"iou": None, "accuracy": None, "share": 0.0}
    lines = as_text(report, tally).splitlines()
    assert lines[0].split() == "class IoU accuracy pixels most often taken for".split()
    assert lines[1].split() == ["car", "14.3", "16.7", "37.5", "road", "50.0"]
    assert lines[2].split() == ["road", "69.2", "90.0", "62.5", "car", "10.0"]
    assert lines[3:] == [
        "1 more classes that the truth does not have",
        "mIoU 41.8  fwIoU 48.6  pixel accuracy 62.5",
        "1 images, 1 could not be scored",
    ]


def test_panoptic_tables_count_segments(truth):
    tally = TALLIES["panoptic"](truth)
    tally.add(0, [[1, 1.5, 2, 1, 0], [2, 0.0, 0, 0, 1]])
    lines = as_text(as_json(ROWS[:1], tally, {}), tally).splitlines()
    assert [line.split() for line in lines] == [
        ["class", "PQ", "SQ", "RQ", "matched", "missed", "wrong"],
        ["sky", "0.0", "0.0", "0.0", "0", "1", "0"],
        ["car", "60.0", "75.0", "80.0", "2", "0", "1"],
        "1 more classes that the truth does not have".split(),
        ["PQ", "SQ", "RQ"],
        ["all", "30.0", "37.5", "40.0"],
        ["things", "60.0", "75.0", "80.0"],
        ["stuff", "0.0", "0.0", "0.0"],
        ["1", "images"],
    ]


def test_without_a_score_there_is_no_table(truth):
    for task, line in (("semantic", "mIoU -  fwIoU -"), ("instance", "AP -  AP50 -  boundary")):
        tally = TALLIES[task](truth)
        text = as_text(as_json(ROWS[1:], tally, {}), tally)
        assert text.startswith("3 more classes") and line in text
