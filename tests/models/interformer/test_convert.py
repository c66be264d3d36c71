import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maskwright.errors import WeightsError
from maskwright.models import interformer
from maskwright.models.interformer.config import LIGHT, TINY
from maskwright.models.interformer.convert import convert_pretrained
from maskwright.weights.load import load_model, save_model

sys.path.append(str(Path(__file__).parent))
from small_networks import MOBILE, PARITY, network, official_checkpoint, photo, reference


def official_state(keys):
    """Return an official checkpoint without values."""
    lines = (PARITY / "keys" / f"{keys}.txt").read_text().splitlines()
    named = (line.split(" ", 1) for line in lines)
    return {name: torch.empty(json.loads(shape), device="meta") for name, shape in named}


@pytest.fixture(scope="module")
def light():
    return official_state("interformer_light")


@pytest.mark.parametrize(
    ("keys", "config"), [("interformer_light", LIGHT), ("interformer_tiny", TINY)]
)
def test_the_configuration_is_read_off_the_keys(keys, config):
    official = official_state(keys)
    assert interformer.infer_config(official) == config
    with torch.device("meta"):
        wanted = interformer.build(config).state_dict()
    converted = interformer.convert(official)
    assert {key: value.shape for key, value in converted.items()} == {
        key: value.shape for key, value in wanted.items()
    }


def test_checkpoints_of_training_hold_computed_indices_and_more(light):
    index = "backbone.layers.3.attn.relative_position_index"
    state = {f"module.{key}": value for key, value in light.items()}
    state[f"module.{index}"] = torch.zeros(1025, 1025, dtype=torch.int64)
    official = {"state_dict": state, "meta": {"epoch": 3}, "optimizer": {"state": {}}}
    assert interformer.infer_config(official) == LIGHT
    assert interformer.convert(official).keys() == interformer.convert(light).keys()


def test_foreign_and_incomplete_checkpoints_are_named(light):
    with pytest.raises(WeightsError, match=r"InterFormer checkpoint, backbone\.pos_embed is miss"):
        interformer.infer_config({"layer0.0.weight": torch.ones(1)})
    with pytest.raises(WeightsError, match=r"backbone\.pos_embed is missing or of another kind"):
        interformer.infer_config({**light, "backbone.pos_embed": torch.ones(1, 1026, 768)})
    with pytest.raises(WeightsError, match="lacks auxiliary.enter.norm.running_var, .*cut off"):
        interformer.infer_config(dict(list(light.items())[:-2]))
    with pytest.raises(WeightsError, match="does not use: neck.stages.3.surplus"):
        interformer.convert({**light, "neck.stages.3.surplus": torch.ones(1)})
    for other in ("mematte_s", "a2u_shared"):
        with pytest.raises(WeightsError, match="expected an InterFormer checkpoint"):
            interformer.infer_config(official_state(other))


@pytest.mark.parametrize("count", [1, 2, 7, 60, 150, 300, 450])
def test_a_truncated_checkpoint_is_refused_wherever_it_ends(light, count):
    with pytest.raises(WeightsError, match="missing or of another kind|lacks"):
        interformer.infer_config(dict(list(light.items())[:count]))


def test_a_small_network_goes_through_a_file_and_answers_the_same(tmp_path):
    official = official_checkpoint()
    config = interformer.infer_config(official)
    assert config == replace(TINY, channels=32, depth=2)
    model = interformer.build(config)
    model.load_state_dict(interformer.convert(official))
    path = tmp_path / "small.safetensors"
    save_model(path, model.state_dict(), paper="interformer", config=config, source="a test")
    loaded, paper, found = load_model(path)
    assert (paper, found) == ("interformer", config)
    with torch.no_grad():
        answers = [each.eval()(photo(), reference()) for each in (model, loaded)]
    assert torch.equal(*answers)


def test_the_small_encoder_goes_through_a_file_too(tmp_path):
    model, path = network(MOBILE), tmp_path / "mobile.safetensors"
    save_model(path, model.state_dict(), paper="interformer", config=MOBILE, source="a test")
    assert load_model(path)[2] == MOBILE


@pytest.fixture
def pretrained():
    """Return a masked autoencoder's checkpoint, its decoder included, with 3 x 3 positions."""
    sizes = {"norm1.weight": 8, "norm1.bias": 8, "norm2.weight": 8, "norm2.bias": 8}
    sizes |= {"attn.qkv.weight": (24, 8), "attn.qkv.bias": 24}
    sizes |= {"attn.proj.weight": (8, 8), "attn.proj.bias": 8}
    sizes |= {"mlp.fc1.weight": (32, 8), "mlp.fc1.bias": 32}
    sizes |= {"mlp.fc2.weight": (8, 32), "mlp.fc2.bias": 8}
    state = {f"blocks.{i}.{name}": torch.rand(size) for i in (0, 1) for name, size in sizes.items()}
    state |= {"cls_token": torch.rand(1, 1, 8), "pos_embed": torch.rand(1, 10, 8)}
    state |= {"patch_embed.proj.weight": torch.rand(8, 3, 16, 16)}
    state |= {"patch_embed.proj.bias": torch.rand(8), "norm.weight": torch.rand(8)}
    state |= {"decoder_embed.weight": torch.rand(4, 8), "mask_token": torch.rand(1, 1, 4)}
    return {"model": state}


def test_a_pretrained_encoder_lacks_only_what_starts_fresh(pretrained):
    config = replace(LIGHT, channels=8, heads=2, depth=2)
    model, started = interformer.build(config), interformer.convert(pretrained)
    missing, unused = model.load_state_dict(started, strict=False)
    assert not unused
    fresh = {"bias", "scale1", "scale2"}
    assert {name.split(".")[-1] for name in missing if name.startswith("encoder.")} == fresh
    official = pretrained["model"]
    block = model.encoder.blocks[1]
    assert torch.equal(block.mlp.narrow.weight, official["blocks.1.mlp.fc2.weight"])
    assert torch.equal(block.norm2.bias, official["blocks.1.norm2.bias"])
    assert not block.bias.any() and (block.scale1 == 1).all()
    position = model.encoder.position
    assert torch.equal(position[0], official["pos_embed"][0, 0])
    assert (position[1:].mean(0) - official["pos_embed"][0, 1:].mean(0)).abs().max() < 0.05


def test_other_networks_are_no_pretrained_encoder(pretrained):
    with pytest.raises(WeightsError, match="does not use: features.0.weight"):
        convert_pretrained({"features.0.weight": torch.ones(1)})
    del pretrained["model"]["pos_embed"]
    with pytest.raises(WeightsError, match=r"backbone\.pos_embed is missing"):
        convert_pretrained(pretrained)
