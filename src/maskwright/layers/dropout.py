"""Dropout whose draws belong to the image, so that any number of processes trains alike.

Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
2014; of whole channels: Tompson et al., "Efficient Object Localization Using Convolutional
Networks", CVPR 2015, arXiv:1411.4280.
"""

from jaxtyping import Float
from torch import Tensor, nn

from maskwright.ops.draws import drop


class Dropout(nn.Module):
    """Set values, or channels, to 0 in training, and scale the others to keep the mean.

    Args:
        rate: Probability, 0 to less than 1.
        channels: Whether whole channels of an image are dropped, not single values.
    """

    def __init__(self, rate: float, *, channels: bool = False) -> None:
        super().__init__()
        self.rate, self.channels = rate, channels

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Return x with some of it dropped; outside training, as it is."""
        if not self.training or self.rate == 0:
            return x
        size = (1, 1) if self.channels else x.shape[2:]
        return drop(x, self.rate, x.shape[1], *size)
