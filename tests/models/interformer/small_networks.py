"""Small networks with weights made from their names, a photo, and a reference map."""

import json
import re
import sys
from pathlib import Path

import torch

from maskwright.models import interformer
from maskwright.models.interformer.config import Config

PARITY = Path(__file__).parents[2] / "parity"
sys.path.append(str(PARITY))
from fixture_weights import tensor_for  # noqa: E402

SMALL = Config(
    channels=24,
    depth=2,
    heads=3,
    position_side=5,
    widths=(6, 8, 12, 16),
    neck_heads=(1, 2, 3, 4),
    expansions=(3, 2, 2, 2),
    refine=(1, 0, 2, 1),
    head_width=7,
)
MOBILE = Config(encoder="mobilenetv2", widths=(6, 8, 12, 16), neck_heads=(1, 2, 3, 4), head_width=7)


def network(config=SMALL):
    """Return a network in evaluation mode, every parameter and statistic drawn."""
    model = interformer.build(config)
    state = {name: tensor_for(name, tuple(v.shape)) for name, v in model.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


def photo(height=96, width=160, *, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, height, width, generator=generator)


def reference(height=96, width=160, *, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 5, (batch, 1, height, width), generator=generator, dtype=torch.uint8)


def official_checkpoint():
    """Return a network like Tiny in official names, with a narrow encoder of two layers."""
    widths = {1024: 32, 3072: 96, 4096: 128, 2048: 64, 512: 16, 256: 8}
    state = {}
    for line in (PARITY / "keys" / "interformer_tiny.txt").read_text().splitlines():
        name, shape = line.split(" ", 1)
        shape, layer = json.loads(shape), re.match(r"backbone\.layers\.(\d+)", name)
        if layer and int(layer[1]) >= 2:
            continue
        if name.startswith("backbone."):
            narrow = [widths.get(length, length) for length in shape]
            is_last = re.match(r"backbone\.fpn\.rescale_ops\.3\.[23]\.", name)
            shape = [shape[0], *narrow[1:]] if is_last else narrow
        state[name] = tensor_for(name, tuple(shape))
    return state
