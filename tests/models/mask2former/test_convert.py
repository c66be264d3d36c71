import pickle
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maskwright.errors import WeightsError
from maskwright.models import mask2former
from maskwright.models.mask2former.config import R50, R101, SWIN_B, SWIN_T
from maskwright.models.mask2former.starts import start_from_imagenet
from maskwright.weights.convert import convert_checkpoint, identify
from maskwright.weights.load import load_model, save_model

sys.path.append(str(Path(__file__).parent))
from query_networks import MOBILE, PARITY, SWIN, network, official_state, photo

sys.path.append(str(PARITY))
from fixture_weights import state_dict_for

MINI_FIXTURE = replace(
    SWIN_T,
    **{"depths": (2, 2, 2, 2), "embed": 32, "swin_heads": (1, 2, 4, 8), "classes": 7},
    **{"queries": 20, "width": 64, "heads": 4, "pixel_layers": 2, "hidden": 128},
)


@pytest.fixture(scope="module")
def mini():
    return state_dict_for(PARITY / "keys" / "mask2former_mini.txt")


def wanted(config):
    with torch.device("meta"):
        return {key: value.shape for key, value in mask2former.build(config).state_dict().items()}


def same(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize(
    ("keys", "config"),
    [("mask2former_r50", R50), ("mask2former_swin_t", SWIN_T), ("mask2former_mini", MINI_FIXTURE)],
)
def test_the_configuration_is_read_off_the_keys(keys, config):
    official = official_state(keys)
    assert mask2former.infer_config(official) == config
    converted = mask2former.convert(official)
    assert {key: value.shape for key, value in converted.items()} == wanted(config)


def test_more_blocks_other_windows_and_learning_norms_are_seen():
    official = official_state("mask2former_r50")
    for name in list(official):
        block = re.match(r"backbone\.res4\.5\.(.*)", name)
        for index in range(6, 23) if block else ():
            official[f"backbone.res4.{index}.{block[1]}"] = official[name]
    assert mask2former.infer_config(official) == R101
    for name in list(official):
        if name.endswith("norm.running_var"):
            counter = name.replace("running_var", "num_batches_tracked")
            official[counter] = torch.zeros((), dtype=torch.int64, device="meta")
    assert mask2former.infer_config(official) == replace(R101, frozen=False)
    swin = official_state("mask2former_swin_t")
    tables = [name for name in swin if name.endswith("bias_table")]
    swin |= {name: torch.empty(23**2, swin[name].shape[1], device="meta") for name in tables}
    assert mask2former.infer_config(swin) == replace(SWIN_T, window=SWIN_B.window)


def test_both_older_layouts_are_the_same_network(mini):
    expected = mask2former.convert(mini)
    named = {name.replace("query_feat", "static_query"): value for name, value in mini.items()}
    assert named.keys() != mini.keys()
    same(mask2former.convert(named), expected)
    flat = {name.replace(".pixel_decoder.", "."): value for name, value in named.items()}
    assert flat.keys() != named.keys()
    same(mask2former.convert(flat), expected)
    assert mask2former.infer_config(flat) == MINI_FIXTURE


def test_what_is_computed_or_of_the_loss_is_left_out(mini):
    state = {f"module.{key}": value for key, value in mini.items()}
    index = "module.backbone.layers.0.blocks.1.attn.relative_position_index"
    state |= {index: torch.zeros(49, 49), "module.criterion.empty_weight": torch.ones(8)}
    same(mask2former.convert({"model": state, "iteration": 3}), mask2former.convert(mini))


def hub_names(mini):
    """Return the state of a checkpoint under the recorded names of the hub."""
    lines = (PARITY / "keys/maps/mask2former_official_to_hf.txt").read_text().splitlines()
    state = {}
    for line in lines:
        ours, theirs = line.split("\t")
        if ours == "criterion.empty_weight":
            continue
        names = theirs.split(" | ")
        state |= zip(names, mini[ours].chunk(len(names)), strict=True)
    return state


def test_the_names_of_the_hub_are_the_same_network(mini):
    state = hub_names(mini)
    extra = {
        "model.pixel_level_module.encoder.layernorm.weight": torch.ones(256),
        "criterion.empty_weight": torch.ones(8),
    }
    same(mask2former.convert(state | extra), mask2former.convert(mini))
    assert mask2former.infer_config(state | extra) == MINI_FIXTURE


def test_a_missing_third_of_a_matrix_is_named(mini):
    state = hub_names(mini)
    name = "model.transformer_module.decoder.layers.3.self_attn.k_proj.bias"
    assert state.pop(name) is not None
    with pytest.raises(WeightsError, match=r"lacks decoder\.layers\.3\.own\.qkv@k\.bias; is it"):
        mask2former.convert(state)


def test_a_pickle_of_detectron2_goes_through_the_converter(tmp_path, mini):
    arrays = {"model": {key: value.numpy() for key, value in mini.items()}, "__author__": "a test"}
    (tmp_path / "model_final.pkl").write_bytes(pickle.dumps(arrays))
    target = tmp_path / "mini.safetensors"
    assert convert_checkpoint(tmp_path / "model_final.pkl", target) == ("mask2former", MINI_FIXTURE)
    model, paper, config = load_model(target)
    assert (paper, config) == ("mask2former", MINI_FIXTURE)
    same(dict(model.state_dict()), mask2former.convert(mini))


@pytest.mark.parametrize("config", [SWIN, MOBILE], ids=["swin", "mobilenetv2"])
def test_a_small_network_goes_through_a_file_and_answers_the_same(tmp_path, config):
    model, path = network(config), tmp_path / "small.safetensors"
    save_model(path, model.state_dict(), paper="mask2former", config=config, source="a test")
    loaded, _, found = load_model(path)
    assert found == config
    with torch.no_grad():
        answers = [each(photo(64, 64)).mask_logits for each in (model, loaded)]
    assert torch.equal(*answers)


def test_foreign_and_incomplete_checkpoints_are_named():
    official = official_state("mask2former_swin_t")
    with pytest.raises(WeightsError, match=r"expected a Mask2Former checkpoint, sem_seg_head.* is"):
        mask2former.infer_config({"layer0.0.weight": torch.ones(1)})
    with pytest.raises(WeightsError, match=r"lacks decoder\.embed\.4\.bias; is it cut off"):
        mask2former.infer_config(dict(list(official.items())[:-1]))
    with pytest.raises(WeightsError, match="does not use: sem_seg_head.surplus"):
        mask2former.convert({**official, "sem_seg_head.surplus": torch.ones(1)})
    weights = "sem_seg_head.pixel_decoder.transformer.encoder.layers.0.self_attn.attention_weights"
    with pytest.raises(WeightsError, match=r"attention\.weights\.weight is missing or of another"):
        mask2former.infer_config({**official, f"{weights}.weight": torch.empty(5, 256)})
    for other in ("mematte_s", "a2u_shared", "interformer_light"):
        with pytest.raises(WeightsError, match="expected a Mask2Former checkpoint"):
            mask2former.infer_config(official_state(other))


@pytest.mark.parametrize("keys", ["mask2former_r50", "mask2former_swin_t"])
@pytest.mark.parametrize("count", [1, 2, 7, 60, 200, 260, 400, 450])
def test_a_truncated_checkpoint_is_refused_wherever_it_ends(keys, count):
    with pytest.raises(WeightsError, match="missing or of another kind|lacks"):
        mask2former.infer_config(dict(list(official_state(keys).items())[:count]))


def test_every_paper_s_keys_are_told_apart():
    for keys in ("mask2former_r50", "mask2former_swin_t", "mask2former_mini"):
        assert identify(official_state(keys), name="x.pkl")[0] == "mask2former"
    assert identify(official_state("interformer_light"), name="x.pth")[0] == "interformer"


def classifier():
    """Return the shapes of a ResNet-50 in torchvision's names."""
    state = {"fc.weight": (1000, 2048), "fc.bias": (1000,)}
    for name, value in official_state("mask2former_r50").items():
        if name.startswith("backbone."):
            new = name.removeprefix("backbone.").replace("shortcut.norm", "downsample.1")
            new = new.replace("shortcut", "downsample.0").replace("stem.conv1", "conv1")
            new = re.sub(r"conv(\d)\.norm", r"bn\1", new)
            state[re.sub(r"^res(\d)", lambda m: f"layer{int(m[1]) - 1}", new)] = value.shape
    state["bn1.num_batches_tracked"] = ()
    return {name: torch.rand(shape) for name, shape in state.items()}


@pytest.mark.parametrize("frozen", [True, False])
def test_a_resnet_of_torchvision_starts_a_backbone(frozen):
    official = classifier()
    model = mask2former.build(replace(R50, frozen=frozen))
    missing, unused = model.load_state_dict(mask2former.convert(official), strict=False)
    assert not unused
    left = {name for name in missing if name.startswith("backbone.")}
    assert all(name.endswith("num_batches_tracked") for name in left)
    block = model.backbone.stages[2][0]
    assert torch.equal(block.filter.conv.weight, official["layer3.0.conv2.weight"])
    assert torch.equal(
        block.shortcut.norm.running_var, official["layer3.0.downsample.1.running_var"]
    )
    assert torch.equal(model.backbone.stem.norm.bias, official["bn1.bias"])


def test_a_swin_classifier_starts_a_backbone(mini):
    official = {
        name.removeprefix("backbone."): value
        for name, value in mini.items()
        if re.match(r"backbone\.(patch_embed|layers)", name)
    }
    extra = {"norm.weight": 256, "norm.bias": 256, "head.weight": (9, 256), "head.bias": 9}
    official |= {name: torch.rand(shape) for name, shape in extra.items()}
    official["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    model = mask2former.build(MINI_FIXTURE)
    missing, unused = model.load_state_dict(mask2former.convert({"model": official}), strict=False)
    assert not unused
    fresh = {f"backbone.stages.{i}.norm.{leaf}" for i in range(4) for leaf in ("weight", "bias")}
    assert {name for name in missing if name.startswith("backbone.")} == fresh
    assert torch.equal(
        model.backbone.stages[1].blocks[1].attention.qkv.weight,
        official["layers.1.blocks.1.attn.qkv.weight"],
    )


def test_classifiers_are_no_whole_network():
    for official in (classifier(), {"patch_embed.proj.weight": torch.rand(8, 3, 4, 4)}):
        with pytest.raises(WeightsError, match="expected a Mask2Former checkpoint"):
            mask2former.infer_config(official)


def test_imagenet_weights_start_the_small_backbone():
    official = {"features.0.0.weight": torch.rand(32, 3, 3, 3), "classifier.1.bias": torch.rand(3)}
    official["features.2.conv.0.0.weight"] = torch.rand(96, 16, 1, 1)
    model = mask2former.build(MOBILE)
    missing, unused = model.load_state_dict(start_from_imagenet(official), strict=False)
    assert not unused and missing
    stem = model.backbone.backbone.stem.conv.weight
    assert torch.equal(stem, official["features.0.0.weight"])
