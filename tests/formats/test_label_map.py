import json
import tempfile
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
    panoptic_of,
    saved,
    semantic_of,
)

from maskwright.errors import DataError, OutputError, UsageError
from maskwright.formats.classes import PUBLISHED, published_classes
from maskwright.formats.label_map import read_label_map, segment_ids, write_label_map
from maskwright.formats.overlay import overlay
from maskwright.formats.palette import read_class_map, read_palette, write_palette
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import (
    VOID,
    Segmentation,
    as_semantic,
    semantic_segmentation,
)

LABELS = np.array([[0, 1, 1, 4], [2, 2, 1, 4]], np.int32)


def comes_back(found):
    with tempfile.TemporaryDirectory() as folder:
        beside = write_label_map(Path(folder) / "a.png", found)
        assert beside == Path(folder) / "a.json"
        assert read_label_map(Path(folder) / "a.png") == found


@given(drawn_labels)
@settings(max_examples=20)
def test_panoptic_and_semantic_segmentations_come_back_exactly(labels):
    comes_back(panoptic_of(labels))
    comes_back(semantic_of(labels))


@given(drawn_instances(crowds=True))
@settings(max_examples=20)
def test_instances_come_back_exactly_though_they_overlap(drawn):
    comes_back(instance_of(**drawn))


def test_the_picture_is_16_bit_grey_and_the_json_says_what_is_in_it(tmp_path):
    write_label_map(tmp_path / "a.png", panoptic_of(LABELS))
    image = Image.open(tmp_path / "a.png")
    assert image.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(image), [[0, 1, 1, 3], [2, 2, 1, 3]])
    said = json.loads((tmp_path / "a.json").read_text())
    assert said["size"] == [2, 4] and said["task"] == "panoptic" and said["void"] == 0
    assert said["segments"][2]["box"] == [3, 0, 4, 2] and said["segments"][2]["area"] == 2
    assert said["segments"][0]["category"] in CLASSES.names


def test_surer_instances_lie_on_top():
    large, small = np.ones((3, 5), bool), np.zeros((3, 5), bool)
    small[1, 1:3] = True
    ids = segment_ids(instance_of([small, large], scores=[0.75, 0.5]))
    np.testing.assert_array_equal(ids, np.where(small, 1, 2))
    assert (segment_ids(instance_of([small, large], scores=[0.5, 0.75])) == 2).all()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda said: said["segments"].pop(), r"a.png: every label must be a segment of .* got 3"),
        (lambda said: said["segments"].append(said["segments"][0]), "segment 4: .* pixel of it"),
        (
            lambda said: said.update(size=[4, 2]),
            r"a.png: .* as its JSON says, \[4, 2\], got \[2, 4",
        ),
        (lambda said: said.update(task="boxes"), "task must be one of panoptic"),
        (lambda said: said.update(categories=[1]), "categories must be a list of names"),
        (lambda said: said["segments"][0].update(category_id=3), "category_id must be below 3"),
        (lambda said: said["segments"][0].update(score=7), r"segment 1: .* in \[0, 1\], got 7"),
    ],
)
def test_what_does_not_fit_together_is_named(tmp_path, change, match):
    beside = write_label_map(tmp_path / "a.png", panoptic_of(LABELS))
    said = json.loads(beside.read_text())
    change(said)
    saved(beside, said)
    with pytest.raises(DataError, match=match):
        read_label_map(tmp_path / "a.png")


def test_a_file_that_exists_is_kept(tmp_path):
    (tmp_path / "a.json").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write_label_map(tmp_path / "a.png", panoptic_of(LABELS))
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    with pytest.raises(DataError, match="a.json: expected the JSON of a label map"):
        read_label_map(tmp_path / "a.png")


@given(drawn_labels)
@settings(max_examples=20)
def test_a_palette_picture_comes_back_exactly(labels):
    found = semantic_of(labels)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.png"
        write_palette(file, found)
        image = Image.open(file)
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), found.label_map())
        colours = np.asarray(image.convert("RGB"))
        for value in np.unique(labels[labels < 3]):
            assert (colours[labels == value] == ClassList(CLASSES.names).colours[value]).all()
        if not found.segments:
            with pytest.raises(DataError, match=r"a class somewhere, got void \(255\) everywhere"):
                read_palette(file, classes=ClassList(CLASSES.names))
            return
        classes = ClassList(CLASSES.names, is_thing=CLASSES.is_thing)
        assert read_palette(file, classes=classes, size=labels.shape) == found


def test_a_palette_unites_the_objects_of_a_class(tmp_path):
    found = panoptic_of(LABELS)
    write_palette(tmp_path / "a.png", found, classes=CLASSES)
    assert set(np.unique(Image.open(tmp_path / "a.png"))) == {11, 12, 255}  # their numbers
    again = read_palette(tmp_path / "a.png", classes=CLASSES)
    np.testing.assert_array_equal(again.label_map(), as_semantic(found).label_map())
    with pytest.raises(UsageError, match="got instances"):
        write_palette(tmp_path / "b.png", instance_of([np.ones((3, 5), bool)]))
    assert not (tmp_path / "b.png").exists()


def test_bad_label_pictures_are_named(tmp_path):
    def written(array, name="a.png"):
        Image.fromarray(array).save(tmp_path / name)
        return tmp_path / name

    labels = np.array([[7, 11, 255]], np.uint8)
    file = written(labels)
    np.testing.assert_array_equal(read_class_map(file, classes=CLASSES), [[0, 1, VOID]])
    with pytest.raises(DataError, match="a.png: .* as their photo, 4 x 1, got 3 x 1"):
        read_class_map(file, classes=CLASSES, size=(1, 4))
    with pytest.raises(DataError, match=r"a.png: .* of the 3 classes \(7, 11, 12\) or void \(255"):
        read_class_map(written(labels + 1), classes=CLASSES)
    with pytest.raises(
        DataError, match=r"a.png: .*got void \(255\) everywhere; label it or remove"
    ):
        read_class_map(written(np.full((3, 5), 255, np.uint8)), classes=CLASSES)
    file.write_bytes(b"")
    with pytest.raises(ValueError, match="a.png: .*got an empty file"):
        read_class_map(file, classes=CLASSES)
    Image.fromarray(labels).save(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="a.jpg: labels must be PNG, .* got JPEG"):
        read_class_map(tmp_path / "a.jpg", classes=CLASSES)


@pytest.mark.parametrize("make", [panoptic_of, semantic_of])
def test_an_overlay_tints_segments_and_leaves_void_alone(make):
    labels = np.repeat(np.repeat(np.array([[0, 1, 4]], np.int32), 64, 0), 64, 1)
    photo = np.full((*labels.shape, 3), 99, np.uint8)
    found = make(labels)
    plain = overlay(photo, found, named=False, classes=CLASSES)
    ids = segment_ids(found)
    assert plain.shape == photo.shape and plain.dtype == np.uint8
    assert (plain[ids == 0] == 99).all()
    for segment in found.segments:
        inside = ids[5:-5, 5:-5] == segment.id
        colours = np.unique(plain[5:-5, 5:-5][inside].reshape(-1, 3), axis=0)
        assert len(colours) <= 2, "the tint, and the outline"
    assert (overlay(photo, found, named=False, opacity=0.0)[10, 100] == 99).all()
    with_names = overlay(photo, found)
    changed = (with_names != overlay(photo, found, named=False)).any(axis=-1)
    assert changed.any() and not changed[ids == 0][:, None].all()
    with pytest.raises(ValueError, match="must have one size"):
        overlay(photo[1:], found)


def test_objects_of_one_class_differ_and_outlines_are_full_colour():
    masks = np.zeros((2, 64, 64), bool)
    masks[0, 8:24, 8:24] = masks[1, 40:56, 40:56] = True
    one = instance_of(list(masks[[0, 1]]))
    both = instance_of([masks[0], ~masks.any(axis=0), np.eye(64, dtype=bool), masks[1]])
    assert one.segments[0].category == both.segments[0].category == both.segments[3].category
    shown = overlay(np.zeros((64, 64, 3), np.uint8), both, named=False, opacity=0.5)
    assert (shown[16, 12] != shown[48, 44]).any()
    edge, inside = shown[8, 12].astype(int), shown[12, 16].astype(int)
    assert np.abs(edge - 2 * inside).max() <= 1


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_palette_picture_of_published_classes_comes_back(tmp_path, name):
    classes = published_classes(name)
    labels = np.arange(-1, len(classes), dtype=np.int32)[None] % 256  # -1 becomes void
    found = semantic_segmentation(labels, classes.names, is_thing=classes.is_thing)
    write_palette(tmp_path / "a.png", found, classes=classes)
    assert read_palette(tmp_path / "a.png", classes=classes) == found


def test_a_label_map_of_many_classes_comes_back(tmp_path):
    names = tuple(map(str, range(1203)))
    segment = Segment(1, 1202, "1202", rle.encode(np.ones((3, 5), bool)))
    found = Segmentation((3, 5), "panoptic", names, (segment,))
    write_label_map(tmp_path / "a.png", found)
    assert read_label_map(tmp_path / "a.png") == found


def test_labels_are_not_rounded(tmp_path):
    with pytest.raises(UsageError, match="a.webp: a label map must be a .png, .tif, .tiff"):
        write_label_map(tmp_path / "a.webp", panoptic_of(LABELS))
    write_label_map(tmp_path / "a.png", panoptic_of(LABELS))
    content = json.loads((tmp_path / "a.json").read_text())
    saved(tmp_path / "a.json", content | {"categories": ["person", "person", "sky"]})
    with pytest.raises(DataError, match="a.json: a name may be in a class list once, got person"):
        read_label_map(tmp_path / "a.png")
