"""A clicker with a small network, and a photo of odd sides."""

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "models" / "interformer"))
from small_networks import MOBILE, SMALL, network  # noqa: F401

from maskwright.inference.click import Clicker

HEIGHT, WIDTH = 139, 211  # large enough to be seen as they are


def small_clicker(config=SMALL, *, change=0.0, **options):
    model = network(config)
    if change:
        next(model.parameters()).data.add_(change)
    return Clicker(model, config, device="cpu", **options)


def photo(height=HEIGHT, width=WIDTH, *, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
