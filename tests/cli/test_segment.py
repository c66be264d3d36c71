import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from maskwright.cli.main import run
from maskwright.formats.coco import read_coco
from maskwright.formats.label_map import read_label_map
from maskwright.formats.labelme import read_labelme
from maskwright.formats.palette import read_class_map
from maskwright.formats.panoptic import read_panoptic
from maskwright.image.io import read_photo, write_image
from maskwright.models import mask2former
from maskwright.models.mask2former.config import MINI
from maskwright.structures.class_list import ClassList
from maskwright.weights.load import save_model

CONFIG = replace(
    MINI,
    queries=12,
    width=32,
    heads=2,
    pixel_layers=1,
    layers=3,
    names=("sky", "person", "dog", "car"),
    things=(False, True, True, True),
    short_side_px=64,
)
SEEN = ["--score", "0.3", "--overlap", "0"]  # what a network of random weights is sure of


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(1)
    model = mask2former.build(CONFIG)
    with torch.no_grad():
        model.decoder.classify.weight.mul_(20)
        for parameter in model.decoder.embed.parameters():
            parameter.mul_(2)
    path = tmp_path_factory.mktemp("weights") / "m.safetensors"
    return str(
        save_model(path, model.state_dict(), paper="mask2former", config=CONFIG, source="a test")
    )


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for name, seed in (("a.png", 0), ("b.jpg", 1)):
        pixels = np.random.default_rng(seed).integers(0, 256, (90, 130, 3), np.uint8)
        write_image(folder / name, pixels)
    return folder


def segment(*arguments, model):
    return run(["segment", *map(str, arguments), "--model", model, "--device", "cpu", "-q"])


def test_a_label_map_with_its_json_and_overlay(photos, tmp_path, weights):
    target = tmp_path / "a.png"
    assert segment(photos / "a.png", "-o", target, *SEEN, model=weights) == 0
    found = read_label_map(target)
    assert found.task == "panoptic" and len(found.segments) > 1 and found.size == (90, 130)
    assert found.categories == CONFIG.names
    shown = read_photo(tmp_path / "a.overlay.jpg").pixels
    assert shown.shape == (90, 130, 3)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "a.json",
        "a.overlay.jpg",
        "a.png",
    ]


@pytest.mark.parametrize("task", ["panoptic", "instance"])
def test_coco_is_one_file_for_all(photos, tmp_path, weights, task):
    out = tmp_path / "out"
    arguments = (photos, "-o", out, "--format", "coco", "--task", task, *SEEN)
    assert segment(*arguments, model=weights) == 0
    read = read_panoptic if task == "panoptic" else read_coco
    found = read(out / "annotations.json")
    assert [item.name for item in found] == ["a.png", "b.jpg"]
    assert all(item.segmentation.segments for item in found)


def test_coco_as_polygons_into_a_named_file(photos, tmp_path, weights):
    file = tmp_path / "all.json"
    assert segment(photos, "-o", file, "--format", "coco", "--polygons", *SEEN, model=weights) == 0
    rows = json.loads(file.read_text())["annotations"]
    assert rows and all(isinstance(row["segmentation"], list) for row in rows)


def test_labelme_and_yolo(photos, tmp_path, weights):
    one, other = tmp_path / "labelme", tmp_path / "yolo"
    assert segment(photos, "-o", one, "--format", "labelme", *SEEN, model=weights) == 0
    item = read_labelme(one / "a.json")
    assert item.segmentation.size == (90, 130) and item.segmentation.segments
    arguments = (photos, "-o", other, "--format", "yolo", "--task", "instance", "--score", "0.1")
    assert segment(*arguments, model=weights) == 0
    assert (other / "labels" / "b.txt").read_text() and (other / "data.yaml").is_file()


def test_a_class_for_every_pixel(photos, tmp_path, weights):
    target = tmp_path / "s.png"
    assert segment(photos / "b.jpg", "-o", target, "--task", "semantic", model=weights) == 0
    assert read_label_map(target).label_map().max() < 4


def test_a_palette_of_classes(photos, tmp_path, weights, capsys):
    target = tmp_path / "s.png"
    arguments = (photos / "b.jpg", "-o", target, "--format", "palette")
    assert segment(*arguments, *SEEN, model=weights) == 0
    labels = read_class_map(target, classes=ClassList(CONFIG.names), size=(90, 130))
    assert set(np.unique(labels)) <= {0, 1, 2, 3, 255}
    assert segment(*arguments, "--task", "instance", "--overwrite", model=weights) == 1
    assert "got instances, which may overlap" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["2024-01-01 12:30:00.jpg", "a\\b.jpg", "caf\udce9.jpg"])
def test_any_name_of_a_file_can_be_segmented(photos, tmp_path, weights, name):
    photo = photos / name
    (photos / "b.jpg").rename(photo)
    assert segment(photo, "-o", tmp_path / "s.png", model=weights) == 0
    assert read_label_map(tmp_path / "s.png").size == (90, 130)
    if "\\" not in name:  # COCO's names are those of every system
        assert segment(photo, "-o", tmp_path / "c.json", "--format", "coco", model=weights) == 0
        assert read_panoptic(tmp_path / "c.json")[0].name == name


def test_what_exists_is_kept(photos, tmp_path, weights, capsys):
    for kept in ("a.png", "a.json", "a.overlay.jpg"):
        (tmp_path / kept).write_bytes(b"mine")
        assert segment(photos / "a.png", "-o", tmp_path / "a.png", model=weights) == 2
        assert kept in capsys.readouterr().err
        assert (tmp_path / kept).read_bytes() == b"mine"
        assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [kept]
        (tmp_path / kept).unlink()


def test_a_bad_photo_is_left_out_of_the_file_for_all(photos, tmp_path, weights, capsys):
    (photos / "broken.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    assert segment(photos, "-o", out, "--format", "coco", *SEEN, model=weights) == 2
    assert "broken.png" in capsys.readouterr().err
    assert len(read_panoptic(out / "annotations.json")) == 2


def test_photos_that_would_share_labels_are_refused_before_any_work(photos, tmp_path, capsys):
    (photos / "a.jpg").write_bytes(b"no picture")
    assert segment(photos, "-o", tmp_path / "y", "--format", "yolo", model="mask2former-mini") == 1
    err = capsys.readouterr().err
    assert "must differ in more than their suffix for YOLO, got a twice" in err
    assert err.count("\n") == 1 and not (tmp_path / "y").exists()


@pytest.mark.parametrize("format", ["coco", "yolo"])
def test_the_report_says_whether_the_common_files_were_written(
    photos, tmp_path, weights, capsys, format
):
    (tmp_path / "file").write_bytes(b"no folder")
    target = {"coco": "file/found.json", "yolo": "file/found"}[format]
    arguments = (photos, "--format", format, "--json", *SEEN)
    assert segment(*arguments, "-o", tmp_path / target, model=weights) == 2
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["done"], report["failed"]) == (0, 2)
    assert all("file" in row["error"] for row in report["items"]) and "file" in err
    assert segment(*arguments, "-o", tmp_path / "found", model=weights) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 2


def test_labels_of_yolo_are_kept_in_a_folder_that_exists(photos, tmp_path, weights, capsys):
    out = tmp_path / "found"
    (out / "labels").mkdir(parents=True)
    (out / "labels/a.txt").write_text("mine")
    arguments = (photos, "-o", out, "--format", "yolo", "--task", "instance", *SEEN)
    assert segment(*arguments, model=weights) == 2
    err = capsys.readouterr().err
    assert "a.txt: exists already" in err and err.count("\n") == 1
    assert (out / "labels/a.txt").read_text() == "mine" and (out / "labels/b.txt").is_file()
    assert segment(*arguments, "--overwrite", model=weights) == 0
    assert (out / "labels/a.txt").read_text() != "mine"


def test_its_help_does_not_offer_standard_output(capsys):
    assert run(["segment", "--help"]) == 0
    assert "- is standard output" not in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--task", "depth"], "--task must be panoptic, instance, semantic"),
        (["--format", "xml"], "--format must be png, coco, labelme, yolo, palette"),
        (["--score", "3"], "threshold must lie in"),
        (["--model", "nothing"], "nothing"),
        (["-o", "-"], "name a file or folder"),
        (["--polygons"], "--polygons is for --format coco, got png; leave it out"),
        (["-o", "out.tif"], "must end with .png"),
    ],
)
def test_wrong_use_is_one_line(photos, tmp_path, capsys, arguments, said):
    base = ["segment", str(photos / "a.png")]
    if "-o" not in arguments:
        base += ["-o", str(tmp_path / "o.png")]
    assert run([*base, *arguments]) == 1
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
