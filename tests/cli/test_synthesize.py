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


def build(folder, *more):
    few = ["--count", "3", "--megapixels", "0.004", "--backgrounds-per-foreground", "2", "2"]
    return run(["synthesize", "uhr", "-o", str(folder), *few, *more])


def test_a_data_set_of_the_shape_of_uhr_395_is_built_checked_and_gone_on_with(tmp_path, capsys):
    assert build(tmp_path) == 0
    assert capsys.readouterr().out.endswith(": 4 made, 0 were there already\n")
    assert build(tmp_path, "--verify") == 0
    assert capsys.readouterr().out.endswith(": 14 files as they were written, 0 not\n")
    (lost,) = (tmp_path / "test" / "alpha").glob("*_01.png")
    lost.unlink()
    assert build(tmp_path, "--verify") == 2
    told = capsys.readouterr()
    assert told.err == f"{lost}: missing; remove it and make it again\n"
    assert build(tmp_path) == 0
    assert capsys.readouterr().out.endswith(": 1 made, 3 were there already\n")


@pytest.mark.parametrize(
    "arguments,code,line",
    [
        (["--count", "1"], 1, "a data set must have two foregrounds or more, got a count of 1"),
        (["--format", "gif"], 1, "a format must be jpg or png, got 'gif'"),
        (["--test-share", "0"], 1, "the share to test on must be more than 0 and less than 1"),
        (["--foregrounds", "x"], 1, "foregrounds and alphas must be given together"),
        (["--megapixels", "900"], 1, "pictures are drawn with"),
        (["--verify"], 2, "set must be a data set with a manifest.json, got none"),
    ],
)
def test_wrong_use_of_uhr_is_one_line(tmp_path, capsys, arguments, code, line):
    assert build(tmp_path / "set", *arguments) == code
    told = capsys.readouterr().err
    assert told.startswith("maskwright: ") and line in told and told.count("\n") == 1
