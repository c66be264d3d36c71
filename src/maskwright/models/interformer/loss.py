"""The normalised focal loss, of both heads.

Sofiiuk, Barinova, Konushin, "AdaptIS: Adaptive Instance Selection Network", ICCV 2019,
arXiv:1909.07829, section 3.3.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from maskwright.models.interformer.model import Training

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
