import json

import numpy as np
import pytest
from PIL import Image

from maskwright.data.scenes import (
    SceneSet,
    bsds_scenes,
    coco_scenes,
    davis_scenes,
    horse_scenes,
    parts_of,
    people_scenes,
    pyramid,
    yolo_scenes,
)
from maskwright.errors import DataError

HEIGHT, WIDTH = 60, 80
NAMES = [f"film{n}_00000" for n in range(20)]


def photos(folder):
    folder.mkdir(parents=True)
    for name in NAMES:
        Image.new("RGB", (WIDTH, HEIGHT), (200, 30, 40)).save(folder / f"{name}.jpg")


def picture(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array.astype(np.uint8)).save(file)


def blank():
    return np.zeros((HEIGHT, WIDTH), np.int32)


def first_scene(found: SceneSet, **options):
    return found.scene(found.files.training[0], **options)


def test_the_objects_of_a_map_are_its_labels_and_where_asked_all_of_them_together():
    labels = blank().astype(np.uint8)
    labels[5:15, 10:30], labels[20:30, 40:50], labels[0, 0] = 3, 7, 9
    parts = parts_of(labels, 2, least_share=0.01)
    assert [(part.labels, part.box) for part in parts] == [
        ((3,), (10, 5, 30, 15)),
        ((7,), (40, 20, 50, 30)),
    ]
    assert parts[0].share == 200 / 4800 and parts[0].map_index == 2
    whole = parts_of(labels, 0, least_share=0.01, whole=True)[0]
    assert whole.labels == (3, 7, 9) and whole.box == (0, 0, 50, 30)
    assert whole.share == 301 / 4800


def test_what_fills_the_photo_and_what_is_tiny_is_no_object():
    labels = np.full((HEIGHT, WIDTH), 4, np.uint8)
    assert parts_of(labels, 0) == []
    labels[0, :3] = 5
    assert parts_of(labels, 0) == []


def test_each_annotator_of_a_photo_has_a_map(tmp_path):
    photos(tmp_path / "images/train")
    for name in NAMES:
        for annotator in range(2):
            regions = blank() + 1
            regions[:, : 20 + 10 * annotator] = 2
            picture(tmp_path / f"regions/train/{name}_a{annotator}.png", regions)
    scene = first_scene(bsds_scenes(tmp_path))
    assert len(scene.maps) == 2 and len(scene.parts) == 4 and scene.may_join
    shares = sorted(part.share for part in scene.parts)
    assert shares == [0.25, 0.375, 0.625, 0.75]
    assert all(scene.mask(part).mean() == part.share for part in scene.parts)


@pytest.mark.parametrize("reader", [davis_scenes, horse_scenes])
def test_a_mask_is_one_object(tmp_path, reader):
    photos(tmp_path / "images")
    mask = blank()
    mask[10:40, 20:50] = 255
    for name in NAMES:
        picture(tmp_path / f"masks/{name}.png", mask)
    scene = first_scene(reader(tmp_path))
    (part,) = scene.parts
    np.testing.assert_array_equal(scene.mask(part), mask > 0)


def test_people_are_whole_and_in_connected_pieces(tmp_path):
    photos(tmp_path / "images")
    labels = blank()
    labels[5:50, 30:50] = 19  # a dress
    labels[50:58, 30:36] = labels[50:58, 44:50] = 39  # two shoes
    labels[0, 0] = 41  # too small for a piece of its own
    for name in NAMES:
        picture(tmp_path / f"labels/{name}.png", labels)
    scene = first_scene(people_scenes(tmp_path))
    whole, *pieces = scene.parts
    np.testing.assert_array_equal(scene.mask(whole), labels > 0)
    assert [int(scene.mask(piece).sum()) for piece in pieces] == [900, 48, 48]


def test_polygons_of_yolo_and_coco_are_laid_smaller_over_larger(tmp_path):
    small, large = [0.25, 0.25, 0.5, 0.25, 0.5, 0.5, 0.25, 0.5], [0, 0, 1, 0, 1, 0.75, 0, 0.75]
    photos(tmp_path / "yolo/images")
    (tmp_path / "yolo/labels").mkdir()
    for name in NAMES[1:]:  # one photo without a file has no objects
        lines = [" ".join(map(str, (7, *points))) for points in (small, large)]
        (tmp_path / f"yolo/labels/{name}.txt").write_text("\n".join(lines) + "\n")
    photos(tmp_path / "coco/train/JPEGImages")
    scaled = [
        (np.array(p).reshape(-1, 2) * (WIDTH, HEIGHT)).ravel().tolist() for p in (small, large)
    ]
    content = {
        "images": [{"id": i, "file_name": f"{name}.jpg"} for i, name in enumerate(NAMES)],
        "annotations": [
            {"image_id": i, "segmentation": [points]} for i in range(20) for points in scaled
        ],
    }
    (tmp_path / "coco/train/annotations.json").write_text(json.dumps(content))
    for found in (yolo_scenes(tmp_path / "yolo"), coco_scenes(tmp_path / "coco")):
        scene = found.scene(next(f for f in found.files.training if f.stem != NAMES[0]))
        areas = sorted(int(scene.mask(part).sum()) for part in scene.parts)
        assert areas == [300, 3300]
    empty = yolo_scenes(tmp_path / "yolo")
    assert empty.scene(tmp_path / f"yolo/images/{NAMES[0]}.jpg").parts == ()


def test_a_photo_is_shrunk_once_with_its_maps_and_boxes(tmp_path):
    photos(tmp_path / "images")
    mask = blank()
    mask[12:36, 20:60] = 255
    for name in NAMES:
        picture(tmp_path / f"masks/{name}.png", mask)
    scene = first_scene(horse_scenes(tmp_path), long_side_px=40)
    assert [level.shape for level in scene.levels] == [(30, 40, 3), (15, 20, 3), (8, 10, 3)]
    assert scene.parts[0].box == (10, 6, 30, 18) and scene.maps[0].shape == (30, 40)


def test_maps_that_do_not_fit_are_named(tmp_path):
    photos(tmp_path / "images")
    for name in NAMES:
        picture(tmp_path / f"masks/{name}.png", blank()[:, :70])
    with pytest.raises(DataError, match=r"a map must be \(60, 80\) .*got \(60, 70\) and 0"):
        first_scene(horse_scenes(tmp_path))


def test_empty_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match="must hold pictures, got none"):
        davis_scenes(tmp_path)
    with pytest.raises(DataError, match="must be COCO's JSON, got no such file"):
        coco_scenes(tmp_path)


def test_a_pyramid_has_three_sizes_down_to_one_pixel():
    levels = pyramid(np.full((3, 1, 4), 9, np.uint8))
    assert [level.shape for level in levels] == [(3, 1, 4), (2, 1, 4), (1, 1, 4)]
    assert all((level == 9).all() for level in levels)
