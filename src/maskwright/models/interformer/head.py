"""The head: a light UPerNet, which sees the whole image and joins the four sizes.

After Xiao et al., "Unified Perceptual Parsing for Scene Understanding", ECCV 2018,
arXiv:1807.10221.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.conv import ConvNorm
from maskwright.layers.dropout import Dropout
from maskwright.models.interformer.config import Quad

POOLS = (1, 2, 3, 6)
CLASSES = 2  # background, object
DROP = 0.1


class Head(nn.Module):
    """Return the logits of background and object at a quarter of the size.

    Args:
        widths: Channels of the four maps.
        width: Channels of the head.
    """

    def __init__(self, widths: Quad, width: int) -> None:
        super().__init__()
        *larger, smallest = widths
        self.pools = nn.ModuleList(_activated(smallest, width, 1) for _ in POOLS)
        self.surround = _activated(smallest + len(POOLS) * width, width, 3)
        self.laterals = nn.ModuleList(_activated(channels, width, 1) for channels in larger)
        self.smooth = nn.ModuleList(_activated(width, width, 3) for _ in larger)
        self.fuse = _activated(len(widths) * width, width, 3)
        self.classify = _classifier(width)

    def forward(
        self, maps: Sequence[Float[Tensor, "batch _ _ _"]]
    ) -> Float[Tensor, "batch 2 quarter_height quarter_width"]:
        """Return the logits of four maps, the largest first."""
        levels = [self.look_around(maps[-1])]
        for lateral, x in zip(reversed(self.laterals), reversed(maps[:-1]), strict=True):
            levels.insert(0, lateral(x) + resize(levels[0], x.shape[2:]))
        joined = [smooth(x) for smooth, x in zip(self.smooth, levels, strict=False)]
        joined = [resize(x, maps[0].shape[2:]) for x in (*joined, levels[-1])]
        return self.classify(self.fuse(torch.cat(joined, 1)))

    def look_around(
        self, x: Float[Tensor, "batch channel rows columns"]
    ) -> Float[Tensor, "batch width rows columns"]:
        """Return the smallest map with means over the image and its parts mixed in."""
        views = [x]
        for side, pool in zip(POOLS, self.pools, strict=True):
            views.append(resize(pool(F.adaptive_avg_pool2d(x, side)), x.shape[2:]))
        return self.surround(torch.cat(views, 1))


class AuxiliaryHead(nn.Module):
    """Return the logits that the map at a sixteenth gives by itself; only to learn from.

    Args:
        channels: Of that map.
        width: Channels of the head.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.enter = _activated(channels, width, 3)
        self.classify = _classifier(width)

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch 2 height width"]:
        """Return the logits of background and object."""
        return self.classify(self.enter(x))


def resize(
    x: Float[Tensor, "batch channel height width"], size: Sequence[int]
) -> Float[Tensor, "batch channel height_out width_out"]:
    """Return a map at another size, interpolated bilinearly."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def _activated(channels: int, channels_out: int, side: int) -> ConvNorm:
    conv = nn.Conv2d(channels, channels_out, side, padding=side // 2, bias=False)
    return ConvNorm(conv, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True))


def _classifier(width: int) -> nn.Sequential:
    conv = nn.Conv2d(width, CLASSES, 1)
    nn.init.normal_(conv.weight, std=0.01)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return nn.Sequential(Dropout(DROP, channels=True), conv)
