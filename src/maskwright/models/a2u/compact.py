"""The compact network: MobileNetV2 and local colour hints at half the size, then unknown blocks.

The operator stays the paper's, in its static, up-only variant: nothing in it depends on the whole
image, so that a large photo can be worked on in tiles with the same result. The layers of the full
size cost most and matter only where the trimap is unknown: outside training they run there alone.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.conv import ConvNorm, channels_last
from maskwright.layers.hints import CHANNELS, NearColours, colour_hints, double, near_colours
from maskwright.layers.mobilenet import MobileNetV2
from maskwright.models.a2u.blocks import ResidualUnit, SeparableUnit, check_sides
from maskwright.models.a2u.config import Config, KernelConfig
from maskwright.models.a2u.kernels import AffinityKernels, Kernels, up_sample
from maskwright.models.a2u.unknown import Blocks

STRIDE = 16
INPUTS = 3 + CHANNELS
FULL_WIDTH, HALF_WIDTH = 12, 16
LEVELS = (HALF_WIDTH, 16, 24, 96)  # channels at 1/2, 1/4, 1/8, 1/16
BLOCKS = Blocks(side_px=32, margin_px=4)  # the last stage sees 4 pixels around a pixel
BLOCKS_AT_ONCE = 64


class Coarse(NamedTuple):
    """What the last stage reads, at half the size.

    Attributes:
        features: The decoder's map.
        near: Colours of the known pixels nearby, foreground before background.
    """

    features: Float[Tensor, "batch channel half_height half_width"]
    near: Float[Tensor, "batch 6 half_height half_width"]


class CompactMatting(nn.Module):
    """An image and its trimap in, raw alpha out.

    Args:
        config: The kernels' variant, without down-sampling, and the widths.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        *widths, last_width = config.widths
        self.backbone = MobileNetV2(stages=5, channels=INPUTS, output_stride=8, normed=False)
        self.detail = _activated(nn.Conv2d(INPUTS, HALF_WIDTH, 3, padding=1, bias=False))
        self.context = CompactContext(LEVELS[-1], config.context_width)
        self.decoder = nn.ModuleList()
        before = config.context_width
        for channels, width in zip(reversed(LEVELS[:-1]), widths, strict=True):
            stage = CompactStage(before, channels, width, config.kernels)
            self.decoder.append(stage)
            before = width
        self.full_detail = _activated(nn.Conv2d(INPUTS, FULL_WIDTH, 3, padding=1, bias=False))
        self.last = CompactStage(before, FULL_WIDTH, last_width, config.kernels)
        self.head = nn.Conv2d(last_width, 1, 3, padding=1)
        channels_last(self)

    def forward(
        self, x: Float[Tensor, "batch 4 height width"]
    ) -> Float[Tensor, "batch 1 height width"]:
        """Return alpha, not clipped: about 0 to 1, free to overshoot.

        Outside training, blocks without an unknown pixel return the trimap.

        Args:
            x: RGB, normalised with ImageNet's mean and deviation, and the trimap: 0 background,
                128/255 unknown, 1 foreground. Height and width are multiples of 16.

        Raises:
            ShapeError: If a side is not a multiple of 16.
        """
        check_sides(x, STRIDE)
        coarse = self.coarse(x)
        if self.training or min(x.shape[2:]) < BLOCKS.window_px:
            return self.fine(x, coarse.features, _wider(coarse.near))
        return self.where_unknown(x, coarse)

    def coarse(self, x: Float[Tensor, "batch 4 height width"]) -> Coarse:
        """Return what there is to know at half the size, of the whole image."""
        x = F.avg_pool2d(x, 2)
        rgb, trimap = x[:, :3], x[:, 3:]
        near = near_colours(rgb, trimap)
        x = torch.cat([rgb, colour_hints(rgb, trimap, near)], 1)
        maps = [self.detail(x), *self.backbone(x)]
        y = self.context(maps.pop())
        for stage in self.decoder:
            y = stage(y, maps.pop())
        return Coarse(y, torch.cat(near, 1))

    def fine(
        self,
        x: Float[Tensor, "batch 4 height width"],
        features: Float[Tensor, "batch channel half_height half_width"],
        near: Float[Tensor, "batch 6 padded_half_height padded_half_width"],
    ) -> Float[Tensor, "batch 1 height width"]:
        """Return raw alpha of an image, or of a window.

        Args:
            x: As in `forward`.
            features: Of `Coarse`.
            near: Of `Coarse`, with one more pixel on each side.
        """
        rgb, trimap = x[:, :3], x[:, 3:]
        foreground, background = double(near)[:, :, 2:-2, 2:-2].split(3, 1)
        hints = colour_hints(rgb, trimap, NearColours(foreground, background))
        detail = self.full_detail(torch.cat([rgb, hints], 1))
        return self.head(self.last(features, detail))

    def where_unknown(
        self, x: Float[Tensor, "batch 4 height width"], coarse: Coarse
    ) -> Float[Tensor, "batch 1 height width"]:
        """Return raw alpha in the blocks that hold unknown pixels, elsewhere the trimap."""
        alpha = x[:, 3:].clone()
        near, unknown = _wider(coarse.near), BLOCKS.unknown(alpha)
        for start in range(0, len(unknown), BLOCKS_AT_ONCE):
            blocks = unknown[start : start + BLOCKS_AT_ONCE]
            result = self.fine(
                BLOCKS.cut(x, blocks),
                BLOCKS.cut(coarse.features, blocks, stride=2),
                BLOCKS.cut(near, blocks, stride=2, more_px=1),
            )
            BLOCKS.put(result, blocks, into=alpha)
        return alpha


class CompactStage(nn.Module):
    """One step up: narrow, up-sample by the kernels of the skip, add the skip, refine.

    A point-wise convolution before up-sampling gives the same as one after it, at a quarter of
    the cost: the kernels are shared by all channels.
    """

    def __init__(self, channels: int, skip: int, channels_out: int, config: KernelConfig) -> None:
        super().__init__()
        self.groups = config.groups
        self.kernels = AffinityKernels(skip, config)
        self.narrow = ConvNorm(nn.Conv2d(channels, channels_out, 1))
        self.skip = ConvNorm(nn.Conv2d(skip, channels_out, 1))
        is_small = channels_out >= 32
        self.refine = (ResidualUnit if is_small else SeparableUnit)(channels_out, channels_out)

    def forward(
        self,
        x: Float[Tensor, "batch channel height width"],
        skip: Float[Tensor, "batch skip_channel double_height double_width"],
    ) -> Float[Tensor, "batch channel_out double_height double_width"]:
        """Return the map at twice the size of x."""
        kernels: Kernels = self.kernels(skip)
        y = up_sample(self.narrow(x), kernels, groups=self.groups)
        return self.refine(y + self.skip(skip))


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


def _wider(
    x: Float[Tensor, "batch channel height width"],
) -> Float[Tensor, "batch channel wider_height wider_width"]:
    """Return x with one more pixel on each side, as interpolation continues it."""
    return F.pad(x, (1, 1, 1, 1), mode="replicate")
