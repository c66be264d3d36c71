"""The losses of MEMatte, section 3.4: alpha as in ViTMatte, distillation, and the token budget.

All weigh the same in the paper. Alpha's losses count per pixel of the region they cover, times
512 x 512, as in the official code, so that photos with small unknown regions weigh as much.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from maskwright.ops.processes import mean_over_processes, ratio

CROP_PIXELS = 512 * 512
BUDGET = 0.25
LEVELS = 5


class AlphaLosses(NamedTuple):
    """The four losses of alpha.

    Attributes:
        unknown: Absolute difference in the unknown region.
        known: Absolute difference in the known regions.
        gradient: Difference of image gradients in the unknown region, and a little smoothness.
        laplacian: Difference of Laplacian pyramids.
    """

    unknown: Tensor
    known: Tensor
    gradient: Tensor
    laplacian: Tensor


def alpha_losses(
    prediction: Float[Tensor, "batch 1 height width"],
    alpha: Float[Tensor, "batch 1 height width"],
    unknown: Bool[Tensor, "batch 1 height width"],
) -> AlphaLosses:
    """Return the losses that compare alpha to the truth, in its number format.

    The network learns from their sum.

    Args:
        prediction: Of the network, in (0, 1).
        alpha: The truth.
        unknown: Where the trimap is unknown.
    """
    mask = unknown.to(alpha.dtype)
    with torch.autocast(alpha.device.type, enabled=False):  # small differences of large numbers
        prediction = prediction.to(alpha.dtype)
        return AlphaLosses(
            region_loss(prediction, alpha, mask),
            region_loss(prediction, alpha, 1 - mask),
            gradient_loss(prediction, alpha, mask),
            laplacian_loss(prediction, alpha),
        )


def region_loss(
    prediction: Float[Tensor, "batch 1 height width"],
    alpha: Float[Tensor, "batch 1 height width"],
    region: Float[Tensor, "batch 1 height width"],
) -> Float[Tensor, ""]:
    """Return `mean(|p - a| region) * batch * 512^2 / sum(region)`; 0 where the region is empty."""
    return _per_crop((prediction - alpha).abs(), region)


def gradient_loss(
    prediction: Float[Tensor, "batch 1 height width"],
    alpha: Float[Tensor, "batch 1 height width"],
    region: Float[Tensor, "batch 1 height width"],
) -> Float[Tensor, ""]:
    """Return the difference of Sobel gradients and 1 % of the prediction's own, of both axes."""
    found, true = _sobel(prediction), _sobel(alpha)
    return sum(
        (
            _per_crop((found[:, axis] - true[:, axis]).abs(), region)
            + 0.01 * _per_crop(found[:, axis].abs(), region)
            for axis in (slice(0, 1), slice(1, 2))
        ),
        start=prediction.new_zeros(()),
    )


def laplacian_loss(
    prediction: Float[Tensor, "batch 1 height width"],
    alpha: Float[Tensor, "batch 1 height width"],
) -> Float[Tensor, ""]:
    """Return `sum_l 2^l mean |band_l(p) - band_l(a)| / 5` of pyramids with five bands.

    After Hou and Liu, "Context-Aware Image Matting for Simultaneous Foreground and Alpha
    Estimation", ICCV 2019, Eq. (4). Bands are linear, so that one pyramid of the difference does.
    """
    difference, total = prediction - alpha, prediction.new_zeros(())
    for level in range(LEVELS):
        even = difference[:, :, : difference.shape[2] // 2 * 2, : difference.shape[3] // 2 * 2]
        smaller = _blur(even)[:, :, ::2, ::2]
        total = total + 2**level * (even - _double(smaller)).abs().mean()
        difference = smaller
    return total / LEVELS


def distillation_loss(
    student: Float[Tensor, "batch channel rows columns"],
    teacher: Float[Tensor, "batch channel rows columns"],
) -> Float[Tensor, ""]:
    """Return the mean squared difference of the features that the decoders take."""
    return F.mse_loss(student, teacher)


def budget_loss(
    keep: Float[Tensor, "batch router rows columns"], budget: float = BUDGET
) -> Float[Tensor, ""]:
    """Return `(rho - budget)^2`, rho the share of tokens kept, over the batch and all routers.

    Only the average is held: an image or a router may keep more.

    Args:
        keep: Decisions, 0 or 1, with a straight-through gradient.
        budget: The share that shall be kept.
    """
    return (mean_over_processes(keep.mean()) - budget).square()


def _per_crop(difference: Tensor, region: Tensor) -> Tensor:
    total = (difference * region).mean() * region.shape[0]
    return CROP_PIXELS * ratio(total, region.sum())


def _sobel(x: Tensor) -> Tensor:
    """Return the gradients along x and y; zeros beyond the border."""
    along_x = x.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    return F.conv2d(x, torch.stack([along_x, along_x.T])[:, None], padding=1)


def _blur(x: Tensor) -> Tensor:
    line = x.new_tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), torch.outer(line, line)[None, None])


def _double(x: Tensor) -> Tensor:
    """Return x at twice the size: zeros between the pixels, then blurred."""
    spread = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    spread[:, :, ::2, ::2] = 4 * x
    return _blur(spread)
