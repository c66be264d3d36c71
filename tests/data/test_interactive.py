import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from maskwright.data.interactive import (
    benchmark_objects,
    object_rows,
    read_object,
    truth_from_labels,
)
from maskwright.errors import DataError, ImageError, UsageError

SIZE = (5, 7)
LABELS = np.zeros(SIZE, np.uint8)
LABELS[1:4, 2:6] = 1


def photo(file, size=SIZE):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1]).save(file)


def mask(file, labels=LABELS):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels.astype(np.uint8)).save(file)


def instances(file, labels):
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, {"GTinst": {"Segmentation": labels.astype(np.uint8)}})


@pytest.mark.parametrize("value", [1, 38, 128, 255])
def test_one_value_beside_0_is_the_object(value):
    truth = truth_from_labels(LABELS.astype(np.int32) * value, "a mask")
    np.testing.assert_array_equal(truth.mask, LABELS == 1)
    assert truth.ignored is None


@pytest.mark.parametrize(("on", "unknown"), [(1, 255), (255, 128)])
def test_the_value_for_what_nobody_knows_follows_from_that_of_the_object(on, unknown):
    labels = LABELS.astype(np.int32) * on
    labels[0] = unknown
    truth = truth_from_labels(labels, "a mask")
    np.testing.assert_array_equal(truth.mask, LABELS == 1)
    np.testing.assert_array_equal(truth.ignored, labels == unknown)


def test_every_label_is_the_object_where_the_layout_says_so():
    labels = LABELS.astype(np.int32) * 128
    labels[4, 6] = 32768
    assert truth_from_labels(labels, "a mask", every_label=True).mask.sum() == LABELS.sum() + 1
    focuscut = LABELS.astype(np.int32)
    focuscut[0, 0] = 255
    truth = truth_from_labels(focuscut, "a mask", every_label=True)
    assert truth.mask.sum() == LABELS.sum() and truth.ignored[0, 0]


def test_other_values_are_named():
    labels = np.arange(35, dtype=np.int32).reshape(SIZE)
    with pytest.raises(DataError, match=r"cat: a mask .*got 35 values \(0, 1, 2, 3, 4, …\)"):
        truth_from_labels(labels, "cat")
    with pytest.raises(DataError, match="cat: a mask must have an object, got 0 everywhere"):
        truth_from_labels(labels * 0, "cat")


def test_grabcut_as_its_authors_pack_it(tmp_path):
    photo(tmp_path / "data_GT/cat.bmp")
    labels = LABELS * 255
    labels[0, 0] = 128
    mask(tmp_path / "boundary_GT/cat.bmp", labels)
    (row,) = benchmark_objects(tmp_path, layout="grabcut")
    truth = read_object(row)
    assert truth.mask.sum() == LABELS.sum() and truth.ignored.sum() == 1


@pytest.mark.parametrize("layout", ["grabcut", "berkeley", "davis", "sbd"])
def test_focuscut_s_packing_of_several_objects(tmp_path, layout):
    for name in ("cat", "dog", "owl"):
        photo(tmp_path / f"img/{name}.jpg")
        mask(tmp_path / f"gt/{name}#001.png")
    mask(tmp_path / "gt/dog#002.png")
    (tmp_path / "list").mkdir()
    (tmp_path / "list/val.txt").write_text("cat#001\ndog#001\ndog#002\n")
    rows = benchmark_objects(tmp_path, layout=layout)
    assert [(row.name, row.image.name) for row in rows] == [
        ("cat#001", "cat.jpg"),
        ("dog#001", "dog.jpg"),
        ("dog#002", "dog.jpg"),
    ]
    assert all(read_object(row).mask.sum() == LABELS.sum() for row in rows)


def test_davis_with_coloured_masks_and_with_sequences(tmp_path):
    coloured = np.zeros((*SIZE, 3), np.uint8)
    coloured[1, 1], coloured[2, 2] = (128, 0, 0), (0, 128, 0)
    photo(tmp_path / "ritm/img/008.jpg")
    mask(tmp_path / "ritm/gt/008.png", coloured)
    photo(tmp_path / "own/JPEGImages/480p/bear/00000.jpg")
    mask(tmp_path / "own/Annotations/480p/bear/00000.png", LABELS * 255)
    (ritm,) = benchmark_objects(tmp_path / "ritm", layout="davis")
    assert np.argwhere(read_object(ritm).mask).tolist() == [[1, 1], [2, 2]]
    (own,) = benchmark_objects(tmp_path / "own", layout="davis")
    assert own.name == "bear/00000" and read_object(own).mask.sum() == LABELS.sum()


def test_sbd_s_instances_each_are_an_object(tmp_path):
    dataset = tmp_path / "benchmark_RELEASE/dataset"
    for name in ("a", "b"):
        photo(dataset / f"img/2008_00000{name}.jpg")
    labels = LABELS.copy()
    labels[4] = 2
    instances(dataset / "inst/2008_00000a.mat", labels)
    instances(dataset / "inst/2008_00000b.mat", labels)
    (dataset / "val.txt").write_text("2008_00000a\n")
    rows = benchmark_objects(tmp_path, layout="sbd")
    assert [row.name for row in rows] == ["2008_00000a#001", "2008_00000a#002"]
    assert [read_object(row).mask.sum() for row in rows] == [12, 7]


def test_a_foreign_matlab_file_is_refused(tmp_path):
    photo(tmp_path / "img/a.jpg")
    (tmp_path / "inst").mkdir()
    (tmp_path / "inst/a.mat").write_bytes(b"nonsense")
    with pytest.raises(ImageError, match=r"a\.mat: expected a MATLAB file of SBD"):
        benchmark_objects(tmp_path, layout="sbd")


def test_a_mask_of_its_photo_s_own_name_is_not_taken_for_a_numbered_one(tmp_path):
    for name in ("cat", "cat_1"):
        photo(tmp_path / f"images/{name}.jpg")
        mask(tmp_path / f"masks/{name}.png")
    mask(tmp_path / "masks/cat_2.png")
    rows = benchmark_objects(tmp_path)
    assert [row.image.stem for row in rows] == ["cat", "cat_1", "cat"]


def test_what_is_wrong_is_named(tmp_path):
    images, masks = tmp_path / "images", tmp_path / "masks"
    photo(images / "cat.jpg")
    mask(masks / "cat.png")
    photo(images / "dog.jpg")
    with pytest.raises(DataError, match="a photo must have a mask .*not so for 1: dog; add"):
        object_rows(images, masks)
    mask(masks / "dog.png")
    mask(masks / "owl.png")
    with pytest.raises(DataError, match="a mask must have a photo .*not so for 1: owl"):
        object_rows(images, masks)
    assert [row.name for row in object_rows(images, masks, names=["dog"])] == ["dog"]
    with pytest.raises(DataError, match="a listed name must have a mask .*not so for 1: emu"):
        object_rows(images, masks, names=["dog", "emu"])
    (masks / "owl.png").unlink()
    mask(masks / "dog.png", LABELS[:4])
    with pytest.raises(DataError, match=r"not so for 1: dog \(7 x 4, its photo 7 x 5\)"):
        object_rows(images, masks)
    mask(masks / "dog.bmp")
    with pytest.raises(DataError, match="a name must belong to one file"):
        object_rows(images, masks)


def test_missing_folders_and_unknown_layouts_are_refused(tmp_path):
    with pytest.raises(UsageError, match="one of grabcut, berkeley, .*got 'coco'"):
        benchmark_objects(tmp_path, layout="coco")
    with pytest.raises(DataError, match="a folder images or image or img, got none"):
        benchmark_objects(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match="must hold files .*got none"):
        object_rows(tmp_path / "images", tmp_path / "images")


def test_what_is_wrong_with_one_object_may_be_left_to_its_reading(tmp_path):
    for name in ("bad", "mat", "old", "small", "well"):
        photo(tmp_path / f"img/{name}.jpg")
    (tmp_path / "img/old.jpg").write_bytes(b"no photo")
    for name in ("old", "well"):
        mask(tmp_path / f"inst/{name}.png")
    mask(tmp_path / "inst/small.png", LABELS[1:])
    mask(tmp_path / "inst/bad.png", LABELS * 0)
    (tmp_path / "inst/mat.mat").write_bytes(b"no matlab")
    rows = benchmark_objects(tmp_path, layout="sbd", checked=False)
    assert [row.name for row in rows] == ["bad", "mat", "old", "small", "well"]
    assert read_object(rows[4]).mask.sum() == LABELS.sum()
    assert read_object(rows[3]).mask.shape == (SIZE[0] - 1, SIZE[1])
    with pytest.raises(DataError, match="an object, got 0 everywhere"):
        read_object(rows[0])
    with pytest.raises(ImageError, match="mat.mat: expected a MATLAB file of SBD"):
        read_object(rows[1])
    with pytest.raises(ImageError, match="mat.mat: expected a MATLAB file of SBD"):
        benchmark_objects(tmp_path, layout="sbd")
    (tmp_path / "inst/well.png").unlink()
    with pytest.raises(DataError, match="a photo must have a mask of its name"):
        benchmark_objects(tmp_path, layout="sbd", checked=False)
