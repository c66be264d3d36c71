"""Stochastic depth: in training, a residual branch is left out at random.

Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016, arXiv:1603.09382.
"""

from torch import Tensor, nn

from maskwright.ops.draws import drop

LAST_RATE = 0.1


class StochasticDepth(nn.Module):
    """Zero a whole sample's branch with probability `rate`, scale the others by 1 / (1 - rate).

    Args:
        rate: Probability, 0 to less than 1.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return the branch's output; outside training, as it is."""
        if not self.training or self.rate == 0:
            return x
        return drop(x, self.rate, *[1] * (x.ndim - 1))


def rates(count: int, last: float = LAST_RATE) -> list[float]:
    """Return the rates of so many blocks, which rise linearly from 0."""
    return [last * index / max(count - 1, 1) for index in range(count)]
