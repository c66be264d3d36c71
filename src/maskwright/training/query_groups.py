"""How fast the parts of a Mask2Former learn: its backbone comes trained and learns more slowly."""

from typing import Any

from torch import nn

from maskwright.models.mask2former.model import Mask2Former

LEARNING_RATE, WEIGHT_DECAY = 1e-4, 0.05
BACKBONE_FACTOR = 0.1
CLIP = 0.01  # of the norm of all gradients
NORMS = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d)
# The pixel decoder's level embedding has weight decay, as in the official code.
EMBEDDINGS = ("decoder.query", "decoder.place", "decoder.level")


def groups(
    network: Mask2Former,
    *,
    learning_rate: float = LEARNING_RATE,
    backbone_factor: float = BACKBONE_FACTOR,
    weight_decay: float = WEIGHT_DECAY,
) -> list[dict[str, Any]]:
    """Return all parameters with their learning rates and weight decay, for AdamW.

    Norms, the decoder's embeddings and the biases of relative positions have no weight decay.

    Args:
        network: Whose parameters they are.
        learning_rate: Of all but the backbone.
        backbone_factor: On the learning rate of the backbone.
        weight_decay: Of all that is not spared.
    """
    spared = _spared(network)
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        rate = learning_rate * (backbone_factor if name.startswith("backbone.") else 1)
        found.setdefault((rate, 0.0 if name in spared else weight_decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in found.items()
    ]


def _spared(network: nn.Module) -> set[str]:
    """Return the names of the parameters without weight decay."""
    norms = {
        f"{name}.{leaf}"
        for name, module in network.named_modules()
        if isinstance(module, NORMS)
        for leaf, _ in module.named_parameters()
    }
    biases = {name for name, _ in network.named_parameters() if name.endswith(".attention.bias")}
    return norms | biases | set(EMBEDDINGS)
