"""The losses of Mask2Former: match queries to the truth, then compare classes, and masks on points.

Sections 3.3 and 4.1; matching after Carion et al., "End-to-End Object Detection with Transformers",
ECCV 2020, arXiv:2005.12872. Every layer's prediction is matched and compared by itself. Unlike in
the official code, all of them are compared at points drawn once: the truth is read once for the
matching of all, and costs leave the accelerator together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from maskwright.errors import ShapeError
from maskwright.models.mask2former.decoder import Prediction
from maskwright.models.mask2former.model import Segments
from maskwright.ops.draws import generators
from maskwright.ops.points import centres_of_pixels, read_maps, read_masks
from maskwright.ops.processes import mean_over_processes

CLASS_WEIGHT, MASK_WEIGHT, DICE_WEIGHT = 2.0, 5.0, 5.0
NO_OBJECT_WEIGHT = 0.1  # of queries that stand for nothing, of which there are many
WORST_COST = 1e6  # instead of what is not a number

Pairs = tuple[Int[Tensor, " _"], Int[Tensor, " _"]]  # queries and targets, as many


class Target(NamedTuple):
    """What there is to find in an image.

    Attributes:
        classes: Of each segment, 0 to classes - 1.
        masks: Of each segment, at the size of the image.
    """

    classes: Int[Tensor, " target"]
    masks: Bool[Tensor, "target height width"]


class Losses(NamedTuple):
    """What the network learns from, by their sum; each weighted, and summed over all layers.

    Attributes:
        classes: Cross entropy of the classes.
        masks: Binary cross entropy of the masks.
        dice: Dice loss of the masks.
    """

    classes: Tensor
    masks: Tensor
    dice: Tensor


class Share(NamedTuple):
    """How much there is to find where a batch is dealt out: the mean over its equal parts.

    Attributes:
        targets: Of the images of a part.
        pairs: The same, but of an image no more than queries can be matched.
    """

    targets: Float[Tensor, ""]
    pairs: Float[Tensor, ""]


@dataclass(frozen=True)
class Sampling:
    """At how many points masks are compared, section 3.3.

    Attributes:
        points: Of each mask.
        oversample: How many times as many are tried to find uncertain ones.
        importance: Share of the points that are the most uncertain of those; others are uniform.
    """

    points: int = 12_544
    oversample: float = 3.0
    importance: float = 0.75


class Draws(NamedTuple):
    """Random points (x, y) in [0, 1], shared by the predictions of all layers.

    Attributes:
        matching: Of each image, where masks are compared to match them.
        tried: Of each pair, where the prediction is looked at to find uncertain points.
        fresh: Of each pair, where it is compared whatever it predicts.
        kept: How many of those tried are compared.
    """

    matching: Float[Tensor, "batch point 2"]
    tried: Float[Tensor, "pair tried 2"]
    fresh: Float[Tensor, "pair fresh 2"]
    kept: int


def segment_losses(
    found: Segments,
    targets: Sequence[Target],
    *,
    sampling: Sampling | None = Sampling(),
    draws: Draws | None = None,
    share: Share | None = None,
) -> Losses:
    """Return the losses of a batch, in fp32.

    Masks count as parts of all masks of the batch, and so do queries. Where the batch is dealt out,
    the mean over its parts is the loss of the whole.

    Args:
        found: Of the network, with its auxiliary predictions.
        targets: Of each image; masks may be larger than the logits, by any factor.
        sampling: How many points to compare; None compares whole masks, at the size of the
            targets, which takes several times as much memory.
        draws: The points, instead of random ones.
        share: Of the whole batch, if these images are not all that their process learns from in
            this step; None: of what the processes give here.

    Raises:
        ShapeError: If there are not as many targets as images.
    """
    images, queries = found.class_logits.shape[:2]
    if len(targets) != images:
        raise ShapeError(f"expected targets of {images} images, got {len(targets)}; give each its")
    device = found.mask_logits.device
    if draws is None and sampling is not None:
        draws = draw(targets, queries, sampling, device=device)
    if share is None:
        share = share_of([len(target.classes) for target in targets], queries, device=device)
    predictions = [Prediction(found.class_logits, found.mask_logits), *found.auxiliary]
    pairs = match(predictions, targets, None if draws is None else draws.matching)
    losses = [
        prediction_losses(each, targets, own, draws=draws, share=share)
        for each, own in zip(predictions, pairs, strict=True)
    ]
    return Losses(*(torch.stack(terms).sum() for terms in zip(*losses, strict=True)))


def share_of(targets: Sequence[int], queries: int, *, device: torch.device) -> Share:
    """Return the share of each process.

    Args:
        targets: How many each image of this process has.
        queries: How many the network has.
        device: Where it is wanted.
    """
    pairs = sum(min(queries, number) for number in targets)
    own = torch.tensor([sum(targets), pairs], dtype=torch.float32, device=device)
    return Share(*mean_over_processes(own))


def draw(
    targets: Sequence[Target],
    queries: int,
    sampling: Sampling,
    *,
    device: torch.device,
) -> Draws:
    """Return random points for a batch; those of each image are drawn from a seed of its own.

    Args:
        targets: Of each image.
        queries: How many the network has; no more targets of an image can be matched.
        sampling: How many points.
        device: Where the points are made.
    """
    kept = int(sampling.importance * sampling.points)
    tried = int(sampling.oversample * sampling.points)
    pairs = [min(queries, len(target.classes)) for target in targets]
    own = list(zip(pairs, generators(len(targets), device), strict=True))

    def points(number: int, source: torch.Generator, each: int) -> Tensor:
        return torch.rand(number, each, 2, device=device, generator=source)

    return Draws(
        torch.cat([points(1, source, sampling.points) for _, source in own]),
        torch.cat([points(number, source, tried) for number, source in own]),
        torch.cat([points(number, source, sampling.points - kept) for number, source in own]),
        kept,
    )


@torch.no_grad()
def match(
    predictions: Sequence[Prediction],
    targets: Sequence[Target],
    points: Float[Tensor, "batch point 2"] | None,
) -> list[list[Pairs]]:
    """Return, for each prediction and image, which query stands for which target.

    Args:
        predictions: Of the layers.
        targets: Of each image.
        points: Of each image, where masks are compared; None: at every pixel of the logits.
    """
    pairs: list[list[Pairs]] = [[] for _ in predictions]
    for image, target in enumerate(targets):
        if points is None:
            at = centres_of_pixels(*predictions[0].mask_logits.shape[2:]).to(target.masks.device)
        else:
            at = points[image]
        truth = read_masks(target.masks, at[None])
        costs = [
            matching_cost(
                each.class_logits[image].float(),
                read_maps(each.mask_logits[image].float(), at[None]),
                classes=target.classes,
                truth=truth,
            )
            for each in predictions
        ]
        for own, cost in zip(pairs, torch.stack(costs).cpu().numpy(), strict=True):
            query, chosen = (torch.from_numpy(x) for x in linear_sum_assignment(cost))
            own.append((query.to(truth.device), chosen.to(truth.device)))
    return pairs


def matching_cost(
    class_logits: Float[Tensor, "query class"],
    mask_logits: Float[Tensor, "query point"],
    *,
    classes: Int[Tensor, " target"],
    truth: Float[Tensor, "target point"],
) -> Float[Tensor, "query target"]:
    """Return `5 BCE - 2 p(class) + 5 Dice` of each query for each target, in fp32.

    What is not a number, as in a network gone wrong, costs much instead of stopping the matching.

    Args:
        class_logits: Of the queries.
        mask_logits: Of the queries, at points.
        classes: Of the targets.
        truth: Of the targets, at the same points.
    """
    shares = mask_logits.sigmoid()
    with torch.autocast(mask_logits.device.type, enabled=False):
        overlap, explained = shares @ truth.T, mask_logits @ truth.T
    entropy = F.softplus(mask_logits).sum(1, keepdim=True) - explained
    dice = 1 - (2 * overlap + 1) / (shares.sum(1, keepdim=True) + truth.sum(1) + 1)
    cost = MASK_WEIGHT * entropy / truth.shape[1] + DICE_WEIGHT * dice
    cost = cost - CLASS_WEIGHT * class_logits.softmax(1)[:, classes]
    return cost.nan_to_num(WORST_COST, WORST_COST, -WORST_COST)


def prediction_losses(
    found: Prediction,
    targets: Sequence[Target],
    pairs: Sequence[Pairs],
    *,
    draws: Draws | None,
    share: Share,
) -> Losses:
    """Return the weighted losses of one layer's prediction.

    Args:
        found: The prediction.
        targets: Of each image.
        pairs: Of each image, its queries and their targets.
        draws: Where masks are compared; None: everywhere.
        share: What the sums are divided by.
    """
    logits = torch.cat([
        found.mask_logits[image, queries] for image, (queries, _) in enumerate(pairs)
    ]).float()
    values, truth = (
        _whole(logits, targets, pairs)
        if draws is None
        else _at_points(logits, targets, pairs, draws)
    )
    entropy = F.binary_cross_entropy_with_logits(values, truth, reduction="none").mean(1)
    shares = values.sigmoid()
    overlap = 2 * (shares * truth).sum(1) + 1
    dice = 1 - overlap / (shares.sum(1) + truth.sum(1) + 1)
    number = share.targets.clamp_min(torch.finfo(torch.float32).tiny)  # without any, sums are 0
    return Losses(
        CLASS_WEIGHT * class_loss(found.class_logits.float(), targets, pairs, share=share),
        MASK_WEIGHT * entropy.sum() / number,
        DICE_WEIGHT * dice.sum() / number,
    )


def class_loss(
    logits: Float[Tensor, "batch query class"],
    targets: Sequence[Target],
    pairs: Sequence[Pairs],
    *,
    share: Share,
) -> Float[Tensor, ""]:
    """Return the weighted mean cross entropy; unmatched queries shall say "no object".

    Args:
        logits: Of the queries.
        targets: Of each image.
        pairs: Of each image, its queries and their targets.
        share: Says how many queries stand for something.
    """
    nothing = logits.shape[2] - 1
    classes = logits.new_full(logits.shape[:2], nothing, dtype=torch.int64)
    for image, (queries, chosen) in enumerate(pairs):
        classes[image, queries] = targets[image].classes[chosen]
    weight = logits.new_ones(nothing + 1)
    weight[nothing] = NO_OBJECT_WEIGHT
    total = F.cross_entropy(logits.transpose(1, 2), classes, weight, reduction="sum")
    return total / (share.pairs + NO_OBJECT_WEIGHT * (classes.numel() - share.pairs))


def _at_points(
    logits: Tensor, targets: Sequence[Target], pairs: Sequence[Pairs], draws: Draws
) -> tuple[Float[Tensor, "pair point"], Float[Tensor, "pair point"]]:
    """Return logits and truth where the prediction is least certain, and at fresh points."""
    with torch.no_grad():
        doubt = -read_maps(logits, draws.tried).abs()
        chosen = doubt.topk(draws.kept, dim=1).indices[..., None].expand(-1, -1, 2)
        points = torch.cat([draws.tried.gather(1, chosen), draws.fresh], 1)
        parts = points.split([len(queries) for queries, _ in pairs])
        truth = [
            read_masks(target.masks, at, chosen=own)
            for target, at, (_, own) in zip(targets, parts, pairs, strict=True)
        ]
    return read_maps(logits, points), torch.cat(truth)


def _whole(
    logits: Tensor, targets: Sequence[Target], pairs: Sequence[Pairs]
) -> tuple[Float[Tensor, "pair pixel"], Float[Tensor, "pair pixel"]]:
    """Return logits and truth of all pixels of the targets."""
    truth = torch.cat([
        target.masks[chosen] for target, (_, chosen) in zip(targets, pairs, strict=True)
    ])
    values = F.interpolate(
        logits[:, None], size=truth.shape[1:], mode="bilinear", align_corners=False
    )
    return values.flatten(1), truth.flatten(1).to(values.dtype)
