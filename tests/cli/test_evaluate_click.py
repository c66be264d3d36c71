import json

import numpy as np
import pytest
from PIL import Image

from maskwright.cli.main import run
from maskwright.data.interactive import LAYOUTS

SIZE = (61, 83)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with photos and masks of cat (two objects) and dog."""
    monkeypatch.chdir(tmp_path)
    return write_set(tmp_path, "images", "masks")


def write_set(root, images, masks):
    rng = np.random.default_rng(0)
    for kind in (images, masks):
        (root / kind).mkdir(parents=True)
    for name in ("cat", "dog"):
        photo = rng.integers(0, 256, (*SIZE, 3), np.uint8)
        Image.fromarray(photo).save(root / images / f"{name}.png")
    for number, name in enumerate(("cat#001", "cat#002", "dog")):
        mask = np.zeros(SIZE, np.uint8)
        mask[20 : 40 + number, 10 + 20 * number : 40 + 20 * number] = 1
        Image.fromarray(mask).save(root / masks / f"{name}.png")
    return root


@pytest.fixture
def evaluate(folder, click_weights):
    def evaluate(*more, of=("--images", "images", "--masks", "masks")):
        asked = ["--model", str(click_weights), *of, "--device", "cpu", "--limit", "3"]
        return run(["evaluate", "click", *map(str, asked), *map(str, more)])

    return evaluate


def test_scores_are_printed_written_and_drawn(evaluate, folder, capsys, click_weights):
    assert evaluate("--json", "scores.json", "--plot", "curve.png") == 0
    told, report = capsys.readouterr().out, json.loads((folder / "scores.json").read_text())
    assert told.startswith("3 objects in 2 images\n") and f"{report['noc90']:.2f}" in told
    keys = {f"{kind}{target}" for kind in ("noc", "nof") for target in (85, 90, 95)}
    assert report.keys() >= keys | {"spc", "spc_without_encoding", "images", "objects"}
    assert (report["images"], report["objects"], report["failed"]) == (2, 3, 0)
    assert [row["name"] for row in report["per_object"]] == ["cat#001", "cat#002", "dog"]
    assert [len(row["ious"]) for row in report["per_object"]] == [3, 3, 3]
    assert len(report["iou_per_click"]) == report["limit"] == 3
    assert report["protocol"] == "interformer" and report["model"] == click_weights.name
    with Image.open("curve.png") as picture:
        assert picture.format == "PNG" and picture.width > 300
    assert not (folder / "scores.rows.jsonl").exists()


def test_a_dash_prints_everything_as_json(evaluate, capsys):
    assert evaluate("--json", "-", "--protocol", "ritm") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["protocol"], report["threshold"], report["objects"]) == ("ritm", 0.49, 3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_published_set_is_read_in_its_layout(evaluate, folder, layout, capsys):
    root = write_set(folder / layout, LAYOUTS[layout].images[0], LAYOUTS[layout].masks[0])
    assert evaluate("--json", "-", of=("--root", root, "--layout", layout)) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["layout"], report["objects"], report["images"]) == (layout, 3, 2)


def test_bad_objects_are_named_and_the_rest_goes_on(evaluate, folder, capsys):
    (folder / "images/cat.png").write_bytes(b"no photo")
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(folder / "masks/cat#002.png")
    assert evaluate("--json", "scores.json") == 2
    out, err = capsys.readouterr()
    assert out.startswith("1 objects in 1 images") and err.count("\n") == 2
    assert "cat#001: images/cat.png: expected PNG, JPEG" in err
    assert "cat#002.png: a mask must have an object, got 0 everywhere" in err
    report = json.loads((folder / "scores.json").read_text())
    assert (report["objects"], report["failed"]) == (1, 2)
    assert report["per_object"][1]["error"] in err


def test_when_no_object_can_be_scored_there_is_no_curve(evaluate, folder, capsys):
    for name in ("cat", "dog"):
        (folder / f"images/{name}.png").write_bytes(b"no photo")
    assert evaluate("--plot", "curve.png") == 2
    assert capsys.readouterr().out == "0 objects in 0 images\n"
    assert not (folder / "curve.png").exists()


def test_a_run_goes_on_where_an_earlier_one_stopped(evaluate, folder, capsys):
    report, kept = folder / "scores.json", folder / "scores.rows.jsonl"
    whole = (folder / "images/dog.png").read_bytes()
    (folder / "images/dog.png").write_bytes(b"no photo")
    assert evaluate("--json", "scores.json") == 2
    assert kept.read_text().count("\n") == 3  # settings, and two objects that were scored
    lines = kept.read_text().splitlines(keepends=True)
    record = json.loads(lines[1])
    record["scores"]["ious"] = [0.875]
    kept.write_text("".join([lines[0], json.dumps(record) + "\n", lines[2]]))
    (folder / "images/dog.png").write_bytes(whole)
    assert evaluate("--json", "scores.json", "--overwrite") == 0
    rows = json.loads(report.read_text())["per_object"]
    assert rows[0]["ious"] == [0.875] and len(rows[2]["ious"]) == 3
    assert not kept.exists()


@pytest.mark.parametrize("other", [["--protocol", "ritm"], ["--limit", "2"], ["--native"]])
def test_other_settings_begin_anew(evaluate, folder, other, capsys):
    (folder / "images/dog.png").write_bytes(b"no photo")
    assert evaluate("--json", "scores.json") == 2
    assert evaluate("--json", "scores.json", "--overwrite") == 2
    assert "beginning anew" not in capsys.readouterr().err
    assert evaluate("--json", "scores.json", "--overwrite", *other) == 2
    assert "scores of other weights or settings; beginning anew" in capsys.readouterr().err


def test_native_photos_are_not_shrunk(evaluate, folder, capsys):
    for name in ("images/dog.png", "masks/dog.png"):
        with Image.open(folder / name) as picture:
            picture.resize((900, 600), Image.Resampling.NEAREST).save(folder / name)
    curves = []
    for more in ([], ["--native"]):
        assert evaluate("--json", "-", *more) == 0
        curves.append([r["ious"] for r in json.loads(capsys.readouterr().out)["per_object"]])
    assert curves[0][:2] == curves[1][:2] and curves[0][2] != curves[1][2]


@pytest.mark.parametrize(
    ("of", "more", "line"),
    [
        ([], [], "give --root of a published set, or --images and --masks"),
        (["--images", "images"], [], "give --root of a published set, or --images and --masks"),
        (["--root", ".", "--masks", "masks"], [], "give --root of a published set, or --images"),
        (None, ["--layout", "sbd"], "--layout says how the folders of --root are named; give both"),
        (["--root", "nowhere"], [], "--root must be a folder, there is none at nowhere"),
        (["--root", ".", "--layout", "coco"], [], "a layout must be one of grabcut, berkeley"),
        (None, ["--protocol", "mine"], "--protocol must be one of interformer, ritm, got 'mine'"),
        (None, ["--plot", "curve.jpg"], "--plot must be a file .png, got curve.jpg"),
        (None, ["--model", "nowhere"], "expected a model's name or a .safetensors file, got"),
        (None, ["--limit", "0"], "invalid value for '--limit'"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(evaluate, of, more, line, capsys):
    assert (evaluate(*more) if of is None else evaluate(*more, of=of)) == 1
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1


def test_earlier_scores_are_kept(evaluate, folder, capsys):
    (folder / "scores.json").write_text("{}")
    assert evaluate("--json", "scores.json") == 2
    assert "scores.json: exists already" in capsys.readouterr().err


def test_a_photo_without_a_mask_ends_the_run_before_it_begins(evaluate, folder, capsys):
    (folder / "masks/dog.png").unlink()
    assert evaluate() == 2
    assert "a photo must have a mask of its name in masks, not so for 1: dog" in (
        capsys.readouterr().err
    )
