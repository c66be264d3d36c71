"""Gradient checkpointing: memory for time.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def run(block: Callable[..., Any], *inputs: Any, again: bool) -> Any:
    """Return `block(*inputs)`.

    Args:
        block: Some layers.
        inputs: Tensors and whatever else it takes.
        again: Whether, in training, nothing inside it is kept: gradients run it once more, with
            the same random draws.
    """
    if again and torch.is_grad_enabled():
        return checkpoint(block, *inputs, use_reentrant=False)
    return block(*inputs)


def run_blocks_again(model: nn.Module) -> int:
    """Make the blocks of a model's encoders run again for gradients; return how many encoders do.

    They are the modules that have an attribute `runs_again`.
    """
    encoders: list[Any] = [module for module in model.modules() if hasattr(module, "runs_again")]
    for encoder in encoders:
        encoder.runs_again = True
    return len(encoders)
