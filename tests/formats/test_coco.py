import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco
from pycocotools.coco import COCO
from segmentations import CLASSES, SIZE, drawn_instances, instance_of, named, ring_and_island, saved

from maskwright.errors import DataError, OutputError, UsageError
from maskwright.formats.annotated import Annotated
from maskwright.formats.coco import CocoInstances, read_coco, write_coco
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

SQUARE = [1, 1, 5, 1, 5, 4, 1, 4]


def content(**annotation):
    row = {"id": 5, "image_id": 3, "category_id": 7, "segmentation": [SQUARE]} | annotation
    return {
        "images": [
            {"id": 3, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1]},
            {"id": 4, "file_name": "sub/b.jpg", "height": 2, "width": 3},
        ],
        "annotations": [row],
        "categories": [{"id": 9, "name": "cat"}, {"id": 7, "name": "dog"}],
    }


@given(st.lists(drawn_instances(crowds=True), min_size=1, max_size=3))
@settings(max_examples=30)
def test_run_lengths_come_back_exactly(found):
    items = named([instance_of(**one) for one in found])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.json"
        assert write_coco(file, items, classes=CLASSES) == []
        assert read_coco(file, classes=CLASSES) == items
        assert read_coco(file) == items  # the file's own list is in the same order
        again = Path(folder) / "b.json"
        write_coco(again, items)  # numbers made up
        assert read_coco(again, classes=CLASSES) == items


@given(st.lists(drawn_instances(crowds=True), min_size=1, max_size=2))
@settings(max_examples=30)
def test_polygons_come_back_exactly_too_with_holes_and_parts(found):
    items = named([instance_of(**one) for one in found])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.json"
        losses = write_coco(file, items, classes=CLASSES, as_polygons=True)
        assert read_coco(file, classes=CLASSES) == items
    drawn = [s for item in items for s in item.segmentation.segments if not s.is_crowd]
    assert [loss.iou_lost for loss in losses] == [0] * len(drawn)


def test_coco_s_own_code_reads_what_is_written(tmp_path):
    mask = ring_and_island()
    items = named([instance_of([mask, mask.T.copy().T[::-1].copy()], scores=[0.25, 1.0])])
    for as_polygons in (False, True):
        file = tmp_path / f"{as_polygons}.json"
        write_coco(file, items, classes=CLASSES, as_polygons=as_polygons)
        theirs = COCO(str(file))
        first = theirs.anns[1]
        np.testing.assert_array_equal(rle.decode(theirs.annToRLE(first)), mask)
        assert first["area"] == mask.sum() and first["score"] == 0.25
        assert first["bbox"] == coco.toBbox(theirs.annToRLE(first)).tolist()
        assert first["category_id"] == CLASSES.numbers[2]
        assert theirs.cats[11]["isthing"] == 0 and theirs.cats[12]["name"] == "größe"


def test_a_tolerance_reports_what_is_lost_worst_first(tmp_path):
    y, x = np.mgrid[:97, :89]
    disc = np.hypot(y - 48, x - 44) < 40
    items = named([instance_of([disc, np.ones_like(disc)])])
    losses = write_coco(tmp_path / "a.json", items, as_polygons=True, tolerance=2)
    assert [loss.segment for loss in losses] == [1, 2]
    assert losses[1].iou_lost == 0 and 0.005 < losses[0].iou_lost < 0.05
    assert (losses[0].name, losses[0].category) == ("below/0.jpg", "größe")
    drawn = read_coco(tmp_path / "a.json")[0].segmentation.segments[0].mask()
    union = (drawn | disc).sum()
    assert losses[0].iou_lost == pytest.approx(1 - (drawn & disc).sum() / union, abs=0.003)


def test_files_are_read_in_coco_s_words(tmp_path):
    items = read_coco(saved(tmp_path / "a.json", content()))
    assert [item.name for item in items] == ["a.jpg", "sub/b.jpg"]
    (segment,) = items[0].segmentation.segments
    assert items[0].segmentation.categories == ("dog", "cat"), "in the order of their ids"
    assert (segment.category, segment.box, segment.area) == ("dog", (1, 1, 5, 4), 12)
    assert segment.score == 1 and segment.is_thing and not segment.is_crowd
    assert items[1].segmentation.segments == ()
    found = CocoInstances(tmp_path / "a.json")
    assert len(found) == 2 and found.photo(1) == "sub/b.jpg"
    assert [item.name for item in found] == ["a.jpg", "sub/b.jpg"]


def test_a_crowd_region_and_lvis_addresses_are_read(tmp_path):
    runs = {"size": list(SIZE), "counts": [13, 9, 11 * 13 - 22]}
    rows = content(segmentation=runs, iscrowd=1)
    del rows["images"][0]["file_name"]
    rows["images"][0]["coco_url"] = "http://images.cocodataset.org/val2017/3.jpg"
    item = read_coco(saved(tmp_path / "a.json", rows))[0]
    assert item.segmentation.segments[0].is_crowd and item.segmentation.segments[0].area == 9
    assert item.name == "val2017/3.jpg"


def test_classes_are_found_by_name(tmp_path):
    file = saved(tmp_path / "a.json", content())
    classes = ClassList(("sky", "cat", "dog"), is_thing=(False, True, False))
    (segment,) = read_coco(file, classes=classes)[0].segmentation.segments
    assert segment.category_id == 2 and not segment.is_thing
    with pytest.raises(DataError, match=r"annotation 5 of a.jpg: .* got 'dog'; add it there"):
        read_coco(file, classes=ClassList(("cat",)))


BAD = [
    ({"segmentation": [[1, 1, 5, 5]]}, "annotation 5 of a.jpg: polygon 0 must have three .* got 2"),
    ({"segmentation": [SQUARE, [1, 1, 5, 5]]}, "polygon 1 must have three points or more, got 2"),
    ({"segmentation": [[1, 1, 5, 1, 5]]}, "polygon 0 must be a list x, y"),
    ({"segmentation": [["1"] * 6]}, "polygon 0 must be a list x, y"),
    ({"segmentation": []}, "must be a run-length code or polygons, got"),
    ({"segmentation": None}, "must be a run-length code or polygons, got None"),
    ({"segmentation": [[1, 1, 1.2, 1, 1.2, 1.2]]}, "must have one pixel or more, got none"),
    (
        {"segmentation": [[1, 1, 1e9, 1, 5, 5]]},
        r"must lie on its photo, 13 x 11, got .* 1000000000",
    ),
    ({"segmentation": [[1, 1, float("nan"), 1, 5, 5]]}, "got the coordinate nan"),
    ({"segmentation": {"size": [13, 11], "counts": [143]}}, r"as its photo, \[11, 13\], got \[13"),
    ({"segmentation": {"size": list(SIZE), "counts": [143]}}, "one pixel or more, got none"),
    ({"segmentation": {"size": list(SIZE), "counts": [9, 9]}}, "the file is damaged"),
    ({"category_id": 8}, "category_id must be one of the list of categories, got 8"),
    ({"category_id": None}, "category_id must be a whole number of 0 or more, got None"),
    ({"iscrowd": 2}, "iscrowd must be 0 or 1, got 2"),
    ({"iscrowd": []}, r"iscrowd must be 0 or 1, got \[\]"),
    ({"segmentation": {"size": 5, "counts": "0"}}, r"as its photo, \[11, 13\], got 5"),
    ({"score": 3}, r"score must lie in \[0, 1\], got 3"),
    ({"score": "high"}, r"score must be a number in \[0, 1\], got 'high'"),
    ({"image_id": 1}, r"annotations\[0\]: image_id must be one of the images, got 1"),
]


@pytest.mark.parametrize(("change", "match"), BAD)
def test_bad_objects_are_named_with_their_file(tmp_path, change, match):
    file = saved(tmp_path / "a.json", content(**change))
    with pytest.raises(DataError, match=match) as caught:
        read_coco(file)
    assert str(caught.value).startswith(f"{file}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"file_name": "../a.jpg"}, "must be a path below its folder, got '../a.jpg'"),
        ({"file_name": "/a.jpg"}, "must be a path below its folder"),
        ({"file_name": ""}, r"images\[0\]: file_name must be the name of a photo, got ''"),
        ({"height": None}, r"images\[0\]: height must be a whole number of 1 or more, got None"),
        ({"width": 0}, "width must be a whole number of 1 or more, got 0"),
        ({"id": 4}, r"images\[1\]: id must be in the file once, got 4 twice"),
    ],
)
def test_bad_photos_are_named_with_their_file(tmp_path, change, match):
    rows = content()
    rows["annotations"] = []
    rows["images"][0] |= change
    with pytest.raises(DataError, match=match):
        read_coco(saved(tmp_path / "a.json", rows))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda text: text[:-40], r"a file that is no whole JSON \("),
        (lambda text: "", "it is empty"),
        (lambda text: "[]", "got JSON that is no object"),
        (lambda text: text.replace('"images"', '"pictures"'), "got no images"),
        (lambda text: text.replace('"categories"', '"classes"'), "categories must be a list"),
        (lambda text: text.replace('"name": "cat"', '"name": "dog"'), "got dog twice"),
        (lambda text: '{"images": 3, "annotations": []}', "images must be a list of objects"),
    ],
)
def test_files_that_are_not_coco_s_are_refused(tmp_path, change, match):
    file = saved(tmp_path / "a.json", change(json.dumps(content())))
    with pytest.raises(DataError, match=match) as caught:
        read_coco(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no.json: .*No such file or directory"):
        read_coco(tmp_path / "no.json")


def test_nothing_is_written_after_an_error(tmp_path):
    items = named([instance_of([np.ones((3, 5), bool)])])
    with pytest.raises(UsageError, match=r"its categories must be those of the list \(cat"):
        write_coco(tmp_path / "a.json", items, classes=ClassList(("cat",)))
    with pytest.raises(UsageError, match="one photo or more, got none"):
        write_coco(tmp_path / "a.json", [])
    with pytest.raises(UsageError, match="below/0.jpg twice"):
        write_coco(tmp_path / "a.json", [*items, *items])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.json").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write_coco(tmp_path / "a.json", items)
    assert (tmp_path / "a.json").read_text() == "mine"
    write_coco(tmp_path / "a.json", items, overwrite=True)
    assert read_coco(tmp_path / "a.json", classes=CLASSES) == items


@pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg", "a\\b.jpg", "C:/a.jpg", "", "x/../../a"])
def test_names_that_lead_out_of_the_folder_are_refused(name):
    with pytest.raises(UsageError, match="must be a path below its folder"):
        Annotated(name, instance_of([]))


def test_a_code_in_bytes_equals_one_in_text():
    mask = ring_and_island()
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert instance_of([mask]).segments[0].rle == rle.encode(rle.decode(theirs))


def test_any_name_of_a_class_or_photo_comes_back(tmp_path):
    classes = ClassList(("person", "ignore", "car"), numbers=(1, 2, 3))
    segment = Segment(1, 1, "ignore", rle.encode(np.ones(SIZE, bool)))
    found = Segmentation(SIZE, "instance", classes.names, (segment,))
    names = (
        "2024-01-01 12:30:00.jpg",
        "caf\udce9.jpg",
    )  # the second as a disk without UTF-8 has it
    write_coco(tmp_path / "a.json", [Annotated(n, found) for n in names], classes=classes)
    assert [item.name for item in read_coco(tmp_path / "a.json")] == list(names)
    assert read_coco(tmp_path / "a.json")[0].segmentation.segments[0].category == "ignore"


def test_a_list_of_many_classes_is_written(tmp_path):
    names = tuple(map(str, range(1203)))  # LVIS has as many
    segment = Segment(1, 700, "700", rle.encode(np.ones(SIZE, bool)))
    found = Segmentation(SIZE, "instance", names, (segment,))
    write_coco(tmp_path / "a.json", [Annotated("a.jpg", found)])
    assert read_coco(tmp_path / "a.json")[0].segmentation == found


def test_a_category_may_have_no_colour(tmp_path):
    rows = [{"id": 5, "name": "dog", "color": None}]
    file = saved(tmp_path / "a.json", content() | {"categories": rows, "annotations": []})
    assert read_coco(file)[0].segmentation.categories == ("dog",)
