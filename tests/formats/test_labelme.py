import json
import tempfile
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image
from segmentations import (
    CLASSES,
    drawn_instances,
    drawn_labels,
    instance_of,
    named,
    panoptic_of,
    ring_and_island,
    saved,
)

from maskwright.errors import DataError, OutputError, UsageError
from maskwright.formats.labelme import read_labelme, read_labelme_folder, write_labelme
from maskwright.structures.class_list import ClassList
from maskwright.structures.segmentation import as_semantic


def png(array):
    stream = BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return b64encode(stream.getvalue()).decode()


def content(**shape):
    shape = {"label": "dog", "points": [[1, 1], [5, 1], [5, 4], [1, 4]]} | shape
    return {"shapes": [shape], "imagePath": "a.jpg", "imageHeight": 11, "imageWidth": 13}


def only(tmp_path, **shape):
    item = read_labelme(saved(tmp_path / "a.json", content(**shape)))
    return item.segmentation.segments[0]


@given(drawn_instances())
@settings(max_examples=30)
def test_objects_come_back_exactly(drawn):
    (item,) = named([instance_of(**drawn)])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.json"
        losses = write_labelme(file, item)
        assert read_labelme(file, classes=CLASSES) == item
        assert [loss.iou_lost for loss in losses] == [0] * len(drawn["masks"])


def test_holes_become_masks_and_parts_a_group(tmp_path):
    parts = ring_and_island()
    parts[3:35, 5:40] = parts[3:35, 5:40].any()  # filled: two parts without a hole
    square = np.zeros_like(parts)
    square[2:4, 3:5] = True
    (item,) = named([instance_of([ring_and_island(), parts, square], scores=[0.5, 1, 1])])
    write_labelme(tmp_path / "a.json", item, image_path="../photos/0.jpg")
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["imagePath"] == "../photos/0.jpg" and written["imageData"] is None
    assert (written["imageHeight"], written["imageWidth"]) == (41, 53)
    kinds = [(s["shape_type"], s["group_id"], s.get("score")) for s in written["shapes"]]
    assert kinds == [("mask", None, 0.5), *[("polygon", 2, None)] * 2, ("polygon", None, None)]
    mask = written["shapes"][0]
    (x0, y0), (x1, y1) = mask["points"]
    small = np.asarray(Image.open(BytesIO(b64decode(mask["mask"])))) > 0
    assert small.shape == (y1 - y0 + 1, x1 - x0 + 1), "both corners are within"
    np.testing.assert_array_equal(small, ring_and_island()[y0 : y1 + 1, x0 : x1 + 1])
    found = read_labelme(tmp_path / "a.json", classes=CLASSES)
    assert found.name == "0.jpg" and found.segmentation == item.segmentation


@given(drawn_labels)
@settings(max_examples=20)
def test_panoptic_segments_keep_their_masks(labels):
    labels[labels == 3] = 0  # no crowds
    found = as_semantic(panoptic_of(labels))
    with tempfile.TemporaryDirectory() as folder:
        write_labelme(Path(folder) / "a.json", named([found])[0])
        again = read_labelme(Path(folder) / "a.json", classes=CLASSES).segmentation
    assert [s.rle for s in again.segments] == [s.rle for s in found.segments]
    assert again.task == "instance"


def test_a_tolerance_reports_what_is_lost(tmp_path):
    y, x = np.mgrid[:97, :89]
    disc = np.hypot(y - 48, x - 44) < 40
    (item,) = named([instance_of([np.ones_like(disc), disc])])
    losses = write_labelme(tmp_path / "a.json", item, tolerance=2)
    assert [loss.segment for loss in losses] == [2, 1] and 0.005 < losses[0].iou_lost < 0.05
    drawn = read_labelme(tmp_path / "a.json", classes=CLASSES).segmentation.segments[1].mask()
    assert losses[0].iou_lost == pytest.approx(1 - (drawn & disc).sum() / (drawn | disc).sum())


def test_other_shapes_with_an_area_are_read(tmp_path):
    assert only(tmp_path, shape_type="polygon").box == (1, 1, 5, 4)
    assert only(tmp_path, shape_type=None).area == 12
    box = only(tmp_path, shape_type="rectangle", points=[[5, 4], [1, 1]])
    assert box.box == (1, 1, 5, 4) and box.area == 12
    circle = only(tmp_path, shape_type="circle", points=[[6, 5], [6, 8]])
    y, x = np.mgrid[:11, :13] + 0.5
    np.testing.assert_array_equal(circle.mask(), (x - 6) ** 2 + (y - 5) ** 2 < 9)
    ones = png(np.ones((3, 4), np.uint8))
    mask = only(tmp_path, shape_type="mask", mask=ones, points=[[2, 1], [5, 3]])
    assert mask.box == (2, 1, 6, 4) and mask.area == 12


def test_a_folder_shares_its_labels(tmp_path):
    saved(tmp_path / "b.json", content(label="cat"))
    saved(tmp_path / "a.json", content())
    found = read_labelme_folder(tmp_path)
    assert [item.segmentation.categories for item in found] == [("cat", "dog")] * 2
    assert [item.segmentation.segments[0].category for item in found] == ["dog", "cat"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="must hold labelme's JSON files, got none"):
        read_labelme_folder(tmp_path / "empty")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"points": [[1, 1], [5, 1]]}, r"shapes\[0\] \(dog\): .* three points or more, got 2"),
        ({"points": [[1, 1, 2], [5, 1, 2]]}, r"points must be a list of \[x, y\]"),
        ({"points": []}, r"points must be a list of \[x, y\]"),
        ({"points": "x"}, r"points must be a list of \[x, y\], got something else"),
        ({"points": None}, r"points must be a list of \[x, y\]"),
        ({"points": [[1, 1], [5, 1], [5, 1e7]]}, r"lie on the photo, 13 x 11, got \[5.0, 1000"),
        ({"points": [[1, 1], [1.2, 1], [1.2, 1.2]]}, "must have one pixel or more, got none"),
        ({"shape_type": "line"}, r"must have an area .* got a line of 4 points"),
        ({"shape_type": "circle"}, "got a circle of 4 points"),
        ({"shape_type": "mask"}, "a mask must be a PNG in base64 .* got one that cannot"),
        ({"shape_type": "mask", "mask": "!"}, "a mask must be a PNG in base64"),
        (
            {"shape_type": "mask", "mask": png(np.ones((9, 9), np.uint8)), "points": [[5, 5]]},
            "a mask must lie on the photo, 13 x 11, got one of 9 x 9 at 5, 5",
        ),
        ({"label": ""}, r"shapes\[0\] must have a label, got none"),
        ({"group_id": [1]}, r"group_id must be a number or a text, got \[1\]"),
        ({"shape_type": ["polygon"]}, "must have an area .* got a "),
        ({"score": 2}, r"score must lie in \[0, 1\], got 2"),
    ],
)
def test_bad_shapes_are_named_with_their_file(tmp_path, change, match):
    file = saved(tmp_path / "a.json", content(**change))
    with pytest.raises(DataError, match=match) as caught:
        read_labelme(file)
    assert str(caught.value).startswith(f"{file}: ") and "\n" not in str(caught.value)


def test_unknown_labels_sizes_and_files_are_named(tmp_path):
    file = saved(tmp_path / "a.json", content())
    with pytest.raises(DataError, match=r"shapes\[0\] \(dog\): a class must be one of cat, got"):
        read_labelme(file, classes=ClassList(("cat",)))
    with pytest.raises(DataError, match="imageHeight must be a whole number of 1 or more"):
        read_labelme(saved(file, content() | {"imageHeight": 0}))
    with pytest.raises(DataError, match="a label is needed, got none; give the classes"):
        read_labelme(saved(file, content() | {"shapes": []}))
    with pytest.raises(DataError, match="a.json: .* got no shapes"):
        read_labelme(saved(file, {"labels": []}))
    with pytest.raises(DataError, match="a.json: .* no whole JSON"):
        read_labelme(saved(file, json.dumps(content())[:-9]))


def test_crowds_and_files_that_exist_are_refused(tmp_path):
    (item,) = named([instance_of([np.ones((3, 5), bool)], crowds=[True])])
    with pytest.raises(
        UsageError, match=r"0.jpg: segment 1 \(größe\) is a crowd region, which lab"
    ):
        write_labelme(tmp_path / "a.json", item)
    assert list(tmp_path.iterdir()) == []
    (item,) = named([instance_of([np.ones((3, 5), bool)])])
    write_labelme(tmp_path / "a.json", item)
    with pytest.raises(OutputError, match="exists already"):
        write_labelme(tmp_path / "a.json", item)
    write_labelme(tmp_path / "a.json", item, overwrite=True)
