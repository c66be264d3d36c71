import importlib.util
import json
from pathlib import Path

import pytest
import torch

from maskwright.cli.main import run
from maskwright.weights.load import load_model

PARITY = Path(__file__).parents[1] / "parity"
SPEC = importlib.util.spec_from_file_location("fixture_weights", PARITY / "fixture_weights.py")
FIXTURES = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(FIXTURES)


SEGMENTER = FIXTURES.load_case("mask2former_mini_96x128", PARITY)[0]  # of 7 classes


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


def converted(tmp_path, *more, state=SEGMENTER):
    """Return the exit code, and the configuration that was written, if one was."""
    target = tmp_path / "m.safetensors"
    code = run(["convert", save(state, tmp_path / "x.pth"), "-o", str(target), *more])
    return code, load_model(target)[2] if target.exists() else None


def test_task_and_classes_of_a_segmenting_network_are_written(tmp_path, capsys):
    rows = [{"name": name, "isthing": name > "c"} for name in "abcdefg"]
    (tmp_path / "c.json").write_text(json.dumps(rows))
    told = ["--task", "semantic", "--classes", str(tmp_path / "c.json")]
    code, config = converted(tmp_path, *told)
    assert code == 0 and (config.task, config.names) == ("semantic", tuple("abcdefg"))
    assert config.things == (False,) * 3 + (True,) * 4
    assert capsys.readouterr().out.splitlines()[1:] == [
        "assumed: it sees photos with a shorter side of 800 pixels, the longer one at most 1333"
    ]


def test_what_nobody_says_of_a_segmenting_network_is_assumed_and_told(tmp_path, capsys):
    code, config = converted(tmp_path)
    assert code == 0 and (config.task, config.names) == ("panoptic", ())
    lines = capsys.readouterr().out.splitlines()
    assert "assumed: its 7 classes are without names (--classes)" in lines
    assert "assumed: it was trained for the panoptic task (--task)" in lines


@pytest.mark.parametrize(
    ("count", "task", "said", "sizes"),
    [
        (80, "instance", "coco-instance", (800, 1333)),
        (133, "panoptic", "coco-panoptic", (800, 1333)),
        (150, "panoptic", "ade20k", (512, 2048)),
        (19, "panoptic", "cityscapes", (1024, 2048)),
    ],
)
def test_published_numbers_of_classes_are_known(tmp_path, capsys, count, task, said, sizes):
    state = dict(SEGMENTER)
    for kind in ("weight", "bias"):
        name = f"sem_seg_head.predictor.class_embed.{kind}"
        state[name] = torch.zeros(count + 1, *state[name].shape[1:])
    state.pop("criterion.empty_weight", None)
    code, config = converted(tmp_path, state=state)
    assert code == 0 and config.task == task
    assert (config.short_side_px, config.long_side_px) == sizes
    assert f"its {count} classes are those of {said}" in capsys.readouterr().out


def test_flags_that_do_not_fit_the_checkpoint_are_refused(case, tmp_path, capsys):
    assert converted(tmp_path, "--classes", "cityscapes") == (1, None)
    told = capsys.readouterr().err
    assert "--classes must list the 7 classes of the checkpoint, in its order, got 19" in told
    assert converted(tmp_path, "--task", "semantic", state=case[0]) == (1, None)
    told = capsys.readouterr().err
    assert "--task and --classes are for segmenting networks, x.pth holds a2u" in told
    assert converted(tmp_path, "--task", "depth") == (1, None)
    assert "--task must be panoptic, instance, semantic, got 'depth'" in capsys.readouterr().err
