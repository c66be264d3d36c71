from pathlib import Path

import pytest
import torch

from maskwright.models import interformer
from maskwright.models.interformer.config import LIGHT, MINI
from maskwright.training.click_groups import LAYER_DECAY, groups

RECORDED = Path(__file__).parents[1] / "parity" / "interformer_behaviour.pt"


def ours(name):
    """Return our name of an official parameter."""
    axes = 3 if name.endswith(("cls_token", "pos_embed")) else 1
    (found,) = interformer.convert({name: torch.empty([1] * axes, device="meta")})
    return found


def rates(config, **more):
    """Return of each parameter the factor on the learning rate, and the weight decay."""
    with torch.device("meta"):
        network = interformer.build(config)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in groups(network, config, learning_rate=1.0, **more)
        for parameter in group["params"]
    }


def test_learning_rates_and_weight_decays_are_the_official_ones():
    found = rates(LIGHT, layer_decay=LAYER_DECAY[LIGHT])
    recorded = torch.load(RECORDED, weights_only=True)["optimizer_groups_light"]
    expected = {
        ours(name): (pytest.approx(group["lr_scale"], rel=1e-6), group["weight_decay"])
        for group in recorded
        for name in group["params"]
    }
    assert found == expected


def test_the_stages_of_a_small_encoder_are_its_layers():
    found = rates(MINI, layer_decay=0.5, weight_decay=0.25)
    assert found["encoder.backbone.stem.conv.weight"] == (0.5**8, 0.25)
    assert found["encoder.backbone.stages.0.0.filter.norm.weight"] == (0.5**7, 0)
    assert found["encoder.backbone.stages.6.0.expand.conv.weight"] == (0.5, 0.25)
    assert found["pyramid.down.0.weight"] == found["neck.embedding"] == (1, 0.25)
