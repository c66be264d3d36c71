import json

import numpy as np
import pytest
from PIL import Image

from maskwright.cli.main import run


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
