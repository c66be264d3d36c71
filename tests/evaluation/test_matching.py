import logging

import numpy as np
import pytest

from maskwright.data.ground_truth import TruthSet
from maskwright.errors import UsageError
from maskwright.evaluation.matching import in_classes, match_classes
from maskwright.formats.classes import published_classes
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation, semantic_segmentation

TRUTH = ClassList(("sky", "car", "tree, bush"), is_thing=(False, True, False))
NETWORK = ClassList(("bush", "dog", "Car", "sky"))
SIZE = (3, 5)


def test_classes_are_found_by_name():
    assert match_classes(NETWORK, TRUTH).index_of == (2, None, 1, 0)
    assert match_classes(TRUTH, TRUTH).index_of == (0, 1, 2)


def test_the_things_of_coco_panoptic_are_the_classes_of_its_instances(caplog):
    found = match_classes(published_classes("coco-panoptic"), published_classes("coco-instance"))
    assert found.index_of == (*range(80), *[None] * 53) and not caplog.records


def test_label_maps_are_renamed_and_what_has_no_name_is_void():
    labels = np.array([[0, 1, 2, 3, 255]] * 3)
    found = semantic_segmentation(labels, NETWORK.names)
    renamed = match_classes(NETWORK, TRUTH).renamed(found)
    assert renamed.label_map().tolist() == [[2, 255, 1, 0, 255]] * 3
    assert renamed.categories == TRUTH.names


@pytest.mark.parametrize("task", ["panoptic", "instance"])
def test_segments_are_renamed_and_numbered_anew(task):
    segments = []
    for index, name in enumerate(NETWORK.names):
        mask = np.zeros(SIZE, bool)
        mask[:, index] = True
        code = rle.encode(mask)
        segments.append(Segment(index + 1, index, name, code, score=0.1 + index / 8))
    found = Segmentation(SIZE, task, NETWORK.names, tuple(segments))
    renamed = match_classes(NETWORK, TRUTH).renamed(found)
    assert [one.category_id for one in renamed.segments] == [2, 1, 0]
    assert [one.is_thing for one in renamed.segments] == [False, True, False]
    car = next(one for one in renamed.segments if one.category == "car")
    assert (car.is_thing, car.score, car.mask()[:, 2].all()) == (True, 0.35, True)


def test_made_up_names_are_taken_in_their_order(caplog):
    network = ClassList(("class 0", "class 1", "class 2"))
    assert match_classes(network, TRUTH, unnamed=True).index_of == (0, 1, 2)
    assert "have no names; taking them in the order" in caplog.text
    with pytest.raises(UsageError, match=r"has 4 classes without names, the truth 3; list"):
        match_classes(NETWORK, TRUTH, unnamed=True)


def test_classes_that_the_network_cannot_find_are_told(caplog):
    with caplog.at_level(logging.WARNING):
        match_classes(ClassList(("car", "dog")), TRUTH)
    assert "does not know 2 classes of the truth, which count as never found: sky" in caplog.text


def test_what_cannot_be_matched_is_refused():
    with pytest.raises(UsageError, match=r"must know a class of the truth \(sky, .* knows dog"):
        match_classes(ClassList(("dog",)), TRUTH)
    with pytest.raises(UsageError, match="'tree, bush' is tree and bush; give it one name"):
        match_classes(ClassList(("tree", "bush")), TRUTH)


def predictions(tmp_path, names, found):
    photo = tmp_path / "a.png"
    photo.touch()
    task = "semantic" if isinstance(found, np.ndarray) else found.task
    return TruthSet(task, ClassList(names), (photo,), lambda index: found)


def objects(*names, is_crowd=False):
    """Return objects on the same pixels, one for each name."""
    code = rle.encode(np.ones(SIZE, bool))
    segments = tuple(
        Segment(index + 1, index, name, code, is_crowd=is_crowd) for index, name in enumerate(names)
    )
    return Segmentation(SIZE, "instance", names, segments)


def test_predicted_classes_that_the_truth_lacks_are_left_out_and_told(tmp_path, caplog):
    names = ("dog", "car", "cow")
    found = in_classes(predictions(tmp_path, names, objects(*names)), TRUTH)
    assert found.classes is TRUTH
    assert [one.category for one in found.read(0).segments] == ["car"]
    assert "not know 2 classes of the predictions, which are left out: dog, cow" in caplog.text
    assert "not name 2 classes of the truth, which count as never found: sky" in caplog.text


def test_predictions_may_have_two_names_for_a_class_and_crowds_stay_crowds(tmp_path):
    names = ("Car", "car")
    found = in_classes(predictions(tmp_path, names, objects(*names, is_crowd=True)), TRUTH)
    assert [(one.category, one.is_crowd) for one in found.read(0).segments] == [("car", True)] * 2


def test_pictures_of_classes_are_renamed_and_what_has_no_name_is_void(tmp_path):
    labels = np.array([[0, 1, 2, 3, 255]] * 3, np.int32)
    found = in_classes(predictions(tmp_path, NETWORK.names, labels), TRUTH)
    assert found.read(0).tolist() == [[2, 255, 1, 0, 255]] * 3


def test_predictions_without_a_class_of_the_truth_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"must name a class of the truth \(sky, .* name dog; ren"):
        in_classes(predictions(tmp_path, ("dog",), objects("dog")), TRUTH)
