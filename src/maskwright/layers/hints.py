"""Local colour hints: what the known pixels around an unknown one suggest. No parameters.

Not in the paper: a compact network sees few photos in training. Telling it the mean colours of
the known foreground and background nearby, and the alpha that the two explain best, spares it
from learning to carry colours across the unknown band.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

CHANNELS = 10  # foreground and background colour, explained alpha, distance to the line, trimap
STRIDES = (2, 4, 8, 16, 32)
TRUST = 1e-3  # share of known pixels in a window from which its own mean outweighs coarser ones
SURE = 0.99  # a value nearer than this to 0 or 1 is known; means over a pixel's parts must be exact


class NearColours(NamedTuple):
    """The colours of the known pixels nearby.

    Attributes:
        foreground: Mean colour of sure foreground.
        background: Mean colour of sure background.
    """

    foreground: Float[Tensor, "batch 3 height width"]
    background: Float[Tensor, "batch 3 height width"]


def near_colours(
    rgb: Float[Tensor, "batch 3 height width"], trimap: Float[Tensor, "batch 1 height width"]
) -> NearColours:
    """Return the colours spread from the known pixels.

    Args:
        rgb: Colours, in any linear scale of order one.
        trimap: 0 background, 1 foreground, anything between is unknown.
    """
    return NearColours(
        spread(rgb, (trimap > SURE).to(rgb.dtype)), spread(rgb, (trimap < 1 - SURE).to(rgb.dtype))
    )


def colour_hints(
    rgb: Float[Tensor, "batch 3 height width"],
    trimap: Float[Tensor, "batch 1 height width"],
    near: NearColours,
) -> Float[Tensor, "batch hint height width"]:
    """Return ten maps: foreground (3), background (3), alpha (1), residual (1), known (2).

    With F and B the colours nearby, the alpha that explains I best is
    `(I - B) . (F - B) / |F - B|^2`, clipped to [0, 1]; known pixels keep their own.
    """
    is_foreground, is_background = (trimap > SURE).to(rgb.dtype), (trimap < 1 - SURE).to(rgb.dtype)
    foreground, background = near
    axis, offset = foreground - background, rgb - background
    alpha = (offset * axis).sum(1, keepdim=True) / (axis.square().sum(1, keepdim=True) + 1e-2)
    alpha = (alpha.clamp(0, 1) * (1 - is_background)).maximum(is_foreground)
    residual = (offset - alpha * axis).square().sum(1, keepdim=True).add(1e-6).sqrt()
    return torch.cat([foreground, background, alpha, residual, is_foreground, is_background], dim=1)


def spread(
    rgb: Float[Tensor, "batch 3 height width"], known: Float[Tensor, "batch 1 height width"]
) -> Float[Tensor, "batch 3 height width"]:
    """Return the mean colour of the known pixels near each pixel, 0 where none is near.

    Means are taken in windows of growing size; the smallest window that holds known pixels
    counts most. The grid of windows starts at the origin: tiles agree with the whole image when
    their origins are multiples of the largest stride.
    """
    height, width = rgb.shape[2:]
    levels = [_sums(rgb, known)]
    for stride, before in zip(STRIDES[1:], STRIDES, strict=False):
        levels.append(F.avg_pool2d(levels[-1], stride // before))
    colour = torch.zeros_like(levels[-1][:, :3])
    for level in reversed(levels):
        if colour.shape[2:] != level.shape[2:]:
            colour = double(colour)
        near = F.avg_pool2d(F.pad(level, (1, 1, 1, 1)), 3, stride=1)
        colour = (near[:, :3] + TRUST * colour) / (near[:, 3:] + TRUST)
    return double(colour)[:, :, :height, :width]


def _sums(
    rgb: Float[Tensor, "batch 3 height width"], known: Float[Tensor, "batch 1 height width"]
) -> Float[Tensor, "batch 4 half_height half_width"]:
    """Return the means of known colours and of `known` in the smallest windows."""
    height, width = rgb.shape[2:]
    sums = torch.cat([rgb * known, known], 1)
    sums = F.pad(sums, (0, -width % STRIDES[-1], 0, -height % STRIDES[-1]))
    return F.avg_pool2d(sums, STRIDES[0])


def double(
    x: Float[Tensor, "batch channel height width"],
) -> Float[Tensor, "batch channel double_height double_width"]:
    """Return x at twice the size, interpolated bilinearly."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
