import json

import numpy as np
import pytest
from PIL import Image

from maskwright.cli.main import run


def synthesize(folder, *more):
    arguments = ["synthesize", "matting", "-o", str(folder), "--size", "67x97", *more]
    return run([*arguments, "--kinds", "smoke"])


def test_pictures_of_the_size_asked_for_and_a_manifest(tmp_path, capsys):
    assert synthesize(tmp_path / "set", "--count", "2") == 0
    assert capsys.readouterr().out.endswith("set: 2 made, 0 were there already\n")
    for kind in ("image", "alpha", "trimap", "fg"):
        files = sorted((tmp_path / "set" / kind).iterdir())
        assert len(files) == 2
        assert np.asarray(Image.open(files[0])).shape[:2] == (67, 97)
    assert json.loads((tmp_path / "set" / "manifest.json").read_text())["complete"]


def test_more_of_the_same_goes_on(tmp_path, capsys):
    synthesize(tmp_path / "set", "--count", "1")
    capsys.readouterr()
    assert synthesize(tmp_path / "set", "--count", "2") == 0
    assert capsys.readouterr().out.endswith("set: 1 made, 1 were there already\n")


@pytest.mark.parametrize(
    "arguments,code,line",
    [
        (["--count", "1", "--size", "97"], 1, "--size must be like 640x480 (height x width), got"),
        (["--count", "0"], 1, "invalid value for '--count'"),
        (["--count", "1", "--foregrounds", "x"], 1, "foregrounds and alphas must be given togeth"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, capsys, arguments, code, line):
    assert synthesize(tmp_path / "set", *arguments) == code
    told = capsys.readouterr().err
    assert told.startswith(f"maskwright: {line}") and told.count("\n") == 1
