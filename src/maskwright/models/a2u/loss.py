"""The losses of A2U matting, section 4.2, and the Laplacian loss of the compact network."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from maskwright.ops.processes import count, ratio

EPSILON = 1e-6


class Composition(NamedTuple):
    """What an image was made of, all (batch, 3, height, width) in [0, 1]."""

    foreground: Tensor
    background: Tensor
    image: Tensor


def alpha_loss(
    prediction: Float[Tensor, "batch 1 h w"],
    alpha: Float[Tensor, "batch 1 h w"],
    unknown: Float[Tensor, "batch 1 h w"],
) -> Float[Tensor, ""]:
    """Return the Charbonnier difference of alpha over the unknown pixels, Eq. (8).

    `mean_batch sum sqrt(((p - a) m)^2 + eps^2) / (sum m + 1)`; the root covers known pixels
    too, as in the official code, and adds eps for each.
    """
    return _charbonnier(prediction - alpha, unknown)


def composition_loss(
    prediction: Float[Tensor, "batch 1 h w"],
    composition: Composition,
    unknown: Float[Tensor, "batch 1 h w"],
) -> Float[Tensor, ""]:
    """Return the Charbonnier difference of `p F + (1 - p) B` to the image, colours summed."""
    foreground, background, image = composition
    again = prediction * foreground + (1 - prediction) * background
    return _charbonnier(again - image, unknown)


def matting_loss(
    prediction: Float[Tensor, "batch 1 h w"],
    alpha: Float[Tensor, "batch 1 h w"],
    unknown: Float[Tensor, "batch 1 h w"],
    *,
    composition: Composition,
) -> Float[Tensor, ""]:
    """Return the paper's loss: half the alpha loss and half the composition loss."""
    return 0.5 * alpha_loss(prediction, alpha, unknown) + 0.5 * composition_loss(
        prediction, composition, unknown
    )


def squared_loss(
    prediction: Float[Tensor, "batch 1 h w"],
    alpha: Float[Tensor, "batch 1 h w"],
    unknown: Float[Tensor, "batch 1 h w"],
) -> Float[Tensor, ""]:
    """Return the mean squared difference of alpha over the unknown pixels."""
    return ratio(((prediction - alpha) * unknown).square().sum(), unknown.sum())


def laplacian_loss(
    prediction: Float[Tensor, "batch 1 h w"],
    alpha: Float[Tensor, "batch 1 h w"],
    unknown: Float[Tensor, "batch 1 h w"],
    *,
    levels: int = 4,
) -> Float[Tensor, ""]:
    """Return the absolute difference of the Laplacian pyramids, per unknown pixel.

    Not in the paper; after Niklaus and Liu, "Context-aware Synthesis for Video Frame
    Interpolation", CVPR 2018, Eq. (7): level l weighs 2^l. Known pixels take part as known.

    Args:
        prediction: Raw alpha.
        alpha: The truth.
        unknown: 1 where the trimap is unknown, else 0.
        levels: Levels of the pyramid; height and width are multiples of 2^levels.
    """
    difference = (prediction - alpha) * unknown
    total = difference.new_zeros(())
    for level in range(levels):
        smaller = F.avg_pool2d(difference, 2)
        up = F.interpolate(smaller, scale_factor=2.0, mode="bilinear", align_corners=False)
        # A difference at level l stands for 4^l pixels and weighs 2^l.
        total = total + 4**level * 2**level * (difference - up).abs().sum()
        difference = smaller
    return ratio(total, unknown.sum() + 1 / count())


def _charbonnier(difference: Tensor, mask: Tensor) -> Tensor:
    distance = torch.sqrt((difference * mask).square() + EPSILON**2)
    return (distance.sum((1, 2, 3)) / (mask.sum((1, 2, 3)) + 1)).mean()
