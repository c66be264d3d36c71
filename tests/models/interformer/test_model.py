import sys
from pathlib import Path

import pytest
import torch

from maskwright.errors import ShapeError, UsageError
from maskwright.layers.conv import folded
from maskwright.models import interformer
from maskwright.models.interformer.config import LIGHT, MINI, TINY
from maskwright.models.interformer.model import padded_size
from maskwright.structures.box import Box

sys.path.append(str(Path(__file__).parent))
from small_networks import MOBILE, PARITY, SMALL, network, photo, reference

sys.path.append(str(PARITY))
from fixture_weights import load_case

CONFIGS = pytest.mark.parametrize("config", [SMALL, MOBILE], ids=["vit", "mobilenetv2"])


@pytest.fixture(scope="module")
def recorded():
    """Return the official network's weights in ours, and what it gave."""
    official, tensors, _ = load_case("interformer_light_128x160", PARITY)
    model = interformer.build(interformer.infer_config(official))
    model.load_state_dict(interformer.convert(official))
    return model.eval(), tensors


@pytest.mark.parametrize("grad", [False, True], ids=["inference", "training"])
def test_maps_and_logits_equal_the_official_network(recorded, grad):
    model, tensors = recorded
    with torch.set_grad_enabled(grad):
        maps = model.encode(tensors["input"])
        logits = model.decode(maps, tensors["reference"])
    for found, expected in ((maps[0], "map0"), (maps[3], "map3"), (logits, "logits")):
        expected = tensors[expected]
        found = found[:, : expected.shape[1]]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_logits_equal_the_official_ones_with_folded_norms(recorded):
    model, tensors = recorded
    with torch.no_grad():
        logits = folded(model)(tensors["input"], tensors["reference"])
    torch.testing.assert_close(logits, tensors["logits"], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "total", "parts"),
    [(LIGHT, 97_373_348, (94_927_392, 1_737_472)), (TINY, 324_557_316, (319_536_800, 4_312_032))],
    ids=["light", "tiny"],
)
def test_the_paper_s_networks_have_their_parameters(config, total, parts):
    with torch.device("meta"):
        model = interformer.build(config)

    def count(*modules):
        return sum(parameter.numel() for module in modules for parameter in module.parameters())

    assert count(model) == total
    assert (count(model.encoder, model.pyramid), count(model.neck)) == parts
    assert (count(model.head), count(model.auxiliary)) == (634_498, 73_986)


def test_the_mini_network_fits_in_eight_megabytes():
    with torch.device("meta"):
        model = interformer.build(MINI)
    assert sum(value.numel() for value in model.state_dict().values()) <= 4_000_000


@CONFIGS
@pytest.mark.parametrize("size", [(32, 32), (96, 160), (64, 544)])
def test_the_pyramid_halves_three_times_and_logits_have_the_image_s_size(config, size):
    model = network(config)
    with torch.no_grad():
        maps = model.encode(photo(*size))
        logits = model.decode(maps, reference(*size))
    for channels, stride, x in zip(config.widths, (4, 8, 16, 32), maps, strict=True):
        assert x.shape == (1, channels, size[0] // stride, size[1] // stride)
    assert logits.shape == (1, 2, *size)
    assert logits.isfinite().all()


@CONFIGS
def test_two_images_at_once_are_two_images_alone(config):
    model, x, states = network(config), photo(batch=2), reference(batch=2)
    with torch.no_grad():
        both = model(x, states)
        for i in range(2):
            alone = model(x[i : i + 1], states[i : i + 1])
            torch.testing.assert_close(both[i : i + 1], alone, rtol=0, atol=1e-5)


def test_several_objects_share_one_encoding():
    model, states = network(), reference(batch=3)
    with torch.no_grad():
        maps = model.encode(photo())
        together = model.decode(maps, states)
        for i in range(3):
            alone = model.decode(maps, states[i : i + 1])
            torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-5)


@CONFIGS
def test_a_click_changes_the_answer_and_not_the_pyramid(config):
    model, x, states = network(config), photo(), reference()
    other = states.clone()
    other[:, :, 40:51, 70:81] = 4
    with torch.no_grad():
        maps = model.encode(x)
        kept = [one.clone() for one in maps]
        first, second = (model.decode(maps, each) for each in (states, other))
    assert (first - second).abs().max() > 1e-3
    assert all(map(torch.equal, maps, kept))


@CONFIGS
def test_every_parameter_learns(config):
    torch.manual_seed(0)
    model = network(config).train()
    found = model.forward_training(photo(batch=2), reference(batch=2))
    assert found.logits.shape == found.auxiliary.shape == (2, 2, 96, 160)
    weights = torch.randn(2, 2, 96, 160)
    (weights * (found.logits + found.auxiliary)).sum().backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_training_leaves_branches_out_and_inference_none():
    model, x, states = network(), photo(), reference()
    with torch.no_grad():
        torch.testing.assert_close(model(x, states), model(x, states))
        model.train()
        for module in model.modules():
            if hasattr(module, "rate"):
                module.rate = 0.9
        torch.manual_seed(0)
        answers = torch.stack([model.encode(x)[2] for _ in range(4)])
    assert answers.std(0).max() > 1e-3


def test_refining_is_confined_to_the_region():
    model, states, region = network(), reference(batch=2), Box(32, 0, 96, 64)
    with torch.no_grad():
        maps = model.encode(photo(batch=2))
        whole = [Box(0, 0, 160, 96)] * 2
        everywhere = model.decode(maps, states)
        torch.testing.assert_close(model.decode(maps, states, regions=whole), everywhere)
        confined = model.decode(maps, states, regions=[region, whole[0]])
        stage, x = model.neck.stages[0], maps[0]
        stage.norm = torch.nn.Identity()
        sharp = stage.sharpen(x, [region, region])
    assert (confined[0] - everywhere[0]).abs().max() > 1e-3
    torch.testing.assert_close(confined[1], everywhere[1])
    changed = (sharp != x).any(1)
    assert changed[:, :16, 8:24].all()
    changed[:, :16, 8:24] = False
    assert not changed.any()


def test_wrong_shapes_are_named():
    model = network()
    with pytest.raises(ShapeError, match=r"multiples of 32, got \(1, 3, 96, 161\); fill"):
        model.encode(photo(96, 161))
    with pytest.raises(ShapeError, match=r"multiples of 32, got \(1, 3, 0, 32\)"):
        model.encode(photo(0, 32))
    maps = model.encode(photo(batch=2))
    with pytest.raises(ShapeError, match=r"maps \(2, 1, 96, 160\) .*got \(2, 1, 96, 192\)"):
        model.decode(maps, reference(96, 192, batch=2))
    with pytest.raises(ShapeError, match=r"got \(1, 1, 96, 160\); make them"):
        model.decode(maps, reference())
    with pytest.raises(UsageError, match="expected 2 regions, one for each .*got 1"):
        model.decode(maps, reference(batch=2), regions=[Box(0, 0, 32, 32)])
    for corners in ((0, 0, 32, 40), (-32, 0, 32, 32), (0, 64, 32, 128)):
        with pytest.raises(UsageError, match="within 160 x 96 pixels on multiples of 32, got"):
            model.decode(maps, reference(batch=2), regions=[Box(*corners)] * 2)


@pytest.mark.parametrize(
    ("size", "padded"), [((1, 33), (32, 64)), ((64, 96), (64, 96)), ((31, 95), (32, 96))]
)
def test_an_image_is_filled_up_to_multiples_of_32(size, padded):
    assert padded_size(*size) == padded


def test_half_precision_encodes_nearly_the_same():
    model, x = network(), photo()
    with torch.no_grad():
        expected = model.encode(x)
        found = model.bfloat16().encode(x.bfloat16())
    for half, full in zip(found, expected, strict=True):
        assert half.dtype == torch.bfloat16
        assert (half.float() - full).norm() < 0.03 * full.norm()
