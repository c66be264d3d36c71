"""The building blocks of the encoder and the decoder, and the check of their input."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.errors import ShapeError
from maskwright.layers.conv import ConvNorm
from maskwright.layers.norm import AbsoluteBatchNorm
from maskwright.models.a2u.kernels import SLOPE


def check_sides(x: Float[Tensor, "batch channel height width"], stride: int) -> None:
    """Refuse an image whose sides the network cannot halve and double again.

    Raises:
        ShapeError: If a side is not a multiple of the stride.
    """
    if x.shape[2] % stride or x.shape[3] % stride:
        raise ShapeError(
            f"height and width must be multiples of {stride}, got {tuple(x.shape[2:])}; pad first"
        )


def conv_abn(
    channels: int, channels_out: int, size: int = 3, *, stride: int = 1, activate: bool = True
) -> ConvNorm:
    """Return a convolution with activated batch norm, or with the norm alone."""
    conv = nn.Conv2d(channels, channels_out, size, stride, size // 2, bias=False)
    return ConvNorm(
        conv,
        AbsoluteBatchNorm(channels_out),
        nn.LeakyReLU(SLOPE, inplace=True) if activate else None,
    )


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution where the width changes."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.first = conv_abn(channels, channels_out)
        self.second = conv_abn(channels_out, channels_out, activate=False)
        same = channels == channels_out
        self.shortcut = None if same else conv_abn(channels, channels_out, 1, activate=False)

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel_out height width"]:
        """Return the activated sum of both paths."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return F.leaky_relu(self.second(self.first(x)) + shortcut, SLOPE, inplace=True)


class SeparableUnit(nn.Module):
    """A residual unit of one depth-wise 3x3 and one point-wise convolution, for large maps."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.mix = _point(channels, channels_out)
        self.shortcut = None if channels == channels_out else _point(channels, channels_out)

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel_out height width"]:
        """Return the activated sum of both paths."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return F.relu(self.mix(self.spatial(x)) + shortcut, inplace=True)


def _point(channels: int, channels_out: int) -> ConvNorm:
    conv = nn.Conv2d(channels, channels_out, 1, bias=False)
    return ConvNorm(conv, nn.BatchNorm2d(channels_out))
