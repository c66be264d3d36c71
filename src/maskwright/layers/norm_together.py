"""Batch norm with the statistics of all processes that train together.

Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
Covariate Shift", ICML 2015, arXiv:1502.03167, Algorithm 1; over several devices: Peng et al.,
"MegDet: A Large Mini-Batch Object Detector", CVPR 2018, arXiv:1711.07240, section 3.3. Unlike
torch's SyncBatchNorm, it runs on CPUs too.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maskwright.ops.processes import count, mean_over_processes


class Statistics(NamedTuple):
    """What a norm remembers of the batches it has seen.

    Attributes:
        mean: Of each channel; changed in place.
        variance: Of each channel, without bias; changed in place.
        momentum: Weight of a new batch.
    """

    mean: Float[Tensor, " channel"]
    variance: Float[Tensor, " channel"]
    momentum: float


class BatchNormTogether(nn.BatchNorm2d):
    """A batch norm of torch, which others know it as, whose batch is that of all processes."""

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Return x with zero mean and unit variance per channel, scaled and shifted."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked.add_(1)
        remembered = Statistics(self.running_mean, self.running_var, self.momentum)
        return normalise_together(x, self.weight, self.bias, statistics=remembered, eps=self.eps)


def normalise_together(
    x: Float[Tensor, "batch channel height width"],
    weight: Float[Tensor, " channel"],
    bias: Float[Tensor, " channel"],
    *,
    statistics: Statistics,
    eps: float,
) -> Float[Tensor, "batch channel height width"]:
    """Return `(x - mean) / sqrt(variance + eps) * weight + bias`, channel by channel.

    Mean and variance are of all processes' x, and learned through; all x are of one size.

    Args:
        x: This process' maps.
        weight: Scale of each channel.
        bias: Shift of each channel.
        statistics: Where the batch is remembered.
        eps: Added to the variance.
    """
    kind, x = x.dtype, x.to(torch.promote_types(x.dtype, torch.float32))
    variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
    # In fp64: the variance is a small difference of large numbers, channels are few.
    own = torch.stack([mean.double(), variance.double() + mean.double().square()])
    mean, square = mean_over_processes(own)
    variance = square - mean.square()
    pixels = x.numel() // x.shape[1] * count()
    with torch.no_grad():
        unbiased = variance * (pixels / max(pixels - 1, 1))
        statistics.mean.lerp_(mean.to(statistics.mean), statistics.momentum)
        statistics.variance.lerp_(unbiased.to(statistics.variance), statistics.momentum)
    scale = weight * (variance + eps).rsqrt().to(x.dtype)
    every = (slice(None), None, None)
    return ((x - mean.to(x.dtype)[every]) * scale[every] + bias[every]).to(kind)


def normalise_over_processes(model: nn.Module) -> None:
    """Make every batch norm of a model normalise, in training, over all processes.

    Their names, parameters and statistics stay, and so do checkpoints.
    """
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = BatchNormTogether
