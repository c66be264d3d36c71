import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from segmentations import CLASSES, SIZE, drawn_instances, instance_of, named, ring_and_island, saved

from maskwright.errors import DataError, OutputError, UsageError
from maskwright.formats.annotated import Annotated
from maskwright.formats.classes import read_classes
from maskwright.formats.yolo import (
    lists_names,
    names_file,
    names_text,
    read_yolo,
    read_yolo_text,
    write_yolo,
)
from maskwright.image.io import read_header, write_image
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

DATA = Path(__file__).parents[3] / "shared/data/coco128_seg"


def photo(file, size=(11, 13)):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1]).save(file)


@given(st.lists(drawn_instances(), min_size=1, max_size=3))
@settings(max_examples=20)
def test_masks_come_back_exactly_with_holes_and_parts(drawn):
    made = [one | {"scores": None} for one in drawn]
    items = named([instance_of(**one) for one in made])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        losses = write_yolo(root, items)
        for item in items:
            photo(root / "images" / item.name, item.segmentation.size)
        classes = ClassList(read_classes(root / "data.yaml").names, is_thing=CLASSES.is_thing)
        assert read_yolo(root / "labels", root / "images", classes=classes) == items
    assert [loss.iou_lost for loss in losses] == [0] * sum(len(one["masks"]) for one in made)


def test_lines_are_a_class_and_shares_of_width_and_height(tmp_path):
    mask = np.zeros((10, 20), bool)
    mask[2:5, 4:8] = True
    write_yolo(tmp_path, named([instance_of([mask])]))
    words = (tmp_path / "labels/below/0.txt").read_text().split()
    assert words[0] == "2"
    points = {tuple(pair) for pair in np.array(words[1:], float).reshape(-1, 2).tolist()}
    assert points == {(0.2, 0.2), (0.4, 0.2), (0.4, 0.5), (0.2, 0.5)}
    assert read_classes(tmp_path / "data.yaml").names == CLASSES.names


def test_a_list_of_names_is_known_however_it_is_written():
    names = ClassList(("person", "größe, a: b", "01"))
    assert lists_names(names_text(names).encode(), names)
    listed = "train: /data\nnames:\n- person\n- 'größe, a: b'\n- \"01\"\nnc: 3"
    edited = listed.encode("utf-8-sig")
    assert lists_names(edited, names)
    for other in (b"", b"names: [person]", b"names:\n  1: person\n", b"\xff", b"person\n"):
        assert not lists_names(other, names)


def test_large_photos_lose_nothing_to_rounding(tmp_path):
    mask = np.random.default_rng(0).random((5, 9001)) < 0.01
    write_yolo(tmp_path, named([instance_of([mask])]))
    text = tmp_path / "labels/below/0.txt"
    found = read_yolo_text(text, "a.jpg", size=mask.shape, classes=CLASSES)
    np.testing.assert_array_equal(found.segmentation.segments[0].mask(), mask)


def test_opencv_fills_what_is_written_as_far_as_it_can(tmp_path):
    # What Ultralytics does with a line; it paints outlines, too, so bridges stay visible.
    mask = ring_and_island().repeat(8, 0).repeat(8, 1)
    write_yolo(tmp_path, named([instance_of([mask])]))
    words = (tmp_path / "labels/below/0.txt").read_text().split()[1:]
    points = np.array(words, float).reshape(-1, 2) * mask.shape[::-1]
    drawn = cv2.fillPoly(np.zeros(mask.shape, np.uint8), [points.round().astype(int)], 1) > 0
    assert (drawn & mask).sum() / (drawn | mask).sum() > 0.95


def test_a_tolerance_reports_what_is_lost(tmp_path):
    y, x = np.mgrid[:97, :89]
    disc = np.hypot(y - 48, x - 44) < 40
    items = named([instance_of([np.ones_like(disc), disc])])
    losses = write_yolo(tmp_path, items, tolerance=2)
    assert [loss.segment for loss in losses] == [2, 1] and 0.005 < losses[0].iou_lost < 0.05
    text = tmp_path / "labels/below/0.txt"
    found = read_yolo_text(text, "a.jpg", size=disc.shape, classes=CLASSES)
    drawn = found.segmentation.segments[1].mask()
    assert losses[0].iou_lost == pytest.approx(1 - (drawn & disc).sum() / (drawn | disc).sum())


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("0 0.1 0.1 0.5 0.5", "got a box; draw it again"),
        ("0 0.1 0.1", "three points or more, x and y for each, got 2 coordinates"),
        ("0 0.1 0.1 0.5 0.1 0.5", "got 5 coordinates"),
        ("3 0 0 1 0 1 1", "its class must be one of 0 to 2, got 3"),
        ("-1 0 0 1 0 1 1", "its class must be one of 0 to 2, got -1"),
        ("cat 0 0 1 0 1 1", "a class and coordinates, got 'cat 0 0 1 0 1 1'"),
        ("0.5 0 0 1 0 1 1", "a class and coordinates"),
        ("0 0 0 1 0 1 x", "a class and coordinates"),
        ("0 0 0 13 0 13 11", "from 0 to 1, got 13.0"),
        ("0 0 0 1 0 1 nan", "from 0 to 1, got nan"),
        ("0 0 0 0.01 0 0.01 0.01", "must have one pixel or more, got none"),
    ],
)
def test_bad_lines_are_named_with_their_file(tmp_path, line, match):
    photo(tmp_path / "images/a.jpg")
    file = saved(tmp_path / "labels/a.txt", f"0 0 0 1 0 1 1\n\n{line}\n")
    with pytest.raises(DataError, match=match) as caught:
        read_yolo(tmp_path / "labels", tmp_path / "images", classes=CLASSES)
    assert str(caught.value).startswith(f"{file}: line 3: ") and "\n" not in str(caught.value)


def test_photos_without_labels_have_no_objects(tmp_path):
    photo(tmp_path / "images/a.jpg")
    photo(tmp_path / "images/b.png")
    saved(tmp_path / "labels/b.txt", "")
    found = read_yolo(tmp_path / "labels", tmp_path / "images", classes=CLASSES)
    assert [(item.name, item.segmentation.segments) for item in found] == [
        ("a.jpg", ()),
        ("b.png", ()),
    ]


def test_files_that_do_not_belong_together_are_named(tmp_path):
    photo(tmp_path / "images/a.jpg")
    (tmp_path / "labels").mkdir()
    with pytest.raises(DataError, match="labels must hold text files of labels, got none"):
        read_yolo(tmp_path / "labels", tmp_path / "images", classes=CLASSES)
    saved(tmp_path / "labels/b.txt", "")
    with pytest.raises(DataError, match=r"b.txt: labels must have a photo of their name"):
        read_yolo(tmp_path / "labels", tmp_path / "images", classes=CLASSES)
    with pytest.raises(DataError, match="nowhere must hold photos, got none"):
        read_yolo(tmp_path / "labels", tmp_path / "nowhere", classes=CLASSES)
    (tmp_path / "labels/b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"b.txt: expected YOLO's labels, got a file that cannot"):
        read_yolo_text(tmp_path / "labels/b.txt", "b.jpg", size=(3, 5), classes=CLASSES)


def test_nothing_is_written_after_an_error(tmp_path):
    good = instance_of([np.ones((3, 5), bool)])
    crowd = instance_of([np.ones((3, 5), bool)], crowds=[True])
    with pytest.raises(UsageError, match=r"1.jpg: segment 1 \(größe\) is a crowd region, which YO"):
        write_yolo(tmp_path, named([good, crowd]))
    with pytest.raises(UsageError, match="more than their suffix for YOLO, got a twice"):
        write_yolo(tmp_path, [Annotated("a.jpg", good), Annotated("a.png", good)])
    assert list(tmp_path.iterdir()) == []
    saved(tmp_path / "labels/below/1.txt", "mine")
    with pytest.raises(OutputError, match="exists already"):
        write_yolo(tmp_path, named([good, good]))
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["1.txt"]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs {DATA}")
def test_real_labels_are_read():
    classes = ClassList(tuple(str(i) for i in range(80)))
    with pytest.raises(DataError, match=r"656.txt: .* not so for 2 files"):
        read_yolo(DATA / "labels", DATA / "images", classes=classes)
    found = [
        read_yolo_text(text, f"{text.stem}.jpg", size=read_header(photo).size, classes=classes)
        for text in sorted((DATA / "labels").glob("*.txt"))[:40]
        if (photo := DATA / "images" / f"{text.stem}.jpg").is_file()
    ]
    assert sum(len(item.segmentation.segments) for item in found) > 250


@pytest.mark.parametrize("labels", ["", "labels", "labels/train", "train/labels"])
def test_the_names_are_found_in_beside_or_above_the_labels(tmp_path, labels):
    place = tmp_path / "set" / labels
    place.mkdir(parents=True)
    assert names_file(place) is None
    (tmp_path / "set/data.yaml").write_text("names: [cat]\n")
    assert names_file(place) == tmp_path / "set/data.yaml"


def test_numbers_are_found_by_name_in_another_list(tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("1 0 0 1 0 1 1\n")
    wanted = ClassList(("dog", "cat"))
    how = {"size": (3, 5), "classes": wanted}
    found = read_yolo_text(text, "a", **how, listed=ClassList(("cow", "Dog"))).segmentation
    assert (found.segments[0].category_id, found.categories) == (0, wanted.names)
    with pytest.raises(DataError, match=r"a\.txt: line 1: its class must be in .* got 'cow'; add"):
        read_yolo_text(text, "a", **how, listed=ClassList(("dog", "cow")))


def test_photos_that_would_share_labels_are_named(tmp_path):
    for name in ("a.png", "a.jpg"):
        write_image(tmp_path / "images" / name, np.zeros((*SIZE, 3), np.uint8))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("")
    with pytest.raises(DataError, match="more than their suffix for YOLO, got a twice"):
        read_yolo(tmp_path / "labels", tmp_path / "images", classes=CLASSES)


def test_a_class_called_ignore_is_a_class(tmp_path):
    classes = ClassList(("person", "ignore", "car"))
    segment = Segment(1, 2, "car", rle.encode(np.ones(SIZE, bool)))
    found = Segmentation(SIZE, "instance", classes.names, (segment,))
    write_yolo(tmp_path, [Annotated("a.png", found)])
    write_image(tmp_path / "images/a.png", np.zeros((*SIZE, 3), np.uint8))
    known = read_classes(tmp_path / "data.yaml")
    (item,) = read_yolo(tmp_path / "labels", tmp_path / "images", classes=known)
    assert item.segmentation == found
