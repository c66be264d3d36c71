import json

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from maskwright.data.interactive import benchmark_objects
from maskwright.data.labelled import InstancePhotos, MaskedPhotos, PanopticPhotos, painted
from maskwright.errors import DataError
from maskwright.structures import rle

SIZE = (11, 13)


def rng():
    return np.random.default_rng(0)


def photo(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE[::-1], (9, 8, 7)).save(file)


def rectangle(top, bottom, left, right):
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def write(file, content):
    file.write_text(json.dumps(content))
    return file


def instances(tmp_path, objects, image):
    rows = [
        {"id": i, "image_id": 7, "category_id": 1, "segmentation": segmentation}
        for i, segmentation in enumerate(objects)
    ]
    image = {"id": 7, "height": SIZE[0], "width": SIZE[1], **image}
    empty = {"id": 8, "file_name": "has_no_objects.jpg"}
    return write(tmp_path / "instances.json", {"images": [image, empty], "annotations": rows})


def test_panoptic_segments_are_numbered_stuff_and_crowds_included(tmp_path):
    ids = np.zeros((*SIZE, 3), np.uint8)
    ids[:4], ids[4:9] = (7, 1, 0), (0, 0, 2)
    photo(tmp_path / "images/7.jpg")
    (tmp_path / "maps").mkdir()
    Image.fromarray(ids).save(tmp_path / "maps/7.png")
    segments = [
        {"id": 7 + 256, "category_id": 1, "iscrowd": 1},
        {"id": 2 * 65536, "category_id": 190, "iscrowd": 0},
    ]
    file = write(
        tmp_path / "panoptic.json",
        {
            "images": [{"id": 5, "file_name": "7.jpg"}],
            "annotations": [{"image_id": 5, "file_name": "7.png", "segments_info": segments}],
        },
    )
    found = PanopticPhotos(file, tmp_path / "maps", tmp_path / "images").labelled(0, rng())
    assert (found.labels[:4] == 1).all() and (found.labels[4:9] == 2).all()
    assert (found.labels[9:] == 0).all() and found.image.shape == (*SIZE, 3)


def test_coco_polygons_and_run_lengths_become_objects(tmp_path):
    photo(tmp_path / "7.jpg")
    code = rle.encode(rectangle(6, 10, 6, 12))
    polygon = [1.0, 1.0, 5.0, 1.0, 5.0, 4.0, 1.0, 4.0]
    file = instances(tmp_path, [[polygon], code], {"file_name": "7.jpg"})
    data = InstancePhotos(file, tmp_path)
    assert len(data) == 1  # a photo without objects teaches nothing
    labels = data.labelled(0, rng()).labels
    numbers = {int(labels[2, 3]), int(labels[8, 8])}
    assert numbers == {1, 2} and (labels == labels[8, 8]).sum() == 24
    np.testing.assert_array_equal(labels == labels[2, 3], rectangle(1, 4, 1, 5))


def test_a_crowd_region_is_no_object(tmp_path):
    photo(tmp_path / "7.jpg")
    masks = [rle.encode(rectangle(0, 3, 0, 3)), rle.encode(rectangle(6, 10, 6, 12))]
    file = instances(tmp_path, masks, {"file_name": "7.jpg"})
    content = json.loads(file.read_text())
    content["annotations"][0]["iscrowd"] = 1
    labels = InstancePhotos(write(file, content), tmp_path).labelled(0, rng()).labels
    np.testing.assert_array_equal(labels == 1, rectangle(6, 10, 6, 12))
    assert labels.max() == 1


@pytest.mark.parametrize("place", ["train2017/7.jpg", "7.jpg"])
def test_lvis_photos_are_found_by_their_address(tmp_path, place):
    photo(tmp_path / place)
    address = {"coco_url": "http://images.cocodataset.org/train2017/7.jpg"}
    file = instances(tmp_path, [rle.encode(rectangle(1, 3, 1, 3))], address)
    assert InstancePhotos(file, tmp_path).labelled(0, rng()).labels.max() == 1


def test_sbd_and_plain_folders_are_photos_with_labels(tmp_path):
    labels = np.zeros(SIZE, np.uint8)
    labels[2:5], labels[6:9] = 1, 3
    for folder in ("sbd/img", "plain/images"):
        photo(tmp_path / folder / "a.jpg")
    (tmp_path / "sbd/inst").mkdir()
    savemat(tmp_path / "sbd/inst/a.mat", {"GTinst": {"Segmentation": labels}})
    sbd = MaskedPhotos(benchmark_objects(tmp_path / "sbd", layout="sbd"))
    np.testing.assert_array_equal(sbd.labelled(0, rng()).labels, labels)
    (tmp_path / "plain/masks").mkdir()
    for number in (1, 3):
        unknown = np.where(labels == number, 255, 0).astype(np.uint8)
        unknown[10] = 128
        Image.fromarray(unknown).save(tmp_path / f"plain/masks/a#{number:03d}.png")
    plain = MaskedPhotos(benchmark_objects(tmp_path / "plain"))
    assert len(plain) == 1
    found = plain.labelled(0, rng()).labels
    assert (found[10] == -1).all()
    assert {int(found[3, 0]), int(found[7, 0])} == {1, 2} and (found == 0).any()


def test_painting_leaves_out_what_hides_too_much():
    large, inside, half = rectangle(0, 10, 0, 10), rectangle(2, 9, 2, 10), rectangle(0, 4, 8, 12)
    for seed in range(8):
        draw = np.random.default_rng(seed)
        order = np.random.default_rng(seed).permutation(2)
        labels = painted([large, inside], SIZE, draw)
        # The smaller covers 56 % of the larger, and lies in it entirely: one of them goes.
        first = (large, inside)[order[0]]
        np.testing.assert_array_equal(labels == 1, first)
        assert labels.max() == 1
    both = painted([large, half, np.zeros(SIZE, bool)], SIZE, rng())
    assert both.max() == 2


def test_a_map_of_another_size_and_missing_photos_are_named(tmp_path):
    file = instances(tmp_path, [rle.encode(rectangle(1, 3, 1, 3))], {"file_name": "7.jpg"})
    with pytest.raises(DataError, match=r"1 are missing: .*7\.jpg; check the folders"):
        InstancePhotos(file, tmp_path)
    photo(tmp_path / "images/a.png")
    (tmp_path / "inst").mkdir()
    savemat(tmp_path / "inst/a.mat", {"GTinst": {"Segmentation": np.ones((3, 4), np.uint8)}})
    sbd = MaskedPhotos(benchmark_objects(tmp_path, layout="sbd"))
    with pytest.raises(DataError, match="as large as its photo, 13 x 11, got 4 x 3"):
        sbd.labelled(0, rng())


def test_files_that_are_not_coco_s_are_refused(tmp_path):
    with pytest.raises(DataError, match="got a file that cannot be read"):
        InstancePhotos(tmp_path / "no.json", tmp_path)
    file = write(tmp_path / "other.json", {"images": []})
    with pytest.raises(DataError, match="must hold images and annotations, got no annotations"):
        InstancePhotos(file, tmp_path)
    with pytest.raises(DataError, match="got no images and no annotations"):
        PanopticPhotos(write(tmp_path / "list.json", []), tmp_path, tmp_path)
