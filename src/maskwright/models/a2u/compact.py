"""The encoder of the compact network: MobileNetV2 with local colour hints.

The operator stays the paper's, in its static, up-only variant: nothing in it depends on the whole
image, so that a large photo can be worked on in tiles with the same result.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.conv import ConvNorm
from maskwright.layers.mobilenet import MobileNetV2
from maskwright.models.a2u import hints
from maskwright.models.a2u.config import KernelConfig
from maskwright.models.a2u.encoder import Pyramid
from maskwright.models.a2u.kernels import AffinityKernels

INPUTS = 3 + hints.CHANNELS
STEM_WIDTH, HALF_WIDTH = 12, 16


class CompactEncoder(nn.Module):
    """Return maps at 1, 1/2, 1/4, 1/8, 1/16 and the kernels of the four levels between them.

    The backbone reads the image at half its size, which costs a quarter and sees twice as far;
    two light layers of its own keep the detail of the full size.

    Args:
        config: The kernels' variant, without down-sampling.
    """

    channels = (STEM_WIDTH, HALF_WIDTH, 16, 24, 96)

    def __init__(self, config: KernelConfig) -> None:
        super().__init__()
        self.detail = _activated(nn.Conv2d(INPUTS, STEM_WIDTH, 3, padding=1, bias=False))
        half = nn.Conv2d(STEM_WIDTH, HALF_WIDTH, 4, stride=2, padding=1, bias=False)
        self.detail_half = _activated(half)
        self.backbone = MobileNetV2(stages=5, channels=INPUTS, output_stride=8, normed=False)
        self.kernels = nn.ModuleList(AffinityKernels(c, config) for c in self.channels[:4])

    def forward(self, x: Float[Tensor, "batch 4 height width"]) -> Pyramid:
        """Return (maps, kernels), the largest first."""
        rgb, trimap = x[:, :3], x[:, 3:]
        x = torch.cat([rgb, hints.colour_hints(rgb, trimap)], 1)
        full = self.detail(x)
        maps = [full, self.detail_half(full), *self.backbone(F.avg_pool2d(x, 2))]
        return maps, [kernels(y) for kernels, y in zip(self.kernels, maps, strict=False)]


class CompactContext(nn.Module):
    """Widen the view at 1/16 by dilated depth-wise filters; without a mean over the image."""

    def __init__(
        self, channels: int, channels_out: int, *, rates: tuple[int, ...] = (1, 2)
    ) -> None:
        super().__init__()
        self.enter = _activated(nn.Conv2d(channels, channels_out, 1, bias=False))
        self.dilated = nn.ModuleList(
            _activated(
                nn.Conv2d(
                    channels_out,
                    channels_out,
                    3,
                    padding=rate,
                    dilation=rate,
                    groups=channels_out,
                    bias=False,
                )
            )
            for rate in rates
        )
        self.leave = _activated(
            nn.Conv2d(channels_out * (1 + len(rates)), channels_out, 1, bias=False)
        )

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel_out height width"]:
        """Return the features with their surroundings mixed in."""
        x = self.enter(x)
        views: list[Tensor] = [x]
        for filtered in self.dilated:
            views.append(filtered(views[-1]))
        return self.leave(torch.cat(views, 1))


def _activated(conv: nn.Conv2d) -> ConvNorm:
    return ConvNorm(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU(inplace=True))
