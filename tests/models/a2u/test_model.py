import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch

from maskwright.errors import ShapeError, UsageError, WeightsError
from maskwright.layers.conv import ConvNorm, folded
from maskwright.models import a2u
from maskwright.models.a2u.config import MINI, Config, KernelConfig
from maskwright.models.a2u.kernels import AffinityKernels, down_sample, up_sample

PARITY = Path(__file__).parents[2] / "parity"
sys.path.append(str(PARITY))
from fixture_weights import load_case, state_dict_for  # noqa: E402

CASES = [f"a2u_{kind}_{size}" for kind in ("shared", "unshared") for size in ("64x176", "96x128")]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", [lambda model: model.eval(), folded], ids=["plain", "folded"])
def test_alpha_equals_the_official_network(case, form):
    official, tensors, _ = load_case(case, PARITY)
    model = a2u.build(a2u.infer_config(official))
    model.load_state_dict(a2u.convert(official))
    with torch.no_grad():
        alpha = form(model)(tensors["input"])
    torch.testing.assert_close(alpha, tensors["alpha"], rtol=0, atol=1e-4)


@pytest.mark.parametrize(("shared", "parameters"), [(True, 8_089_235), (False, 8_269_451)])
def test_the_paper_s_networks_have_their_parameters(shared, parameters):
    model = a2u.build(Config(kernels=KernelConfig(shared=shared)))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_the_compact_network_has_at_most_four_million_parameters():
    assert sum(parameter.numel() for parameter in a2u.build(MINI).parameters()) <= 4_000_000


@pytest.mark.parametrize("wrap", ["flat", "state_dict", "model"])
def test_official_checkpoints_are_unwrapped(wrap):
    state = state_dict_for(PARITY / "keys" / "a2u_shared.txt")
    prefixed = {f"module.{key}": value for key, value in state.items()}
    official = prefixed if wrap == "flat" else {wrap: prefixed, "epoch": 3}
    assert a2u.infer_config(official) == Config()
    assert a2u.convert(official).keys() == a2u.build(Config()).state_dict().keys()


def test_newer_checkpoints_count_batches():
    state = state_dict_for(PARITY / "keys" / "a2u_shared.txt")
    counted = {**state, "layer0.1.num_batches_tracked": torch.tensor(5)}
    assert a2u.convert(counted).keys() == a2u.convert(state).keys()


def test_foreign_keys_are_named():
    state = state_dict_for(PARITY / "keys" / "a2u_shared.txt")
    with pytest.raises(WeightsError, match="does not use: surplus, layer0.7.weight"):
        a2u.convert({**state, "surplus": torch.ones(1), "layer0.7.weight": torch.ones(1)})
    with pytest.raises(WeightsError, match="expected an A2U checkpoint"):
        a2u.infer_config({"backbone.pos_embed": torch.ones(1)})
    with pytest.raises(WeightsError, match="named tensors, got list"):
        a2u.infer_config([1, 2])
    with pytest.raises(WeightsError, match="it holds none"):
        a2u.infer_config({"state_dict": {}})


@pytest.mark.parametrize("config", [Config(), MINI], ids=["resnet34", "compact"])
def test_every_parameter_has_a_gradient(config):
    torch.manual_seed(0)
    model = a2u.build(config)
    model(torch.randn(2, 4, 64, 80)).square().sum().backward()
    without = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert not without


@pytest.mark.parametrize("config", [Config(), MINI], ids=["resnet34", "compact"])
def test_two_images_at_once_are_two_images_alone(config):
    torch.manual_seed(0)
    model, x = a2u.build(config).eval(), torch.randn(2, 4, 48, 80)
    with torch.no_grad():
        both = model(x)
        for i in range(2):
            torch.testing.assert_close(both[i : i + 1], model(x[i : i + 1]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", [Config(), MINI], ids=["resnet34", "compact"])
def test_folding_changes_nothing_but_the_number_of_layers(config):
    torch.manual_seed(0)
    model = a2u.build(config)
    model(torch.randn(3, 4, 64, 64))  # gives the norms statistics
    for module in model.modules():
        if isinstance(module, ConvNorm) and module.norm is not None:
            torch.nn.init.normal_(module.norm.weight)  # signs and zeros included
    light = folded(model)
    assert not any(isinstance(m, ConvNorm) and m.norm is not None for m in light.modules())
    x = torch.randn(1, 4, 48, 64)
    with torch.no_grad():
        torch.testing.assert_close(light(x), model.eval()(x), rtol=1e-4, atol=1e-4)


def test_sides_must_be_multiples_of_sixteen():
    with pytest.raises(ShapeError, match=r"multiples of 16, got \(48, 40\)"):
        a2u.build(MINI)(torch.zeros(1, 4, 48, 40))


VARIANTS = [
    KernelConfig(dynamic_filters=filters, dynamic_taps=taps, shared=shared, rank=rank)
    for filters, taps, shared, rank in product((True, False), (True, False), (True, False), (1, 3))
]
OTHERS = [
    KernelConfig(down=False),
    KernelConfig(groups=4),
    KernelConfig(up_size=1),
    KernelConfig(up_size=5, filter_size=5),
    KernelConfig(up_normalisation="softmax", down_normalisation="sigmoid_softmax"),
    KernelConfig(up_normalisation="none", down_normalisation="sigmoid"),
    KernelConfig(embedding_norm="batch"),
]


@pytest.mark.parametrize("config", VARIANTS + OTHERS, ids=repr)
def test_every_variant_halves_and_doubles(config):
    torch.manual_seed(0)
    generator, x = AffinityKernels(32, config), torch.randn(2, 32, 12, 20)
    kernels = generator(x)
    assert kernels.up.shape == (2, config.groups * config.up_size**2 * 4, 6, 10)
    assert (kernels.down is not None) == config.down
    half = down_sample(x, kernels, groups=config.groups)
    assert half.shape == (2, 32, 6, 10)
    assert up_sample(half, kernels, groups=config.groups).shape == x.shape


@pytest.mark.parametrize("normalisation", ["softmax", "sigmoid_softmax"])
def test_the_taps_of_each_group_sum_to_one(normalisation):
    config = KernelConfig(groups=2, up_normalisation=normalisation)
    kernels = AffinityKernels(32, config)(torch.randn(2, 32, 12, 20))
    for taps, parts in ((kernels.up, 4), (kernels.down, 1)):
        sums = taps.unflatten(1, (2, -1, parts)).sum(2)
        torch.testing.assert_close(sums, torch.ones_like(sums))


def test_a_static_operator_with_running_statistics_is_local():
    torch.manual_seed(0)
    generator = AffinityKernels(8, MINI.kernels).eval()
    x = torch.randn(1, 8, 32, 64)
    changed = x.clone()
    changed[..., 40:] += 5
    torch.testing.assert_close(generator(x).up[..., :16], generator(changed).up[..., :16])


def test_the_group_norm_names_the_channels_it_cannot_take():
    with pytest.raises(UsageError, match="multiple of 32 channels, got 24"):
        AffinityKernels(24, KernelConfig())


def test_a_wider_decoder_is_a_setting():
    assert a2u.build(replace(MINI, widths=(32, 24, 16, 8)))(torch.zeros(1, 4, 16, 32)).shape == (
        *(1, 1, 16, 32),
    )
