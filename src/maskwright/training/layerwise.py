"""Layer-wise learning rates: the nearer to the input a pretrained layer is, the slower it learns.

After Clark et al., "ELECTRA", ICLR 2020, arXiv:2003.10555, as customary where a pretrained vision
transformer is fine-tuned (Li et al., "Exploring Plain Vision Transformer Backbones for Object
Detection", ECCV 2022, arXiv:2203.16527).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Layers:
    """How the parameters of a network are counted from its input.

    Attributes:
        depth: Number of blocks.
        first: Beginnings of the names in layer 0, before the blocks.
        block: Pattern of a name in block `i`, whose group is i: layer i + 1.
        fresh: Parts of a name that count as last even within a block.
    """

    depth: int
    first: tuple[str, ...]
    block: str
    fresh: tuple[str, ...] = ()

    def index(self, name: str) -> int:
        """Return the layer of a parameter: 0 to `depth` + 1, which is all that is in no block."""
        if name.startswith(self.first):
            return 0
        inside = re.match(self.block, name)
        if inside is None or any(part in name for part in self.fresh):
            return self.depth + 1
        return int(inside[1]) + 1

    def factor(self, name: str, decay: float) -> float:
        """Return the factor on a parameter's learning rate, `decay ** (depth + 1 - index)`."""
        return float(decay ** (self.depth + 1 - self.index(name)))


def parameter_groups(
    network: nn.Module,
    layers: Layers,
    *,
    learning_rate: float,
    layer_decay: float,
    weight_decay: float,
    spared: Collection[str],
) -> list[dict[str, Any]]:
    """Return groups for an optimizer, one for each layer and weight decay.

    Args:
        network: Whose parameters they are.
        layers: Which of them is in which layer.
        learning_rate: Of the last layer.
        layer_decay: Factor from each layer to the one before it.
        weight_decay: Of all that is not spared.
        spared: Names of the parameters without weight decay.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        rate = learning_rate * layers.factor(name, layer_decay)
        groups.setdefault((rate, 0.0 if name in spared else weight_decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def norm_parameters(network: nn.Module) -> set[str]:
    """Return the names of all scales and shifts of layer and batch norms."""
    norms = (nn.LayerNorm, nn.BatchNorm2d)
    return {
        f"{name}.{leaf}"
        for name, module in network.named_modules()
        if isinstance(module, norms)
        for leaf, _ in module.named_parameters()
    }
