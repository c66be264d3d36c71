"""A convolution with its norm and activation, and the folding of the norm for inference."""

import copy
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.norm import AbsoluteBatchNorm, FrozenBatchNorm, scale_and_shift

Norm = nn.BatchNorm2d | AbsoluteBatchNorm | FrozenBatchNorm
Model = TypeVar("Model", bound=nn.Module)


class ConvNorm(nn.Module):
    """Convolution, then norm, then activation.

    Args:
        conv: The convolution; without a bias where a norm follows.
        norm: The norm, or None.
        activation: The activation, or None.
        pad_end: Zeros added at the right and at the bottom first: TensorFlow's "SAME" padding of
            a stride of two, which no symmetric padding can express.
    """

    def __init__(
        self,
        conv: nn.Conv2d,
        norm: Norm | None = None,
        activation: nn.Module | None = None,
        *,
        pad_end: int = 0,
    ) -> None:
        super().__init__()
        self.conv, self.norm, self.activation = conv, norm, activation
        self.pad_end = pad_end

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel_out height_out width_out"]:
        """Return the activated, normalised convolution of x."""
        if self.pad_end:
            x = F.pad(x, (0, self.pad_end, 0, self.pad_end))
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x)
        return x if self.activation is None else self.activation(x)

    def fold(self) -> None:
        """Make the norm part of the convolution: the same function at inference, one pass less."""
        if self.norm is None:
            return
        scale, shift = scale_and_shift(self.norm)
        bias = shift if self.conv.bias is None else shift + self.conv.bias * scale
        self.conv.weight = nn.Parameter((self.conv.weight * scale[:, None, None, None]).detach())
        self.conv.bias = nn.Parameter(bias.detach())
        self.norm = None


def folded(model: Model) -> Model:
    """Return a copy of the model for inference, every norm that follows a convolution folded."""
    model = copy.deepcopy(model).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, ConvNorm):
                module.fold()
    return model


def channels_last(model: nn.Module) -> None:
    """Lay out filters channels last: maps take the order of the weights, a third of the time."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight.detach()
            module.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
