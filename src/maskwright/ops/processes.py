"""What holds over all processes that train together: how many there are, sums and means.

The gradients that a process hands on are averaged over all (torch's DistributedDataParallel). The
mean of all processes' losses is therefore what is learned from, and it must be the loss of the
whole batch. A loss that is a mean over samples is that already, for every process has as many. One
that is divided by a sum over the batch is that by `ratio`; any other, by `mean_over_processes` of
what it is made from.

Without `torch.distributed`, there is one process and nothing happens here.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed


def count() -> int:
    """Return how many processes train together, at least 1."""
    return distributed.get_world_size() if _together() else 1


def rank() -> int:
    """Return which of them this one is, from 0."""
    return distributed.get_rank() if _together() else 0


def mean_over_processes(x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """Return the mean of what all processes give, which all of them must.

    It has a gradient: what any process makes of the mean has one share in each process' x.
    """
    if count() == 1:
        return x
    mean: Tensor = _Mean.apply(x)  # type: ignore[no-untyped-call]
    return mean


def sum_over_processes(x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """Return the sum of what all processes give, which all of them must."""
    return mean_over_processes(x) * count()


def ratio(part: Float[Tensor, ""], whole: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Return `processes * part / max(sum of all wholes, 1)`.

    Its mean over the processes is the sum of all parts by the sum of all wholes.

    Args:
        part: This process' sum of what is to be divided.
        whole: This process' sum of what it is divided by, without gradient.
    """
    return part * count() / sum_over_processes(whole.detach()).clamp_min(1)


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _mean(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _mean(gradient)


def _mean(x: Tensor) -> Tensor:
    total = x.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total / count()


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
