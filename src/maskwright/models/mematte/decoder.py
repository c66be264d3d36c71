"""The detail capture decoder: features meet the image at 1/8, 1/4, 1/2 and the full size.

Yao et al., "ViTMatte: Boosting Image Matting with Pre-trained Plain Vision Transformers",
Information Fusion 2024, arXiv:2305.15272, section 3.4; MEMatte keeps it.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.conv import ConvNorm, channels_last
from maskwright.layers.mobilenet import MobileNetV2
from maskwright.models.mematte.config import Config
from maskwright.models.mematte.inputs import HINTED, PLAIN, Inputs
from maskwright.models.mematte.limits import TOKEN_PX, Limits
from maskwright.models.mematte.tiles import Grid, grid_for, in_tokens, narrowed, padded_window


class DetailConvolutions(nn.ModuleList):
    """Three convolutions over the image, as in the paper.

    Args:
        channels: Of the input.
        widths: Channels at 1/2, 1/4 and 1/8.
    """

    def __init__(self, channels: int, widths: tuple[int, int, int]) -> None:
        super().__init__(_conv(*pair, stride=2) for pair in pairwise((channels, *widths)))

    def forward(
        self, x: Float[Tensor, "batch input height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Return the maps at 1/2, 1/4 and 1/8."""
        maps = list[Tensor]()
        for stage in self:
            maps.append(stage(maps[-1] if maps else x))
        return maps


class DetailMobileNet(nn.Module):
    """The first layers of MobileNetV2 over the image at half its size; not in the paper.

    Args:
        channels: Of the input; the first three are RGB.
        widths: Channels at 1/2, 1/4 and 1/8; MobileNetV2 fixes the last two at 16 and 24.
    """

    def __init__(self, channels: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.first = _conv(channels, widths[0])
        self.backbone = MobileNetV2(stages=2, channels=channels, normed=False)

    def forward(
        self, x: Float[Tensor, "batch input height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Return the maps at 1/2, 1/4 and 1/8."""
        x = F.avg_pool2d(x, 2)
        return [self.first(x), *self.backbone(x)]


DETAILS = {"convolutions": DetailConvolutions, "mobilenet": DetailMobileNet}
REACH_PX = {"convolutions": 32, "mobilenet": 48}  # the decoder sees 31 and 42 around a token


class Decoder(nn.Module):
    """A stream of maps of the image, and four times: up-sample, join with the image's map, mix.

    Attributes:
        reach_px: How far it sees around a token, rounded up to tokens.

    Args:
        config: The network's sizes.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        details = (HINTED if config.hints else PLAIN, *config.detail_widths)
        self.reach_px = REACH_PX[config.detail]
        self.detail = DETAILS[config.detail](details[0], config.detail_widths)
        widths = (config.channels, *config.fusion_widths)
        self.fuse = nn.ModuleList(
            _conv(before + detail, after)
            for (before, after), detail in zip(pairwise(widths), reversed(details), strict=True)
        )
        self.head = nn.Sequential(
            _conv(widths[-1], config.head_width, bias=True), nn.Conv2d(config.head_width, 1, 1)
        )
        channels_last(self)

    def forward(
        self,
        x: Float[Tensor, "batch input height width"],
        features: Float[Tensor, "batch channel token_height token_width"],
    ) -> Float[Tensor, "batch 1 height width"]:
        """Return alpha in (0, 1).

        Args:
            x: A window of the inputs; height and width are 16 times those of the features.
            features: Of the encoder.
        """
        x = x.contiguous(memory_format=torch.channels_last)
        maps = [x, *self.detail(x)]
        y = features
        for stage in self.fuse:
            y = F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
            y = stage(torch.cat([maps.pop(), y], 1))
        y = self.head(y)
        return y.to(torch.promote_types(y.dtype, torch.float32)).sigmoid()

    def in_tiles(
        self,
        inputs: Inputs,
        features: Float[Tensor, "batch channel token_height token_width"],
        limits: Limits,
    ) -> Float[Tensor, "batch 1 height width"]:
        """Return alpha of images, computed tile by tile.

        Args:
            inputs: Of the network.
            features: Of the encoder, which has filled up the photo with zeros.
            limits: Side of the tiles, and what to leave out.
        """
        x = inputs.x
        end = TOKEN_PX * features.shape[2], TOKEN_PX * features.shape[3]
        grid = grid_for(end, limits, reach_px=self.reach_px)
        alpha = x[:, 3:].clone() if limits.skip_known else torch.empty_like(x[:, 3:])
        for image in range(x.shape[0]):
            for core in _wanted(grid, x[image, 3], limits):
                tile = grid.tile(core)
                this = slice(image, image + 1)
                window = inputs.window(*tile.window, images=this)
                seen = padded_window(features[this], *in_tokens(tile.window))
                alpha[(image, 0, *core)] = self(window, seen)[(0, 0, *tile.inner)]
        return alpha


def _wanted(
    grid: Grid, trimap: Float[Tensor, "height width"], limits: Limits
) -> Iterator[tuple[slice, slice]]:
    """Yield the cores to compute, row by row; of known pixels no more than needed, if so asked."""
    for core in grid.cores((trimap.shape[0], trimap.shape[1])):
        if not limits.skip_known:
            yield core
        elif (part := narrowed(core, (trimap[core] > 0) & (trimap[core] < 1))) is not None:
            yield core if limits.padding == "official" else part


def _conv(channels: int, channels_out: int, *, stride: int = 1, bias: bool = False) -> ConvNorm:
    conv = nn.Conv2d(channels, channels_out, 3, stride, padding=1, bias=bias)
    return ConvNorm(conv, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True))
