"""The decoder: up-sample by the encoder's kernels, add the skip, refine; and the ASPP before it."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maskwright.layers.conv import ConvNorm
from maskwright.layers.dropout import Dropout
from maskwright.layers.norm import AbsoluteBatchNorm
from maskwright.models.a2u.blocks import conv_abn
from maskwright.models.a2u.kernels import SLOPE, Kernels, up_sample


class DecoderStage(nn.Module):
    """One step up.

    Args:
        channels: Channels of the smaller map.
        skip: Makes the encoder's map of the larger size as wide as the smaller map.
        channels_out: Channels of the result.
        unit: Makes a refining unit from (channels, channels_out).
        units: How many refine the result.
        groups: Groups of the up-sampling kernels.
    """

    def __init__(
        self,
        channels: int,
        skip: ConvNorm,
        channels_out: int,
        *,
        unit: Callable[[int, int], nn.Module],
        groups: int,
        units: int = 2,
    ) -> None:
        super().__init__()
        self.groups = groups
        self.skip = skip
        later = (unit(channels_out, channels_out) for _ in range(units - 1))
        self.refine = nn.Sequential(unit(channels, channels_out), *later)

    def forward(self, x: Tensor, skip: Tensor, kernels: Kernels) -> Tensor:
        """Return the map at twice the size of x."""
        x = up_sample(x, kernels, groups=self.groups) + self.skip(skip)
        return self.refine(x)


class Context(nn.Module):
    """Atrous spatial pyramid pooling with depth-wise filters, and the mean over the image.

    Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation",
    arXiv:1706.05587, section 3.3.
    """

    def __init__(self, channels: int, *, rates: tuple[int, ...] = (6, 12, 18)) -> None:
        super().__init__()
        self.local = conv_abn(channels, channels, 1)
        self.dilated = nn.ModuleList(
            nn.Sequential(_dilated(channels, rate), conv_abn(channels, channels, 1))
            for rate in rates
        )
        self.overall = conv_abn(channels, channels, 1)
        self.merge = conv_abn(channels * (2 + len(rates)), channels, 1)
        self.dropout = Dropout(0.5)

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Return the features with their surroundings mixed in."""
        views = [self.local(x), *(view(x) for view in self.dilated)]
        views.append(self.overall(x.mean((2, 3), keepdim=True)).expand_as(x))
        return self.dropout(self.merge(torch.cat(views, 1)))


def _dilated(channels: int, rate: int) -> ConvNorm:
    conv = nn.Conv2d(
        channels, channels, 3, padding=rate, dilation=rate, groups=channels, bias=False
    )
    return ConvNorm(conv, AbsoluteBatchNorm(channels), nn.LeakyReLU(SLOPE, inplace=True))
