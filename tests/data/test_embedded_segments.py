from pathlib import Path

import numpy as np
import pytest

from maskwright.data import embedded_segments
from maskwright.data.embedded_segments import (
    ANIMAL,
    CLASSES,
    COLLECTIONS,
    OBJECT,
    PERSON,
    VEHICLE,
    Collection,
    SegmentSources,
    classed_yolo_scenes,
    coco_category,
    film_category,
    foreground_category,
    segmentation_of,
    whole,
)
from maskwright.data.scenes import SceneSet
from maskwright.data.segment_crops import SegmentCropPlan
from maskwright.data.splits import Split
from maskwright.formats.classes import published_classes
from maskwright.image.io import write_image

DATA = Path(__file__).parents[3] / "shared/data"
needs_data = pytest.mark.skipif(
    not DATA.exists(), reason="needs ../shared/data beside the checkout"
)


def test_classes_of_names():
    names = published_classes("coco-instance").names
    found = [coco_category(name) for name in names]
    assert found.count(PERSON) == 1 and found.count(ANIMAL) == 10 and found.count(VEHICLE) == 8
    assert coco_category("horse") == ANIMAL and coco_category("truck") == VEHICLE
    assert [foreground_category(n) for n in ("p3m_s_1", "am2ks_3", "aim_s_1")] == [
        PERSON, ANIMAL, OBJECT,
    ]  # fmt: skip
    films = ("bear_00030.jpg", "lucia_00010.jpg", "car-turn_00001.jpg", "soccerball_2.jpg")
    assert [film_category(Path(film)) for film in films] == [ANIMAL, PERSON, VEHICLE, OBJECT]


def test_all_labels_of_a_photo_become_one_object():
    labels = np.array([[0, 3, 0], [7, 3, 255]], np.int32)
    found = SceneSet("a set", Split((), ()), lambda file: [labels], has_whole=True)
    (one,) = whole(found, lambda file: VEHICLE).read_maps(Path())
    assert one.tolist() == [[0, VEHICLE + 1, 0], [VEHICLE + 1] * 3]


@pytest.fixture
def yolo(tmp_path):
    """Photos of a dog, two persons on it, and a cup."""
    lines = {
        16: "0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9",
        0: "0.2 0.2 0.5 0.2 0.5 0.6 0.2 0.6",
        41: "0.6 0.6 0.8 0.6 0.8 0.8 0.6 0.8",
    }
    text = "\n".join(f"{number} {points}" for number, points in lines.items())
    text += "\n0 0.55 0.2 0.85 0.2 0.85 0.5 0.55 0.5\n"
    for index in range(24):
        write_image(tmp_path / f"images/{index}.jpg", np.full((40, 60, 3), 99, np.uint8))
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / f"labels/{index}.txt").write_text(text)
    return tmp_path


def test_polygons_keep_their_classes_the_smaller_over_the_larger(yolo):
    found = classed_yolo_scenes(yolo)
    scene = found.scene(found.files.training[0])
    segments = segmentation_of(scene).segments
    assert sorted(segment.category for segment in segments) == [
        "animal", "object", "person", "person",
    ]  # fmt: skip
    by_name = {segment.category: segment for segment in segments}
    assert by_name["object"].area == 8 * 12 and by_name["object"].box == (36, 24, 48, 32)
    covered = sum(segment.area for segment in segments)
    assert covered == pytest.approx(32 * 48, abs=8)


def test_held_out_photos_are_none_that_are_trained_on(yolo, monkeypatch):
    monkeypatch.setattr(
        embedded_segments, "COLLECTIONS", (Collection(".", classed_yolo_scenes, 1.0),)
    )
    files = classed_yolo_scenes(yolo).files
    found = SegmentSources(str(yolo)).held_out(9)
    assert [each.photo for each in found] == list(files.held_out)
    assert not {each.photo for each in found} & set(files.training)
    assert found[0].segmentation.task == "panoptic"
    assert found[0].segmentation.categories == CLASSES.names


def test_things_are_drawn_where_there_is_no_folder():
    sources = SegmentSources("", drawn=2)
    assert sources.held_out(9) == ()
    data = sources.training(SegmentCropPlan(side_px=64, pasted_alone=(0.0, 1.0)))
    classes = [data[0, index]["classes"] for index in range(4)]
    assert all(set(found.tolist()) <= {OBJECT, -1} for found in classes)
    assert any((found == OBJECT).any() for found in classes)


@needs_data
@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda c: c.folder)
def test_real_photos_have_objects_of_the_classes(collection):
    found = collection.scenes(DATA)
    scene = found.scene(found.files.held_out[1], long_side_px=256, least_share=0.01)
    segmentation = segmentation_of(scene)
    assert segmentation.segments and segmentation.categories == CLASSES.names
    if collection.folder in {"ccp", "weizmann_horse", "car_parts_train"}:
        expected = {"ccp": "person", "weizmann_horse": "animal"}
        (one,) = segmentation.segments
        assert one.category == expected.get(collection.folder, "vehicle")
