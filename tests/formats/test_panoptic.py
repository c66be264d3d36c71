import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from segmentations import CLASSES, drawn_labels, instance_of, named, panoptic_of, saved, semantic_of

from maskwright.errors import DataError, OutputError, UsageError
from maskwright.formats.annotated import Annotated
from maskwright.formats.classes import published_classes
from maskwright.formats.panoptic import PanopticMaps, read_panoptic, write_panoptic
from maskwright.structures import rle
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation, as_semantic

OFFICIAL = Path(__file__).parents[1] / "parity/panoptic"


@given(st.lists(drawn_labels, min_size=1, max_size=3))
@settings(max_examples=20)
def test_panoptic_segments_come_back_exactly(found):
    items = named([panoptic_of(labels) for labels in found])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.json"
        write_panoptic(file, items, classes=CLASSES)
        assert read_panoptic(file, classes=CLASSES) == items
        assert read_panoptic(file) == items
        write_panoptic(file, items, maps=Path(folder) / "maps", overwrite=True)
        assert read_panoptic(file, maps=Path(folder) / "maps", classes=CLASSES) == items


@given(drawn_labels)
@settings(max_examples=20)
def test_semantic_classes_come_back_exactly(labels):
    found = semantic_of(labels)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.json"
        write_panoptic(file, named([found]), classes=CLASSES)
        (item,) = read_panoptic(file)
    assert item.segmentation.task == "panoptic"
    assert as_semantic(item.segmentation) == found


def test_ids_beyond_8_bit_are_colours(tmp_path):
    labels = np.arange(300).reshape(15, 20)
    codes = rle.encode_labels(labels)
    segments = tuple(Segment(i + 1, 0, "person", codes[i]) for i in range(300))
    items = named([Segmentation((15, 20), "panoptic", CLASSES.names, segments)])
    write_panoptic(tmp_path / "a.json", items)
    pixels = np.asarray(Image.open(tmp_path / "a/below/0.png")).astype(int)
    np.testing.assert_array_equal(pixels @ [1, 256, 65536], labels + 1)
    assert read_panoptic(tmp_path / "a.json") == items


def test_coco_s_own_files_are_read():
    items = read_panoptic(OFFICIAL / "ground_truth.json", maps=OFFICIAL / "panoptic_examples")
    rows = json.loads((OFFICIAL / "ground_truth.json").read_text())["annotations"]
    assert [item.name for item in items] == ["000000142238.jpg", "000000439180.jpg"]
    for item, row in zip(items, rows, strict=True):
        for segment, info in zip(item.segmentation.segments, row["segments_info"], strict=True):
            x0, y0, x1, y1 = segment.box
            assert segment.area == info["area"] and segment.is_crowd == info["iscrowd"]
            assert [x0, y0, x1 - x0, y1 - y0] == info["bbox"]
    assert items[0].segmentation.categories == published_classes("coco-panoptic").names


def test_a_file_of_predictions_needs_the_classes():
    classes = published_classes("coco-panoptic")
    file, maps = OFFICIAL / "predictions.json", OFFICIAL / "predictions"
    items = read_panoptic(file, maps=maps, classes=classes)
    assert items[0].name == "000000142238.png"
    assert items[0].segmentation.segments[0].category == "person"
    with pytest.raises(DataError, match="categories must be a list of objects with id and name"):
        read_panoptic(file, maps=maps)


@pytest.fixture
def official(tmp_path):
    shutil.copytree(OFFICIAL, tmp_path / "p")
    content = json.loads((OFFICIAL / "ground_truth.json").read_text())
    return tmp_path / "p/ground_truth.json", tmp_path / "p/panoptic_examples", content


def refused(official, match):
    file, maps, content = official
    saved(file, content)
    with pytest.raises(DataError, match=match) as caught:
        read_panoptic(file, maps=maps)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unknown_doubled_and_missing_segments_are_named(official):
    _, _, content = official
    infos = content["annotations"][0]["segments_info"]
    first = dict(infos[0])
    infos[0]["category_id"] = 12
    message = refused(official, r"142238.png: segment 3937500 of .*ground_truth.json: category_id")
    assert "must be one of the list of categories, got 12" in message
    infos[0] = first
    infos.append(dict(first))
    refused(official, "segment 3937500 of .* must have one pixel or more of its own")
    infos[:] = infos[1:-1]
    refused(official, r"must be in segments_info of .*, got 3937500, which is not")
    first["id"] = 0
    infos.append(first)
    refused(official, "id must be a whole number of 1 or more, got 0")


def test_wrong_sizes_and_missing_maps_are_named(official):
    file, maps, content = official
    content["images"][0]["height"] = 428
    refused(official, "as large as its photo, 640 x 428, got 640 x 427")
    content["images"][0]["height"] = 427
    Image.new("L", (640, 427)).save(maps / "000000142238.png")
    refused(official, r"annotations\[0\]: its map cannot be used: .*must be in colour")
    (maps / "000000142238.png").write_bytes(b"")
    refused(official, r"its map cannot be used: .*142238.png: .*an empty file")
    (maps / "000000142238.png").unlink()
    refused(official, r"its map cannot be used: .*142238.png: .*no such file")
    content["annotations"][1]["image_id"] = 7
    refused(official, r"annotations\[1\]: image_id must be one of the images, got 7")
    content["annotations"][1]["image_id"] = [7]
    refused(official, r"image_id must be a number or a text, got \[7\]")
    content["annotations"][1].pop("segments_info")
    refused(official, r"annotations\[1\]: segments_info must be a list")


def test_maps_are_read_one_by_one(official):
    file, maps, _ = official
    found = PanopticMaps(file, maps=maps)
    (maps / "000000439180.png").unlink()
    assert len(found) == 2 and found.photo(1) == "000000439180.jpg"
    assert found[0].name == "000000142238.jpg"
    assert found.map_file(1) == maps / "000000439180.png"


def test_nothing_is_written_after_an_error(tmp_path):
    items = named([instance_of([np.ones((3, 5), bool)] * 2)])
    with pytest.raises(UsageError, match="below/0.jpg: a panoptic map needs segments .*instances"):
        write_panoptic(tmp_path / "a.json", items)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a/below").mkdir(parents=True)
    (tmp_path / "a/below/1.png").write_text("mine")
    found = semantic_of(np.zeros((3, 5), np.int32))
    with pytest.raises(OutputError, match="exists already"):
        write_panoptic(tmp_path / "a.json", named([found, found]))
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["1.png"]


def test_photos_of_one_name_but_for_the_suffix_have_maps_of_their_own(tmp_path):
    names = ("a.png.jpg", "a.png", "a.jpg")
    items = [
        Annotated(name, panoptic_of(np.arange(4, dtype=np.int32)[None] == number))
        for number, name in enumerate(names)
    ]
    write_panoptic(tmp_path / "p.json", items)
    assert len(list((tmp_path / "p").iterdir())) == 3
    assert [item.segmentation for item in read_panoptic(tmp_path / "p.json")] == [
        item.segmentation for item in items
    ]


def test_an_id_of_two_photos_is_named(official):
    _, _, content = official
    content["images"].append(content["images"][0] | {"file_name": "other.jpg"})
    refused(official, r"images\[\d+\]: id must be in the file once, got \d+ twice")
    content["images"][0]["id"] = []
    refused(official, r"images\[0\]: id must be a number or a text, got \[\]")
