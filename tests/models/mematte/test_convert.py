import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maskwright.errors import WeightsError
from maskwright.models import mematte
from maskwright.models.mematte.config import BASE, SMALL, Config

PARITY = Path(__file__).parents[2] / "parity"
ROUTING = ("routers", "efficient_block")


def official_state(keys):
    """Return an official checkpoint without values."""
    lines = (PARITY / "keys" / f"{keys}.txt").read_text().splitlines()
    named = (line.split(" ", 1) for line in lines)
    return {name: torch.empty(json.loads(shape), device="meta") for name, shape in named}


@pytest.fixture(scope="module")
def student():
    return official_state("mematte_s")


@pytest.fixture(scope="module")
def teacher(student):
    """Return an official ViTMatte checkpoint."""
    state = {key: value for key, value in student.items() if not any(r in key for r in ROUTING)}
    for block in (2, 5, 8, 11):
        for axis in "hw":
            name = f"backbone.blocks.{block}.attn.rel_pos_{axis}"
            state[name] = torch.empty(63, 64, device="meta")
    return state


@pytest.mark.parametrize(("keys", "config"), [("mematte_s", SMALL), ("mematte_b", BASE)])
def test_the_configuration_is_read_off_the_keys(keys, config):
    official = official_state(keys)
    assert mematte.infer_config(official) == config
    with torch.device("meta"):
        wanted = mematte.build(config).state_dict()
    converted = mematte.convert(official)
    assert {key: value.shape for key, value in converted.items()} == {
        key: value.shape for key, value in wanted.items()
    }


def test_a_vitmatte_checkpoint_is_not_routed(teacher):
    assert mematte.infer_config(teacher) == replace(SMALL, routed=False)
    with torch.device("meta"):
        wanted = mematte.build(Config(routed=False)).state_dict()
    assert mematte.convert(teacher).keys() == wanted.keys()


def test_training_checkpoints_hold_more_than_the_student(student, teacher):
    beside = {
        key.replace("backbone.", "teacher_backbone.", 1): value
        for key, value in teacher.items()
        if key.startswith("backbone.")
    }
    model = {f"module.{key}": value for key, value in (student | beside).items()}
    official = {"model": model, "optimizer": {"state": {}}, "iteration": 3}
    assert mematte.infer_config(official) == SMALL
    assert mematte.convert(official).keys() == mematte.convert(student).keys()


def test_foreign_and_incomplete_checkpoints_are_named(student):
    with pytest.raises(WeightsError, match=r"MEMatte or ViTMatte checkpoint, backbone\.pos_embed"):
        mematte.infer_config({"layer0.0.weight": torch.ones(1)})
    with pytest.raises(WeightsError, match=r"patch_embed.* missing|pos_embed is missing or of"):
        mematte.infer_config({"backbone.pos_embed": torch.ones(1)})
    with pytest.raises(WeightsError, match=r"decoder\.convstream.* is missing or of another kind"):
        mematte.infer_config({k: v for k, v in student.items() if k.startswith("backbone.")})
    with pytest.raises(WeightsError, match=r"lacks decoder\.head\.1\.weight, .*cut off"):
        mematte.infer_config(dict(list(student.items())[:-2]))
    with pytest.raises(WeightsError, match="does not use: backbone.blocks.3.surplus"):
        mematte.convert({**student, "backbone.blocks.3.surplus": torch.ones(1)})
    with pytest.raises(WeightsError, match="named tensors, got list"):
        mematte.infer_config([1, 2])


@pytest.mark.parametrize("count", [1, 2, 7, 60, 150, 300])
def test_a_truncated_checkpoint_is_refused_wherever_it_ends(student, count):
    with pytest.raises(WeightsError, match="missing or of another kind|lacks"):
        mematte.infer_config(dict(list(student.items())[:count]))
