import json

import numpy as np
import pytest
from PIL import Image

from maskwright.cli.main import run
from maskwright.data.matting import LAYOUTS


@pytest.fixture
def folders(tmp_path):
    """Two images: an alpha of 0 and 1, a trimap with a band, and predictions off by 51/255."""
    for name in ("a", "b"):
        alpha = np.zeros((37, 53), np.uint8)
        alpha[:, 29:] = 255
        trimap = alpha.copy()
        trimap[:, 23:37] = 128
        prediction = np.where(trimap == 128, np.abs(alpha.astype(int) - 51), alpha)
        for kind, pixels in (("alpha", alpha), ("trimap", trimap), ("predicted", prediction)):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / kind / f"{name}.png")
    return tmp_path


def evaluate(folders, *more):
    kinds = {"--alpha": "alpha", "--trimap": "trimap", "--predictions": "predicted"}
    flags = [word for flag, kind in kinds.items() for word in (flag, str(folders / kind))]
    return run(["evaluate", "matting", *flags, *more])


def test_scores_are_printed_and_written(folders, capsys):
    assert evaluate(folders, "--json", str(folders / "scores.json")) == 0
    told = dict(line.split() for line in capsys.readouterr().out.splitlines())
    written = json.loads((folders / "scores.json").read_text())
    assert told["images"] == "2" and written["images"] == 2
    assert float(told["mad"]) == pytest.approx(0.2) == written["mad"]
    assert written["mse"] == pytest.approx(0.04)
    assert written["sad"] == pytest.approx(37 * 14 * 0.2 / 1000)
    assert {"grad", "conn"} <= written.keys()


def test_a_dash_prints_all_scores(folders, capsys):
    assert evaluate(folders, "--json", "-", "--whole-image") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["region"] == "whole"
    assert [row["name"] for row in told["per_image"]] == ["a", "b"]


def test_an_image_that_cannot_be_scored_is_named_and_the_rest_goes_on(folders, capsys):
    (folders / "predicted" / "a.png").write_bytes(b"")
    assert evaluate(folders) == 2
    out, err = capsys.readouterr()
    assert "images 1" in out
    assert err.startswith("a: ") and "empty file" in err and err.count("\n") == 1


def test_earlier_scores_are_kept(folders, capsys):
    (folders / "scores.json").write_text("{}")
    assert evaluate(folders, "--json", str(folders / "scores.json")) == 2
    assert "scores.json: exists already" in capsys.readouterr().err


@pytest.mark.parametrize("more", [["--model", "a2u-mini"], ["--images", "."]])
def test_a_model_and_predictions_exclude_each_other(folders, capsys, more):
    assert evaluate(folders, *more) == 1
    assert "give --model and --images to score a model, or --pred" in capsys.readouterr().err


def test_a_missing_folder_is_named(folders, capsys):
    assert evaluate(folders, "--trimap", "nowhere") == 1
    assert "--trimap must be a folder, there is none at nowhere" in capsys.readouterr().err


def test_true_alphas_are_needed(folders, capsys):
    assert run(["evaluate", "matting", "--predictions", str(folders / "predicted")]) == 1
    assert "give --alpha, the folder of true alphas, or --root" in capsys.readouterr().err


def published(root, layout):
    """Write two test images as a data set names its folders; photos are grey."""
    folders = LAYOUTS[layout]
    part = root.joinpath(*folders.test[:1])
    alpha = np.zeros((37, 53), np.uint8)
    alpha[:, 29:] = 255
    trimap = alpha.copy()
    trimap[:, 23:37] = 128
    for name in ("cat_0", "dog_1"):
        owner = name.split("_")[0] if folders.shares_alpha else name
        wanted = {folders.images: (name, alpha // 2 + 60), folders.alphas: (owner, alpha)}
        if not folders.lacks_trimaps:
            wanted[folders.trimaps] = (name, trimap)
        for kinds, (stem, pixels) in wanted.items():
            (part / kinds[0]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(part / kinds[0] / f"{stem}.png")
    return ["evaluate", "matting", "--root", str(root), "--layout", layout, "--device", "cpu"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_is_scored_on_a_published_set(layout, tmp_path, weights, capsys):
    asked = [*published(tmp_path / "set", layout), "--model", str(weights), "--json", "-"]
    assert run(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in told["per_image"]] == ["cat_0", "dog_1"]
    # Nobody can be wrong by more than the unknown pixels; the standard band has one to each side.
    unknown = 37 * (2 if LAYOUTS[layout].lacks_trimaps else 14)
    assert told["failed"] == 0 and 0 < told["sad"] < unknown / 1000


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (["--layout", "am2k"], "a layout must be one of composition-1k, distinctions-646, aim-"),
        (["--root", "nowhere"], "--root must be a folder, there is none at nowhere"),
        (["--alpha", "."], "--root goes with --model; where photos, trimaps and alphas are"),
        (["--root", ""], "expected a value after --root, got an empty text"),
    ],
)
def test_a_published_set_that_cannot_be_asked_for_is_one_line(
    asked, line, tmp_path, weights, capsys
):
    assert run([*published(tmp_path, "aim-500"), "--model", str(weights), *asked]) == 1
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1


def test_a_published_set_needs_a_model(tmp_path, capsys):
    assert run(published(tmp_path, "plain")) == 1
    assert "--root goes with --model" in capsys.readouterr().err


def test_the_first_missing_folder_or_file_of_a_published_set_is_named(tmp_path, weights, capsys):
    asked = [*published(tmp_path, "composition-1k"), "--model", str(weights)]
    (tmp_path / "trimaps" / "dog_1.png").unlink()
    assert run(asked) == 2
    assert "trimaps, not so for 1: dog_1.png; add" in capsys.readouterr().err
    (tmp_path / "merged").rename(tmp_path / "images")
    assert run(asked) == 2
    assert "must hold a folder merged, got none" in capsys.readouterr().err


def test_a_run_goes_on_where_an_earlier_one_stopped(tmp_path, weights, capsys):
    report, kept = tmp_path / "scores.json", tmp_path / "scores.rows.jsonl"
    asked = [*published(tmp_path / "set", "plain"), "--model", str(weights), "--json", str(report)]
    trimap = tmp_path / "set" / "trimap" / "dog_1.png"
    whole = trimap.read_bytes()
    Image.fromarray(np.full((37, 53), 77, np.uint8)).save(trimap)  # no value of a trimap
    assert run(asked) == 2
    first = json.loads(report.read_text())["per_image"][0]
    assert kept.read_text().count("\n") == 2  # settings, and the image that could be scored
    kept.write_text(kept.read_text().replace(f'"sad": {first["sad"]}', '"sad": 7.5'))
    trimap.write_bytes(whole)
    assert run([*asked, "--overwrite"]) == 0
    told = json.loads(report.read_text())
    assert [row["sad"] for row in told["per_image"]] == [7.5, pytest.approx(first["sad"])]
    assert not kept.exists()
