from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maskwright.models import mask2former
from maskwright.models.mask2former.config import MINI, R50, SWIN_T
from maskwright.training.query_groups import groups

RECORDED = Path(__file__).parents[1] / "parity" / "mask2former_behaviour.pt"


def rates(config, **more):
    """Return of each parameter the learning rate, and the weight decay."""
    with torch.device("meta"):
        network = mask2former.build(config)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in groups(network, **more)
        for parameter in group["params"]
    }


@pytest.mark.parametrize(
    ("recorded", "config"), [("optimizer_r50", R50), ("optimizer_swin_t", SWIN_T)]
)
def test_learning_rates_and_weight_decays_are_the_official_ones(recorded, config):
    official = torch.load(RECORDED, weights_only=True)[recorded]
    # One parameter at a time, under our name.
    expected = {
        next(iter(mask2former.convert({name: torch.empty(1)}))): pytest.approx(group, rel=1e-6)
        for name, group in official.items()
    }
    assert rates(config) == expected


def test_norms_that_learn_are_spared_and_the_small_backbone_is_a_backbone():
    found = rates(replace(R50, frozen=False))
    assert found["backbone.stages.0.0.reduce.norm.weight"] == (pytest.approx(1e-5), 0)
    found = rates(MINI, learning_rate=1.0, backbone_factor=0.5, weight_decay=0.25)
    assert found["backbone.backbone.stem.conv.weight"] == (0.5, 0.25)
    assert found["backbone.backbone.stem.norm.bias"] == (0.5, 0)
    assert found["decoder.classify.bias"] == found["pixel_decoder.level"] == (1, 0.25)
    assert found["decoder.level"] == found["pixel_decoder.lateral.1.weight"] == (1, 0)
