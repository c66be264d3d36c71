import importlib.util
from pathlib import Path

import pytest
import torch

from maskwright.cli.main import run
from maskwright.weights.load import load_model

PARITY = Path(__file__).parents[1] / "parity"
SPEC = importlib.util.spec_from_file_location("fixture_weights", PARITY / "fixture_weights.py")
FIXTURES = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(FIXTURES)


@pytest.fixture(scope="module")
def case():
    return FIXTURES.load_case("a2u_shared_64x176", PARITY)


def save(state, path):
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    return str(path)


def test_an_official_checkpoint_becomes_a_file_that_answers_the_same(case, tmp_path, capsys):
    state, tensors, _ = case
    target = tmp_path / "a2u.safetensors"
    assert run(["convert", save(state, tmp_path / "x.pth"), "-o", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: weights for a2u\n"
    model, paper, _ = load_model(target)
    assert paper == "a2u"
    with torch.inference_mode():
        torch.testing.assert_close(model(tensors["input"]), tensors["alpha"], atol=1e-4, rtol=0)


def test_a_missing_parameter_is_named_and_nothing_is_written(case, tmp_path, capsys):
    state = dict(case[0])
    del state["layer0.0.weight"]
    target = tmp_path / "a2u.safetensors"
    assert run(["convert", save(state, tmp_path / "x.pth"), "-o", str(target)]) == 2
    told = capsys.readouterr().err
    assert "x.pth does not fit its network: it lacks encoder.stem.conv.weight;" in told
    assert told.count("\n") == 1 and not target.exists()


def test_an_unused_parameter_is_named(case, tmp_path, capsys):
    state = case[0] | {"teacher.weight": torch.zeros(3)}
    target = tmp_path / "a2u.safetensors"
    assert run(["convert", save(state, tmp_path / "x.pth"), "-o", str(target)]) == 2
    assert "teacher.weight" in capsys.readouterr().err
    assert not target.exists()


@pytest.mark.parametrize(
    "arguments,code,line",
    [
        (["x.pth", "-o", "x.safetensors"], 1, "expected a checkpoint, there is no file x.pth"),
        (["old.pth", "-o", "x.pt"], 1, "-o must end with .safetensors, got 'x.pt'"),
        (["old.pth", "-o", "x.safetensors", "--dtype", "int8"], 1, "--dtype must be fp32 or fp16"),
        (["old.pth", "-o", "old.safetensors"], 2, "old.safetensors: exists already"),
        (["old.pth", "-o", "x.safetensors"], 2, "old.pth is damaged or of another kind"),
    ],
)
def test_what_cannot_be_converted_is_one_line(tmp_path, monkeypatch, capsys, arguments, code, line):
    monkeypatch.chdir(tmp_path)
    for name in ("old.pth", "old.safetensors"):
        (tmp_path / name).write_bytes(b"PK\x03\x04")
    assert run(["convert", *arguments]) == code
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1
    assert (tmp_path / "old.safetensors").read_bytes() == b"PK\x03\x04"
    assert not (tmp_path / "x.safetensors").exists()
