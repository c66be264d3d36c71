"""The normalised focal loss, of both heads, and what the small network learns from instead.

Sofiiuk, Barinova, Konushin, "AdaptIS: Adaptive Instance Selection Network", ICCV 2019,
arXiv:1909.07829, section 3.3.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from maskwright.models.interformer.model import Training
from maskwright.ops.processes import ratio

IGNORED = 255
BALANCE = 0.5  # the same for object and background
FOCUS = 2  # gamma
AUXILIARY_WEIGHT = 0.4


class Losses(NamedTuple):
    """What the network learns from, by their sum.

    Attributes:
        focal: Of the head.
        auxiliary: Of the auxiliary head, already weighted.
    """

    focal: Tensor
    auxiliary: Tensor


def click_losses(found: Training, truth: UInt8[Tensor, "batch height width"]) -> Losses:
    """Return the losses of a batch.

    Args:
        found: Of the network.
        truth: 1 on the object, 0 beside it, 255 where it does not count.
    """
    auxiliary = AUXILIARY_WEIGHT * normalised_focal_loss(found.auxiliary, truth).mean()
    return Losses(normalised_focal_loss(found.logits, truth).mean(), auxiliary)


class OverlapLosses(NamedTuple):
    """What the small network learns from, by their sum.

    Attributes:
        entropy: Cross-entropy of the head, per pixel.
        overlap: 1 - IoU of its probabilities.
        auxiliary: Both of the auxiliary head, already weighted.
    """

    entropy: Tensor
    overlap: Tensor
    auxiliary: Tensor


def overlap_losses(found: Training, truth: UInt8[Tensor, "batch height width"]) -> OverlapLosses:
    """Return cross-entropy and overlap of a batch. Not in the paper.

    The focal loss, normalised, never lets go of the pixels that no click has told about yet: in a
    run of thousands of steps, not hundreds of thousands, the network learned little but disks.

    Args:
        found: Of the network.
        truth: 1 on the object, 0 beside it, 255 where it does not count.
    """
    entropy, overlap = _entropy_and_overlap(found.logits, truth)
    auxiliary = torch.stack(_entropy_and_overlap(found.auxiliary, truth)).sum()
    return OverlapLosses(entropy, overlap, AUXILIARY_WEIGHT * auxiliary)


def _entropy_and_overlap(logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    margin, counts = logits[:, 1] - logits[:, 0], (truth != IGNORED).to(logits.dtype)
    wanted = (truth == 1).to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(margin, wanted, counts, reduction="sum")
    probability = margin.sigmoid() * counts
    together = (probability * wanted).sum((1, 2))
    either = (probability + wanted).sum((1, 2)) - together
    overlap = 1 - (together + 1) / (either + 1)  # 1 pixel: an empty truth is no division by zero
    return ratio(entropy, counts.sum()), overlap.mean()


def normalised_focal_loss(
    logits: Float[Tensor, "batch 2 height width"], truth: UInt8[Tensor, "batch height width"]
) -> Float[Tensor, " batch"]:
    """Return `mean(-b log(p) / 2)` of each sample, `b = (1 - p)^2 / mean((1 - p)^2)`.

    p is the probability of the truth; the mean, over the pixels that count, has no gradient in b.

    Args:
        logits: Of background and object.
        truth: 1 on the object, 0 beside it, 255 where it does not count.
    """
    eps = torch.finfo(torch.float32).eps
    counts = (truth != IGNORED).to(logits.dtype)
    probability = (logits[:, 1] - logits[:, 0]).sigmoid()
    right = 1 - (probability - (truth == 1).to(logits.dtype)).abs()
    right = right.where(truth != IGNORED, 1)
    focus = (1 - right) ** FOCUS
    pixels = counts.sum((1, 2))
    scale = (pixels / (focus.sum((1, 2)) + eps)).detach()
    surprise = -(right + eps).clamp_max(1).log()
    weighted = BALANCE * scale[:, None, None] * focus * surprise * counts
    return weighted.sum((1, 2)) / pixels.clamp_min(1)
