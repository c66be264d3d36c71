import pytest
from torch import nn, optim

from maskwright.training.layerwise import Layers, norm_parameters, parameter_groups

LAYERS = Layers(
    depth=3, first=("stem.", "position"), block=r"blocks\.(\d+)\.", fresh=(".adapter.",)
)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        *(("stem.weight", 0), ("position", 0), ("blocks.0.weight", 1), ("blocks.2.norm.bias", 3)),
        *(("blocks.1.adapter.weight", 4), ("head.weight", 4), ("other.blocks.0.weight", 4)),
    ],
)
def test_parameters_are_counted_from_the_input(name, index):
    assert LAYERS.index(name) == index
    assert LAYERS.factor(name, 0.5) == 0.5 ** (4 - index)


def test_a_block_s_number_may_have_two_digits():
    assert Layers(depth=12, first=(), block=r"blocks\.(\d+)\.").index("blocks.11.weight") == 12


def test_each_layer_and_weight_decay_has_one_group():
    network = nn.ModuleDict({
        "stem": nn.Linear(2, 3),
        "blocks": nn.ModuleList(nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)) for _ in range(3)),
        "head": nn.BatchNorm2d(3),
    })
    assert norm_parameters(network) == {
        *(f"blocks.{block}.1.{leaf}" for block in range(3) for leaf in ("weight", "bias")),
        *("head.weight", "head.bias"),
    }
    spared = norm_parameters(network)
    groups = parameter_groups(
        network, LAYERS, learning_rate=8.0, layer_decay=0.5, weight_decay=0.25, spared=spared
    )
    found = sorted((group["lr"], group["weight_decay"], len(group["params"])) for group in groups)
    assert found == [
        *[(0.5, 0.25, 2), (1.0, 0.0, 2), (1.0, 0.25, 2), (2.0, 0.0, 2), (2.0, 0.25, 2)],
        *[(4.0, 0.0, 2), (4.0, 0.25, 2), (8.0, 0.0, 2)],
    ]
    held = {
        id(parameter) for group in optim.AdamW(groups).param_groups for parameter in group["params"]
    }
    assert held == {id(parameter) for parameter in network.parameters()}
