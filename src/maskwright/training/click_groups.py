"""How fast the parts of an InterFormer learn: the first layers of its encoder slowest."""

from typing import Any

from maskwright.layers.mobilenet import STAGES
from maskwright.models.interformer.config import LIGHT, TINY, Config
from maskwright.models.interformer.model import InterFormer
from maskwright.training.layerwise import Layers, parameter_groups

LEARNING_RATE, WEIGHT_DECAY = 1e-4, 0.05
LAYER_DECAY = {LIGHT: 0.65, TINY: 0.75}


def groups(
    network: InterFormer,
    config: Config,
    *,
    learning_rate: float = LEARNING_RATE,
    layer_decay: float,
    weight_decay: float = WEIGHT_DECAY,
) -> list[dict[str, Any]]:
    """Return all parameters with their learning rates and weight decay.

    Vectors have no weight decay. Not in the paper, but in the official code: positions, the class
    token and the embedding of the reference map have.

    Args:
        network: Whose parameters they are.
        config: Its configuration.
        learning_rate: Of all but the encoder's layers.
        layer_decay: Factor from each layer of the encoder to the one before it; those of the
            published networks are in `LAYER_DECAY`.
        weight_decay: Of matrices and filters.
    """
    return parameter_groups(
        network,
        layers_of(config),
        learning_rate=learning_rate,
        layer_decay=layer_decay,
        weight_decay=weight_decay,
        spared={name for name, value in network.named_parameters() if value.ndim == 1},
    )


def layers_of(config: Config) -> Layers:
    """Return how the encoder's layers are counted: blocks, or the stages of MobileNetV2."""
    if config.encoder == "mobilenetv2":
        return Layers(
            depth=len(STAGES),
            first=("encoder.backbone.stem.",),
            block=r"encoder\.backbone\.stages\.(\d+)\.",
        )
    return Layers(
        depth=config.depth,
        first=("encoder.patches.", "encoder.position", "encoder.class_token"),
        block=r"encoder\.blocks\.(\d+)\.",
    )
