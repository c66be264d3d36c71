"""Small networks with random weights, and a photo with known and unknown regions."""

import json
from dataclasses import replace
from pathlib import Path

import torch

from maskwright.models import mematte
from maskwright.models.mematte.config import Config

TINY = Config(
    channels=24,
    depth=4,
    heads=3,
    window_blocks=(0, 2),
    window=3,
    position_side=5,
    table_side=4,
    detail_widths=(5, 6, 7),
    fusion_widths=(11, 10, 9, 8),
    head_width=4,
)
TEACHER = replace(TINY, routed=False)
MOBILE = replace(TINY, hints=True, detail="mobilenet", detail_widths=(5, 16, 24))


def network(config=TINY):
    """Return a network with every parameter and statistic drawn, and routers that differ."""
    generator = torch.Generator().manual_seed(0)
    model = mematte.build(config)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            scale = value[0].numel() ** -0.5 if value.ndim > 1 else 0.2
            drawn = scale * torch.randn(value.shape, generator=generator)
            value.copy_(drawn.abs() + 0.5 if name.endswith("running_var") else drawn)
            if value.ndim == 1 and name.endswith("weight"):
                value += 1
    return model.eval()


def photo(height=96, width=160, *, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, 4, height, width, generator=generator)
    x[:, 3] = 0
    x[:, 3, height // 3 :, : width // 2] = 1
    x[:, 3, height // 3 : height // 2, : width // 2 + 9] = 128 / 255
    return x


def official_checkpoint():
    """Return a routed network in official names, with few channels and random values."""
    widths = {384: 24, 192: 12, 96: 6, 768: 48, 1152: 72, 1536: 96, 64: 8}
    decoder = {48: 5, 96: 6, 192: 7, 256: 11, 128: 10, 64: 9, 32: 8, 16: 4}
    decoder |= {576: 24 + 7, 352: 11 + 6, 176: 10 + 5, 68: 9 + 4}
    keys = Path(__file__).parents[2] / "parity" / "keys" / "mematte_s.txt"
    generator, state = torch.Generator().manual_seed(0), {}
    for line in keys.read_text().splitlines():
        name, shape = line.split(" ", 1)
        table = decoder if name.startswith("decoder.") else widths
        sizes = [table.get(length, length) for length in json.loads(shape)]
        sizes = [1, 1, 3] if ".eca." in name else sizes
        state[name] = torch.rand(sizes, generator=generator)
    return state
