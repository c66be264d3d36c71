"""What goes wrong before a MEMatte network runs is one clear line; what is odd but right works."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from maskwright.errors import ImageError, TrimapError, WeightsError
from maskwright.inference.matte import Matter
from maskwright.inference.planning import LimitPlanner
from maskwright.models import a2u
from maskwright.models.a2u.config import MINI
from maskwright.structures.trimap import Trimap
from maskwright.weights.convert import convert_checkpoint
from maskwright.weights.load import load_model, save_model

sys.path.append(str(Path(__file__).parents[1] / "models" / "mematte"))
from tiny_networks import MOBILE, TEACHER, TINY, network, official_checkpoint

HEIGHT, WIDTH = 37, 53


def refuse_to_run(module, inputs):
    raise AssertionError("the network ran")


def matter(config):
    return Matter(network(config), LimitPlanner(config), device="cpu")


@pytest.fixture
def idle():
    """A matter whose network must not run."""
    idle = matter(TINY)
    idle.model.register_forward_pre_hook(refuse_to_run)
    return idle


def scene(dtype=np.uint8):
    photo = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    trimap = np.zeros((HEIGHT, WIDTH), np.uint8)
    trimap[11:23, 13:31], trimap[13:19, 17:29] = 128, 255
    return photo if dtype == np.uint8 else (photo / 255).astype(dtype), trimap


def test_the_network_that_must_not_run_would_be_noticed(idle):
    with pytest.raises(AssertionError, match="the network ran"):
        idle.matte(*scene())


@pytest.mark.parametrize(
    "lacking,line",
    [
        (128, r"needs grey \(128\) where matting is to decide, got none; there is nothing to"),
        (255, r"needs white \(255\) where the object surely is, got none; mark some of it"),
        (0, r"needs black \(0\) where the background surely is, got none; mark some of it"),
    ],
)
def test_a_trimap_that_lacks_a_value_is_refused(idle, lacking, line):
    photo, trimap = scene()
    other = {128: 255, 255: 128, 0: 128}[lacking]
    with pytest.raises(TrimapError, match=line):
        idle.matte(photo, np.where(trimap == lacking, np.uint8(other), trimap))


def test_a_trimap_structure_without_unknown_pixels_is_the_answer(idle):
    photo, trimap = scene()
    known = np.where(trimap == 128, np.uint8(0), trimap)
    np.testing.assert_array_equal(idle.matte(photo, Trimap(known)).alpha, known == 255)


@pytest.mark.parametrize("config", [TINY, MOBILE, TEACHER], ids=["tiny", "mobile", "teacher"])
@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (1, 1), (1, 2), (19, 1), (1, 37), (64, 32)])
def test_all_may_be_unknown_in_a_trimap_structure_of_any_size(config, size):
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    alpha = matter(config).matte(photo, Trimap(np.full(size, 128, np.uint8))).alpha
    assert alpha.shape == size and np.isfinite(alpha).all()
    assert ((alpha > 0) & (alpha < 1)).all()


def test_a_photo_of_one_pixel_has_no_room_for_a_trimap(idle):
    with pytest.raises(TrimapError, match=r"a trimap needs white \(255\)"):
        idle.matte(np.zeros((1, 1, 3), np.uint8), np.full((1, 1), 128, np.uint8))
    with pytest.raises(TrimapError, match="as large as its photo, 1 x 1, got 53 x 37"):
        idle.matte(np.zeros((1, 1, 3), np.uint8), scene()[1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "value,found",
    [
        (np.nan, "must be finite, got NaN"),
        (np.inf, "must be finite, got infinity"),
        (-np.inf, "must be finite, got infinity"),
        (7, r"must lie in \[0, 1\], got values from 0 to 7"),
        (-2, r"must lie in \[0, 1\], got values from -2 to 1"),
    ],
)
def test_a_float_that_is_no_colour_is_refused_before_the_network_runs(idle, dtype, value, found):
    photo, trimap = scene(dtype)
    photo[5, 7, 1] = value
    with pytest.raises(ImageError, match=found):
        idle.matte(photo, trimap)
    with pytest.raises(ImageError, match=found):  # an alpha channel too
        idle.matte(np.dstack([scene(dtype)[0], photo[..., 1]]), trimap)


def test_what_only_a_double_can_hold_counts_as_infinite(idle):
    photo, trimap = scene(np.float64)
    photo[5, 7, 1] = 1e300
    with pytest.raises(ImageError, match="must be finite, got infinity; replace them"):
        idle.matte(photo, trimap)


def test_a_trimap_of_nan_is_refused(idle):
    photo, trimap = scene()
    values = trimap / np.float32(255)
    values[0, 0] = np.nan
    with pytest.raises(ImageError, match="must be finite, got NaN"):
        idle.matte(photo, values)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "tiny.safetensors"
    return save_model(path, network().state_dict(), paper="mematte", config=TINY, source="random")


def rewritten(path, state, paper, config):
    metadata = {"maskwright.paper": paper, "maskwright.config": json.dumps(config)}
    save_file({name: value.contiguous() for name, value in state.items()}, path, metadata)
    return path


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_weights_that_are_cut_off_are_damaged_wherever_they_end(weights, share):
    content = weights.read_bytes()
    weights.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match="tiny.safetensors is damaged or of another kind.*copy"):
        Matter.load(weights, device="cpu")


def test_weights_of_another_network_under_our_configuration_do_not_fit(tmp_path):
    state = a2u.build(MINI).state_dict()
    path = rewritten(tmp_path / "x.safetensors", state, "mematte", asdict(TINY))
    with pytest.raises(WeightsError, match="x.safetensors does not fit its network: it lacks enc"):
        Matter.load(path, device="cpu")
    rewritten(path, state, "mematte", asdict(MINI))
    with pytest.raises(WeightsError, match="a configuration that mematte does not understand"):
        Matter.load(path, device="cpu")


@pytest.mark.parametrize(
    "changes,found",
    [
        ({"channels": "many"}, "does not understand .channels: 'many'"),
        ({"routed": None}, "does not understand .routed: None"),
        ({"depth": True}, "does not understand .depth: True"),
        ({"window_blocks": [0, "2"]}, "does not understand .window_blocks"),
        ({"fusion_widths": [8, 8]}, "does not understand .fusion_widths"),
        ({"detail": "resnet"}, "does not understand .detail: 'resnet'"),
        ({"heads": 0}, "a configuration of which no mematte can be built"),
        ({"heads": 5}, "a configuration of which no mematte can be built .channels must be a mul"),
        ({"window": -3}, "a configuration of which no mematte can be built"),
        ({"channels": 24 * 10**6}, "does not fit its network: it has other sizes at"),
        ({"depth": 3}, "does not fit its network: it has unused encoder.blocks.3"),
    ],
)
def test_an_impossible_configuration_is_refused_before_anything_is_allocated(
    weights, changes, found
):
    state = load_model(weights)[0].state_dict()
    rewritten(weights, state, "mematte", asdict(TINY) | changes)
    with pytest.raises(WeightsError, match=found):
        Matter.load(weights, device="cpu")


def test_weights_in_codes_instead_of_numbers_are_refused(weights):
    state = load_model(weights)[0].state_dict()
    state["encoder.patches.weight"] = state["encoder.patches.weight"].to(torch.int8)
    rewritten(weights, state, "mematte", asdict(TINY))
    with pytest.raises(WeightsError, match="it has no real numbers at encoder.patches.weight;"):
        Matter.load(weights, device="cpu")


@pytest.mark.parametrize("modern", [True, False], ids=["zip", "old"])
def test_a_checkpoint_converts_whole_and_at_no_place_where_it_is_cut(tmp_path, modern):
    source, target = tmp_path / "x.pth", tmp_path / "y.safetensors"
    state = official_checkpoint()
    torch.save(state, source, _use_new_zipfile_serialization=modern)
    content = source.read_bytes()
    assert convert_checkpoint(source, target)[0] == "mematte"
    target.unlink()
    for length in (*range(21), 99, 999, *range(2000, len(content), 99_991), len(content) - 1):
        source.write_bytes(content[:length])
        with pytest.raises(WeightsError, match=r"^[^\n]*x\.pth[^\n]*(damaged|cut off)[^\n]*$"):
            convert_checkpoint(source, target)
    assert not target.exists()


@pytest.mark.parametrize(
    "name,shape",
    [
        ("backbone.pos_embed", (1, 0, 24)),
        ("backbone.pos_embed", (1, 1, 24)),
        ("backbone.pos_embed", (1, 191, 24)),
        ("backbone.pos_embed", (1, 197, 7)),
        ("backbone.pos_embed", (197, 24)),
        ("backbone.blocks.0.attn.rel_pos_h", (27, 0)),
        ("backbone.blocks.0.attn.rel_pos_h", (27, 7)),
        ("backbone.blocks.2.residual.conv1.weight", ()),
        ("backbone.blocks.2.residual.conv1.weight", (12,)),
        ("backbone.blocks.1.mlp.fc1.weight", (24, 96)),
        ("decoder.convstream.convs.0.conv.weight", (0, 4, 3, 3)),
        ("decoder.matting_head.matting_convs.0.weight", (4, 8)),
    ],
)
def test_a_checkpoint_with_a_foreign_size_is_refused(tmp_path, name, shape):
    source, target = tmp_path / "x.pth", tmp_path / "y.safetensors"
    torch.save(official_checkpoint() | {name: torch.zeros(shape)}, source)
    with pytest.raises(WeightsError, match=r"x\.pth (fits none of|does not fit)"):
        convert_checkpoint(source, target)
    assert not target.exists()
