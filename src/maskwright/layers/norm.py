"""Normalisation layers that torch does not have.

`AbsoluteBatchNorm` is the norm inside the activated batch norm of Rota Bulò, Porzi, Kontschieder,
"In-Place Activated BatchNorm for Memory-Optimized Training of DNNs", CVPR 2018, arXiv:1712.02616.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.norm_together import Statistics, normalise_together
from maskwright.ops.processes import count


class AbsoluteBatchNorm(nn.Module):
    """Batch norm whose scale is `|weight| + eps`, so that it can never be zero or negative.

    Its statistics are those of all processes that train together.

    Checkpoints of the in-place form hold negative weights whose sign means nothing: reading them
    as an ordinary batch norm gives another network.

    Args:
        channels: Number of channels.
        eps: Added to the variance, and to the scale.
        momentum: Weight of a new batch in the running statistics.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Return x with zero mean and unit variance per channel, scaled and shifted."""
        weight = self.weight.abs() + self.eps
        if self.training and count() > 1:
            statistics = Statistics(self.running_mean, self.running_var, self.momentum)
            return normalise_together(x, weight, self.bias, statistics=statistics, eps=self.eps)
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )


class FrozenBatchNorm(nn.Module):
    """Batch norm that never changes: its scales, shifts and statistics are no parameters.

    For networks that are fine-tuned on batches too small for statistics of their own.

    Args:
        channels: Number of channels.
        eps: Added to the variance.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        for name in ("weight", "running_var"):
            self.register_buffer(name, torch.ones(channels))
        for name in ("bias", "running_mean"):
            self.register_buffer(name, torch.zeros(channels))

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Return `(x - mean) / sqrt(var + eps) * weight + bias`, channel by channel."""
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


def scale_and_shift(
    norm: nn.BatchNorm2d | AbsoluteBatchNorm | FrozenBatchNorm,
) -> tuple[Float[Tensor, " channel"], Float[Tensor, " channel"]]:
    """Return (scale, shift) with which `x * scale + shift` is the norm at inference."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None, "the norm must track running statistics"
    weight = norm.weight.abs() + norm.eps if isinstance(norm, AbsoluteBatchNorm) else norm.weight
    scale = weight / (variance + norm.eps).sqrt()
    return scale, norm.bias - mean * scale
