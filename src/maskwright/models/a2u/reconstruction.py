"""The paper's toy task: squeeze small grey pictures and restore them.

Dai, Lu, Shen, CVPR 2021, arXiv:2011.14288. There are no skip connections, so that all detail
finer than the smallest map comes through what the samplers remember. The widths are ours.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from maskwright.errors import ShapeError, UsageError
from maskwright.layers.conv import ConvNorm
from maskwright.models.a2u.samplers import SAMPLERS, Sampler

WIDTHS = (32, 64, 128, 256)  # at 1, 1/2, 1/4, 1/8
STRIDE = 8
MEAN, DEVIATION = 0.1307, 0.3081  # of MNIST, as in public code for this task


class Reconstruction(nn.Module):
    """A grey picture in, the same out.

    Args:
        level: The outermost level.
        head: Makes one channel of the full-size map.
    """

    def __init__(self, level: "Level", head: nn.Module) -> None:
        super().__init__()
        self.level, self.head = level, head

    def forward(
        self, x: Float[Tensor, "batch 1 height width"]
    ) -> Float[Tensor, "batch 1 height width"]:
        """Return the restored pictures, not clipped.

        Args:
            x: Pictures in [0, 1]; height and width are multiples of 8.

        Raises:
            ShapeError: If a side is not a multiple of 8.
        """
        if x.shape[2] % STRIDE or x.shape[3] % STRIDE:
            raise ShapeError(
                f"height and width must be multiples of {STRIDE}, got {tuple(x.shape[2:])}; "
                "resize the pictures"
            )
        return self.head(self.level((x - MEAN) / DEVIATION))


class Level(nn.Module):
    """One size of map, and all smaller ones inside it.

    Args:
        widen: Convolves on the way down.
        sampler: Leads to the next smaller size and back.
        inner: The next smaller level.
        narrow: Convolves on the way up, back to the sampler's channels.
    """

    def __init__(
        self, widen: nn.Module, sampler: Sampler, inner: nn.Module, *, narrow: nn.Module
    ) -> None:
        super().__init__()
        self.widen, self.inner, self.narrow = widen, inner, narrow
        self.sampler: Sampler = sampler

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel_out height width"]:
        """Return x, remade from half its size."""
        small, memory = self.sampler.down(self.widen(x))
        return self.sampler.up(self.narrow(self.inner(small)), memory)


def build_reconstruction(operator: str) -> Reconstruction:
    """Return the network with fresh weights.

    The samplers are made last: with equal seeds all operators start from the same convolutions.

    Args:
        operator: A key of `SAMPLERS`.

    Raises:
        UsageError: If it is not.
    """
    if operator not in SAMPLERS:
        raise UsageError(f"operator must be one of {', '.join(SAMPLERS)}, got {operator!r}")
    widen = [_conv(before, after) for before, after in pairwise((1, *WIDTHS))]
    narrow = [_conv(after, before) for before, after in pairwise(WIDTHS)]
    head = nn.Conv2d(WIDTHS[0], 1, 3, padding=1)
    inner: ConvNorm | Level = widen[-1]
    for at in reversed(range(len(narrow))):
        inner = Level(widen[at], SAMPLERS[operator](WIDTHS[at]), inner, narrow=narrow[at])
    assert isinstance(inner, Level)
    return Reconstruction(inner, head)


def _conv(channels: int, channels_out: int) -> ConvNorm:
    conv = nn.Conv2d(channels, channels_out, 3, padding=1, bias=False)
    return ConvNorm(conv, nn.BatchNorm2d(channels_out), nn.ReLU())
