import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright.data.ade20k import ade20k_folder
from maskwright.data.cityscapes import cityscapes_folder
from maskwright.data.coco import coco_file, coco_folder
from maskwright.data.ground_truth import TruthSet
from maskwright.data.semantic import _warn_once, label_folder
from maskwright.data.truth_finder import open_predictions, open_truth
from maskwright.errors import DataError, UsageError
from maskwright.formats.annotated import Annotated
from maskwright.formats.classes import published_classes
from maskwright.formats.coco import write_coco
from maskwright.formats.label_map import write_label_map
from maskwright.formats.labelme import write_labelme
from maskwright.formats.panoptic import write_panoptic
from maskwright.formats.yolo import write_yolo
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

CAMVID = Path(__file__).parents[3] / "shared/data/camvid"
SIZE = (11, 13)
CLASSES = ClassList(("road", "car", "sky"), is_thing=(False, True, False))


def photo(file, size=SIZE):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], (9, 8, 7)).save(file)


def labels(file, values):
    file.parent.mkdir(parents=True, exist_ok=True)
    array = np.asarray(values)
    Image.fromarray(array.astype(np.uint16 if array.max() > 255 else np.uint8)).save(file)


def stripes(*values):
    """Return a label map with a value for each stripe of rows."""
    found = np.zeros(SIZE, int)
    for i, value in enumerate(values):
        found[3 * i :] = value
    return found


def in_stripes(task, *parts):
    """Return a segmentation with a segment of (category, first row, last row) for each."""
    segments = []
    for number, (category, top, bottom) in enumerate(parts, start=1):
        mask = np.zeros(SIZE, bool)
        mask[top:bottom] = True
        segments.append(
            Segment(
                number,
                category,
                CLASSES.names[category],
                rle.encode(mask),
                is_thing=CLASSES.is_thing[category],
            )
        )
    return Segmentation(SIZE, task, CLASSES.names, tuple(segments))


@pytest.fixture
def plain(tmp_path):
    for name in ("a", "sub/b"):
        photo(tmp_path / f"images/{name}.jpg")
        labels(tmp_path / f"labels/{name}.png", stripes(0, 2, 255))
    return tmp_path


def test_a_plain_folder_gives_photos_and_classes(plain):
    found = label_folder(plain / "images", plain / "labels", CLASSES)
    assert isinstance(found, TruthSet) and len(found) == 2
    assert found.photos[1] == plain / "images/sub/b.jpg" == found[1].photo
    np.testing.assert_array_equal(found.labels(0), stripes(0, 2, 255))
    segmentation = found[0].segmentation
    assert segmentation.task == "semantic"
    assert [(s.category, s.is_thing) for s in segmentation.segments] == [
        ("road", False),
        ("sky", False),
    ]
    np.testing.assert_array_equal(segmentation.label_map(), found.labels(0))
    with pytest.raises(IndexError):
        found[2]


def test_every_photo_knows_the_files_its_labels_are_read_from(plain, tmp_path):
    folder = plain / "labels"
    found = label_folder(plain / "images", folder, CLASSES)
    assert found.files == ((folder / "a.png",), (folder / "sub/b.png",))
    maps = tmp_path / "maps"
    for name in ("a.png", "sub/b.png"):
        write_label_map(maps / name, in_stripes("panoptic", (0, 0, 3)))
    found = open_truth(plain / "images", maps, task="panoptic", classes=CLASSES)
    assert found.files[1] == (maps / "sub/b.png", maps / "sub/b.json")
    items = [Annotated("a.jpg", in_stripes("panoptic", (0, 0, 3)))]
    file = tmp_path / "panoptic.json"
    write_panoptic(file, items, classes=CLASSES)
    found = coco_file(file, plain / "images", task="panoptic")
    assert found.files == ((file, tmp_path / "panoptic/a.png"),)
    write_coco(tmp_path / "coco.json", items, classes=CLASSES)
    found = coco_file(tmp_path / "coco.json", plain / "images", task="instance")
    assert found.files == ((tmp_path / "coco.json",),)


def test_files_that_do_not_belong_together_are_named(plain):
    (plain / "images/sub/b.jpg").unlink()
    with pytest.raises(DataError, match=r"labels must have a photo of .*, for 1: .*sub/b\.png"):
        label_folder(plain / "images", plain / "labels", CLASSES)
    for name in "cdefgh":
        photo(plain / f"images/{name}.jpg")
    (plain / "labels/sub/b.png").unlink()
    match = r"a photo must have labels .*, for 6: .*c\.jpg, .*d\.jpg, .*g\.jpg, …; add"
    with pytest.raises(DataError, match=match):
        label_folder(plain / "images", plain / "labels", CLASSES)
    with pytest.raises(
        DataError, match=r"nowhere must be a folder that holds files \*\.bmp\|\.png"
    ):
        label_folder(plain / "images", plain / "nowhere", CLASSES)
    photo(plain / "images/a.png")
    with pytest.raises(DataError, match=r"to one file, not to .*a\.jpg too, for 1: .*a\.png"):
        label_folder(plain / "images", plain / "labels", CLASSES)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (stripes(0, 7), r"a.png: a label must be the number of one of the 3 .* got 7"),
        (stripes(0, 3, 7), r"a.png: a label must be the number of one of the 3 .* got 3, 7"),
        (stripes(255), r"a.png: labels must have a class somewhere, got void \(255\)"),
        (stripes(3), "a.png: "),
        (stripes(0).T, r"a.jpg: .* as their photo \(turned upright\), 13 x 11, got 11 x 13"),
        (stripes(0)[1:], r"a.jpg: labels must be as large as their photo, 13 x 11, got 13 x 10"),
    ],
)
def test_bad_labels_are_named(plain, values, match):
    labels(plain / "labels/a.png", values)
    found = label_folder(plain / "images", plain / "labels", CLASSES)
    for read in (found.labels, found.__getitem__):
        with pytest.raises(DataError, match=match) as caught:
            read(0)
        assert "\n" not in str(caught.value)
    found.labels(1)


def test_the_number_after_the_last_class_is_void_with_one_warning(plain, caplog):
    for name in ("a", "sub/b"):
        labels(plain / f"labels/{name}.png", stripes(0, 3, 2))
    _warn_once.cache_clear()
    found = label_folder(plain / "images", plain / "labels", CLASSES)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            np.testing.assert_array_equal(found.labels(0), stripes(0, 255, 2))
    assert len(caplog.records) == 1 and "reading 3, the number after" in caplog.text
    said = ClassList(CLASSES.names, void=(3, 255))
    caplog.clear()
    _warn_once.cache_clear()
    label_folder(plain / "images", plain / "labels", said).labels(0)
    assert not caplog.records


@pytest.mark.skipif(not CAMVID.is_dir(), reason=f"needs {CAMVID}")
@pytest.mark.parametrize(("part", "count"), [("train", 367), ("val", 101)])
def test_camvid_is_a_plain_folder(part, count):
    names = "sky building pole road pavement tree sign fence car pedestrian bicyclist void"
    classes = ClassList(tuple(names.split()[:11]), void=(11, 255))
    found = open_truth(
        CAMVID / part / "images", CAMVID / part / "labels", task="semantic", classes=classes
    )
    assert len(found) == count
    for index in range(0, count, 40):
        values = found.labels(index)
        assert values.shape == (360, 480) and set(np.unique(values)) <= {*range(11), 255}
        assert found[index].photo.stem in str(found.photos[index])


def test_ade20k_s_0_is_void(tmp_path):
    photo(tmp_path / "images/validation/ADE_val_1.jpg")
    labels(tmp_path / "annotations/validation/ADE_val_1.png", stripes(0, 1, 150))
    found = ade20k_folder(tmp_path)
    np.testing.assert_array_equal(found.labels(0), stripes(255, 0, 149))
    assert [s.category for s in found[0].segmentation.segments] == ["wall", "flag"]
    with pytest.raises(UsageError, match="one of training, validation, got 'val'"):
        ade20k_folder(tmp_path, "val")
    with pytest.raises(DataError, match=r"ade20k_panoptic_val.json: expected COCO's JSON"):
        ade20k_folder(tmp_path, task="panoptic")


def test_ade20k_s_instances_have_text_for_ids(tmp_path):
    """As Mask2Former's `prepare_ade20k_ins_seg.py` writes them."""
    photo(tmp_path / "images/validation/ADE_val_00000001.jpg")
    file = tmp_path / "ade20k_instance_val.json"
    write_coco(file, [Annotated("ADE_val_00000001.jpg", OBJECTS)])
    content = json.loads(file.read_text())
    content["images"][0]["id"] = "ADE_val_00000001"
    for row in content["annotations"]:
        row["image_id"] = "ADE_val_00000001"
    file.write_text(json.dumps(content))
    found = ade20k_folder(tmp_path, task="instance")
    assert [one.category for one in found[0].segmentation.segments] == ["car", "car"]


@pytest.mark.parametrize(
    "nothing", [[], [[1, 1, 2, 2]], [[5, 5, 5, 5, 5, 5]], {"size": [31, 23], "counts": [31 * 23]}]
)
def test_an_object_without_a_pixel_is_left_out_of_published_sets_only(tmp_path, caplog, nothing):
    """COCO's train2017 has two."""
    photo(tmp_path / "val2017/a.jpg")
    file = tmp_path / "annotations/instances_val2017.json"
    write_coco(file, [Annotated("a.jpg", OBJECTS)])
    content = json.loads(file.read_text())
    size = [content["images"][0]["height"], content["images"][0]["width"]]
    if isinstance(nothing, dict):
        nothing = {"size": size, "counts": [size[0] * size[1]]}
    content["annotations"].insert(1, content["annotations"][0] | {"id": 7, "segmentation": nothing})
    file.write_text(json.dumps(content))
    for _ in range(2):
        found = coco_folder(tmp_path, "val2017", task="instance")[0].segmentation
        assert [one.rle for one in found.segments] == [one.rle for one in OBJECTS.segments]
    assert [line for line in caplog.messages if "annotation 7 of a.jpg: left out" in line] != []
    assert len(caplog.messages) == 1
    with pytest.raises(DataError, match="annotation 7 of a.jpg"):
        coco_file(file, tmp_path / "val2017", task="instance")[0]


def test_a_hidden_segment_is_left_out_of_published_sets_only(tmp_path):
    """ADE20K's panoptic file has some: things are painted over them."""
    photo(tmp_path / "images/training/x.jpg")
    file = tmp_path / "ade20k_panoptic_train.json"
    names = published_classes("ade20k").names
    halves = [stripes(0, 1) == number for number in range(2)]
    made = Segmentation(
        SIZE,
        "panoptic",
        names,
        tuple(Segment(n + 1, n, names[n], rle.encode(half)) for n, half in enumerate(halves)),
    )
    write_panoptic(file, [Annotated("x.jpg", made)])
    content = json.loads(file.read_text())
    infos = content["annotations"][0]["segments_info"]
    infos.insert(1, infos[0] | {"id": 999})
    file.write_text(json.dumps(content))
    found = ade20k_folder(tmp_path, "training", task="panoptic")[0].segmentation
    assert [one.category for one in found.segments] == list(names[:2])
    with pytest.raises(DataError, match="segment 999 .* must have one pixel or more"):
        coco_file(file, tmp_path / "images/training", task="panoptic")[0]


def test_ade20k_s_panoptic_file_is_read_by_names(tmp_path):
    photo(tmp_path / "images/training/x.jpg")
    made = Segmentation(
        SIZE,
        "panoptic",
        ("sky", "window "),
        (Segment(1, 1, "window ", rle.encode(stripes(0, 1) == 1)),),
    )
    write_panoptic(tmp_path / "ade20k_panoptic_train.json", [Annotated("x.jpg", made)])
    found = ade20k_folder(tmp_path, "training", task="panoptic")
    (segment,) = found[0].segmentation.segments
    assert segment.category == "window" and segment.category_id == 8


@pytest.fixture
def streets(tmp_path):
    for city in ("aachen", "bern"):
        photo(tmp_path / f"leftImg8bit/val/{city}/{city}_0_leftImg8bit.png")
        stem = tmp_path / f"gtFine/val/{city}/{city}_0_gtFine"
        labels(Path(f"{stem}_labelIds.png"), stripes(7, 26, 4))
        labels(Path(f"{stem}_instanceIds.png"), stripes(7, 26, 26001, 4))
    return tmp_path


def test_cityscapes_numbers_become_19_classes(streets):
    found = cityscapes_folder(streets)
    assert len(found) == 2 and found.classes is published_classes("cityscapes")
    np.testing.assert_array_equal(found.labels(1), stripes(0, 13, 255))
    labels(streets / "gtFine/val/bern/bern_0_gtFine_labelIds.png", stripes(7, 34))
    with pytest.raises(DataError, match=r"bern_0_gtFine_labelIds.png: .* got 34"):
        found.labels(1)
    (streets / "gtFine/val/bern/bern_0_gtFine_labelIds.png").unlink()
    with pytest.raises(DataError, match="for 1: .*bern_0_leftImg8bit.png"):
        cityscapes_folder(streets)
    for city in ("aachen", "bern"):
        stem = f"gtFine/val/{city}/{city}_0_gtFine"
        (streets / f"{stem}_labelIds.png").unlink(missing_ok=True)
        labels(streets / f"{stem}_labelTrainIds.png", stripes(18, 255))
    np.testing.assert_array_equal(cityscapes_folder(streets).labels(0), stripes(18, 255))


def test_cityscapes_instances_and_groups(streets):
    found = cityscapes_folder(streets, task="panoptic")[0].segmentation
    assert [(s.category, s.is_thing, s.is_crowd) for s in found.segments] == [
        ("road", False, False),
        ("car", True, True),
        ("car", True, False),
    ]
    np.testing.assert_array_equal(found.label_map(), stripes(1, 2, 3, 0))
    found = cityscapes_folder(streets, task="instance")[0].segmentation
    assert [(s.id, s.category, s.is_crowd) for s in found.segments] == [
        (1, "car", True),
        (2, "car", False),
    ]
    labels(streets / "gtFine/val/aachen/aachen_0_gtFine_instanceIds.png", stripes(7, 34001))
    with pytest.raises(DataError, match="aachen_0_gtFine_instanceIds.png: .* got 34001"):
        cityscapes_folder(streets, task="panoptic")[0]
    with pytest.raises(UsageError, match="a task must be one of"):
        cityscapes_folder(streets, task="boxes")


def test_coco_as_it_is_distributed(tmp_path):
    photo(tmp_path / "val2017/7.jpg")
    panoptic = in_stripes("panoptic", (0, 0, 3), (1, 3, 6), (1, 6, 8))
    overlapping = in_stripes("instance", (1, 0, 5), (1, 3, 6))
    write_panoptic(
        tmp_path / "annotations/panoptic_val2017.json",
        [Annotated("7.jpg", panoptic)],
        maps=tmp_path / "panoptic_val2017",
        classes=CLASSES,
    )
    write_coco(
        tmp_path / "annotations/instances_val2017.json",
        [Annotated("7.jpg", overlapping)],
        classes=CLASSES,
    )
    assert coco_folder(tmp_path, "val2017")[0].segmentation == panoptic
    assert coco_folder(tmp_path, "val2017", task="instance")[0].segmentation == overlapping
    united = coco_folder(tmp_path, "val2017", task="semantic")
    expected = np.full(SIZE, 255)
    expected[:3], expected[3:8] = 0, 1
    np.testing.assert_array_equal(united.labels(0), expected)
    assert united[0].segmentation.task == "semantic"
    things = coco_file(
        tmp_path / "annotations/panoptic_val2017.json", tmp_path / "val2017", task="instance"
    )
    assert [s.id for s in things[0].segmentation.segments] == [1, 2]
    with pytest.raises(UsageError, match="one of panoptic, instance, semantic"):
        coco_folder(tmp_path, "val2017", task="boxes")


def test_coco_stuff_becomes_a_label_map_and_overlaps_are_named(tmp_path):
    photo(tmp_path / "val2017/7.jpg")
    file = tmp_path / "annotations/stuff_val2017.json"
    write_coco(file, [Annotated("7.jpg", in_stripes("instance", (2, 0, 5), (2, 3, 6)))])
    found = coco_folder(tmp_path, "val2017", task="semantic")
    expected = np.full(SIZE, 255)
    expected[:6] = 2
    np.testing.assert_array_equal(found.labels(0), expected)
    crossing = in_stripes("instance", (2, 0, 5), (0, 3, 6))
    write_coco(file, [Annotated("7.jpg", crossing)], overwrite=True)
    match = r"7.jpg: .*overlap, got 1 \(road\) and 2 \(sky\) with pixels in common"
    with pytest.raises(DataError, match=match):
        coco_folder(tmp_path, "val2017", task="semantic").labels(0)
    with pytest.raises(DataError, match=r"7.jpg: .*overlap, got 1 \(sky\) and 2 \(road\)"):
        coco_file(file, tmp_path / "val2017", task="panoptic")[0]


def test_photos_that_are_missing_are_named(tmp_path):
    file = tmp_path / "a.json"
    write_coco(file, [Annotated("x/7.jpg", in_stripes("instance", (2, 0, 5)))])
    with pytest.raises(DataError, match=r"a photo, which is missing, for 1: .*x/7\.jpg"):
        coco_file(file, tmp_path, task="instance")
    photo(tmp_path / "7.jpg")
    assert coco_file(file, tmp_path, task="instance").photos == (tmp_path / "7.jpg",)
    photo(tmp_path / "7.jpg", (5, 7))
    with pytest.raises(DataError, match=r"7\.jpg: labels must be as large as their photo, 7 x 5"):
        coco_file(file, tmp_path, task="instance")[0]


def test_cityscapes_own_panoptic_names_are_found(tmp_path):
    photo(tmp_path / "images/bern/bern_0_leftImg8bit.png")
    item = Annotated("bern_0_gtFine_leftImg8bit.png", in_stripes("panoptic", (2, 0, 5)))
    write_panoptic(tmp_path / "p.json", [item])
    found = coco_file(tmp_path / "p.json", tmp_path / "images", task="panoptic")
    assert found.photos == (tmp_path / "images/bern/bern_0_leftImg8bit.png",)


MADE = in_stripes("panoptic", (0, 0, 3), (1, 3, 6))
OBJECTS = in_stripes("instance", (1, 0, 5), (1, 3, 6))


@pytest.mark.parametrize(
    ("write", "task", "made"),
    [
        (lambda f, item: write_panoptic(f / "p.json", [item]), "panoptic", MADE),
        (lambda f, item: write_coco(f / "c.json", [item]), "instance", OBJECTS),
        (lambda f, item: write_labelme(f / "a.json", item), "instance", OBJECTS),
        (lambda f, item: write_yolo(f, [item]), "instance", OBJECTS),
        (lambda f, item: write_label_map(f / "a.png", item.segmentation), "panoptic", MADE),
        (lambda f, item: write_label_map(f / "a.png", item.segmentation), "instance", OBJECTS),
    ],
)
def test_the_form_of_labels_is_found(tmp_path, write, task, made):
    photo(tmp_path / "images/a.jpg")
    place = tmp_path / "labels"
    write(place, Annotated("a.jpg", made))
    (place / "data.yaml").unlink(missing_ok=True)
    place = place / "labels" if (place / "labels").is_dir() else place
    found = open_truth(tmp_path / "images", place, task=task, classes=CLASSES)
    assert found[0].segmentation == made
    assert found[0].photo == tmp_path / "images/a.jpg"


def test_a_file_can_be_named_and_the_right_one_of_two_is_taken(tmp_path, plain, streets):
    photo(tmp_path / "i/a.jpg")
    write_panoptic(tmp_path / "t/p.json", [Annotated("a.jpg", MADE)])
    write_coco(tmp_path / "t/c.json", [Annotated("a.jpg", OBJECTS)])
    for task, made in (("panoptic", MADE), ("instance", OBJECTS)):
        found = open_truth(tmp_path / "i", tmp_path / "t", task=task)
        assert len(found[0].segmentation.segments) == len(made.segments)
    named = open_truth(tmp_path / "i", tmp_path / "t/p.json", task="semantic")
    assert named.labels(0)[4, 0] == 1
    write_coco(tmp_path / "t/d.json", [Annotated("a.jpg", OBJECTS)])
    with pytest.raises(DataError, match="one file of annotations, got c.json, d.json; name one"):
        open_truth(tmp_path / "i", tmp_path / "t", task="instance")
    found = open_truth(streets / "leftImg8bit", streets / "gtFine", task="semantic")
    assert found.classes is published_classes("cityscapes")


def test_yolo_photos_without_a_file_have_no_objects(tmp_path):
    for name in "ab":
        photo(tmp_path / f"images/{name}.jpg")
    write_yolo(tmp_path, [Annotated("a.jpg", OBJECTS)])
    found = open_truth(tmp_path / "images", tmp_path / "labels", task="instance", classes=CLASSES)
    assert [len(found[i].segmentation.segments) for i in range(2)] == [2, 0]
    (tmp_path / "images/a.jpg").unlink()
    with pytest.raises(DataError, match=r"labels must have a photo .*a\.txt"):
        open_truth(tmp_path / "images", tmp_path / "labels", task="instance", classes=CLASSES)


def test_labelme_brings_its_own_classes(tmp_path):
    photo(tmp_path / "images/a.jpg")
    write_labelme(tmp_path / "labels/a.json", Annotated("a.jpg", OBJECTS))
    found = open_truth(tmp_path / "images", tmp_path / "labels", task="instance")
    assert found.classes.names == ("car",) and len(found[0].segmentation.segments) == 2


def test_what_cannot_be_opened_is_said(plain, tmp_path):
    images, place = plain / "images", plain / "labels"
    with pytest.raises(UsageError, match="need a list of classes; give --classes"):
        open_truth(images, place, task="semantic")
    with pytest.raises(DataError, match="panoptic labels must tell objects apart, got label pic"):
        open_truth(images, place, task="panoptic", classes=CLASSES)
    with pytest.raises(DataError, match="nowhere: expected labels, got no such file or folder"):
        open_truth(images, plain / "nowhere", task="semantic", classes=CLASSES)
    with pytest.raises(UsageError, match="a task must be one of panoptic"):
        TruthSet("boxes", CLASSES, (images / "a.jpg",), lambda index: MADE)
    with pytest.raises(DataError, match="one photo or more, got none"):
        TruthSet("panoptic", CLASSES, (), lambda index: MADE)
    semantic = label_folder(images, place, CLASSES)
    wrong = TruthSet("instance", CLASSES, semantic.photos, semantic.read)
    with pytest.raises(DataError, match="a.jpg: instance labels must tell objects apart, got sem"):
        wrong[0]
    (tmp_path / "x").mkdir()
    broken = tmp_path / "x/c.json"
    broken.write_text(json.dumps({"images": [], "annotations": []})[:-4])
    with pytest.raises(
        DataError, match="c.json: expected COCO's JSON, got a file that is no whole"
    ):
        open_truth(images, tmp_path / "x", task="instance")


def test_label_maps_of_other_classes_are_refused(tmp_path):
    photo(tmp_path / "images/a.jpg")
    write_label_map(tmp_path / "labels/a.png", MADE)
    with pytest.raises(DataError, match="a.png: its categories must be those of the list"):
        open_truth(
            tmp_path / "images",
            tmp_path / "labels",
            task="panoptic",
            classes=ClassList(("cat", "dog", "cow")),
        )[0]


def test_yolo_brings_its_own_classes_and_its_folder_can_be_named(tmp_path):
    photo(tmp_path / "images/a.jpg")
    write_yolo(tmp_path, [Annotated("a.jpg", OBJECTS)])
    for place in (tmp_path / "labels", tmp_path):
        found = open_truth(tmp_path / "images", place, task="instance")
        assert found.classes.names == CLASSES.names
        assert [one.category for one in found[0].segmentation.segments] == ["car", "car"]
        assert found.files == ((tmp_path / "labels/a.txt", tmp_path / "data.yaml"),)
    turned = ClassList(CLASSES.names[::-1])
    found = open_truth(tmp_path / "images", tmp_path, task="instance", classes=turned)
    assert [one.category for one in found[0].segmentation.segments] == ["car", "car"]
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(UsageError, match=r"labels: .* give a data\.yaml beside .*, or --classes"):
        open_truth(tmp_path / "images", tmp_path / "labels", task="instance")


@pytest.mark.parametrize(
    ("write", "names"),
    [
        (lambda f, item: write_coco(f / "c.json", [item]), CLASSES.names),
        (
            lambda f, item: write_labelme(f / "a.json", item),
            ("car", "cow"),
        ),  # what may be found, too
        (lambda f, item: write_yolo(f, [item]), CLASSES.names),
        (lambda f, item: write_label_map(f / "a.png", item.segmentation), CLASSES.names),
    ],
)
def test_predictions_are_in_the_classes_that_their_files_name(tmp_path, write, names):
    photo(tmp_path / "images/a.jpg")
    write(tmp_path / "found", Annotated("a.jpg", OBJECTS))
    truth = ClassList(("cow", "car"))
    found = open_predictions(tmp_path / "images", tmp_path / "found", task="instance", truth=truth)
    assert found.classes.names == names
    assert [one.category for one in found[0].segmentation.segments] == ["car", "car"]


def test_predictions_that_name_no_class_are_in_those_of_the_truth(tmp_path, plain):
    photo(tmp_path / "i/a.jpg")
    empty = Segmentation(OBJECTS.size, "instance", CLASSES.names, ())
    write_labelme(tmp_path / "found/a.json", Annotated("a.jpg", empty))
    found = open_predictions(tmp_path / "i", tmp_path / "found", task="instance", truth=CLASSES)
    assert found.classes.names == CLASSES.names and not found[0].segmentation.segments
    write_panoptic(tmp_path / "p.json", [Annotated("a.jpg", MADE)], classes=CLASSES)
    content = json.loads((tmp_path / "p.json").read_text())
    del content["categories"]
    (tmp_path / "p.json").write_text(json.dumps(content))
    found = open_predictions(tmp_path / "i", tmp_path / "p.json", task="panoptic", truth=CLASSES)
    assert found.classes == CLASSES and found[0].segmentation.segments
    found = open_predictions(plain / "images", plain / "labels", task="semantic", truth=CLASSES)
    assert found.classes == CLASSES


def test_yolo_predictions_without_names_need_a_list(tmp_path):
    photo(tmp_path / "images/a.jpg")
    write_yolo(tmp_path, [Annotated("a.jpg", OBJECTS)])
    (tmp_path / "data.yaml").unlink()
    how = {"task": "instance", "truth": ClassList(("cow", "car"))}
    with pytest.raises(UsageError, match="or --classes"):
        open_predictions(tmp_path / "images", tmp_path / "labels", **how)
    found = open_predictions(tmp_path / "images", tmp_path / "labels", **how, listed=CLASSES)
    assert found[0].segmentation.segments[0].category == "car"


def test_a_damaged_prediction_is_named_when_it_is_read(tmp_path):
    for name in "ab":
        photo(tmp_path / f"images/{name}.jpg")
        write_labelme(tmp_path / f"lm/{name}.json", Annotated(f"{name}.jpg", OBJECTS))
        write_label_map(tmp_path / f"maps/{name}.png", OBJECTS)
    for place in ("lm", "maps"):
        (tmp_path / place / "a.json").write_text("{")
        found = open_predictions(
            tmp_path / "images", tmp_path / place, task="instance", truth=CLASSES
        )
        assert len(found[1].segmentation.segments) == 2
        with pytest.raises(DataError, match=r"a\.json"):
            found[0]
