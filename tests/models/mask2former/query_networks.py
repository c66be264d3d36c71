"""Small networks with weights made from their names, a photo, and official checkpoints."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from maskwright.models import mask2former
from maskwright.models.mask2former.config import MINI, Config

PARITY = Path(__file__).parents[2] / "parity"
sys.path.append(str(PARITY))
from fixture_weights import tensor_for  # noqa: E402

SWIN = Config(
    backbone="swin",
    depths=(1, 2, 1, 1),
    embed=8,
    swin_heads=(1, 2, 2, 4),
    window=3,
    classes=5,
    queries=11,
    width=64,
    heads=4,
    pixel_layers=2,
    pixel_hidden=24,
    layers=4,
    hidden=40,
)
RESNET = replace(SWIN, backbone="resnet")
MOBILE = replace(MINI, width=64, pixel_layers=1, pixel_hidden=24, layers=3, hidden=40, queries=7)
# It sees photos so small that it answers at once.
CERTAIN = replace(
    MINI,
    queries=12,
    width=32,
    heads=2,
    pixel_layers=1,
    layers=3,
    names=("sky", "person", "dog", "car"),
    things=(False, True, True, True),
    short_side_px=64,
    long_side_px=128,
)


def certain_network():
    """Return a network of random weights that surely finds persons, wherever they are."""
    torch.manual_seed(2)
    model = mask2former.build(CERTAIN).eval()
    with torch.no_grad():
        model.decoder.classify.weight.mul_(60)
        for parameter in model.decoder.embed.parameters():
            parameter.mul_(2)
    return model


def network(config=SWIN):
    """Return a network in evaluation mode, every parameter and statistic drawn."""
    model = mask2former.build(config)
    state = {name: tensor_for(name, tuple(v.shape)) for name, v in model.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


def photo(height=96, width=160, *, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, height, width, generator=generator)


def official_state(keys, *, device="meta"):
    """Return an official checkpoint without values."""
    lines = (PARITY / "keys" / f"{keys}.txt").read_text().splitlines()
    named = (line.split(" ", 1) for line in lines)
    return {name: torch.empty(json.loads(shape), device=device) for name, shape in named}
