"""From a Mask2Former's queries to segments: the three tasks.

Cheng et al., "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR 2022,
arXiv:2112.01527; the rules are those of the authors' code. No mask of all queries ever exists at
the photo's size: it is worked on in tiles, and in a tile with those queries only that can matter
there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int16, Int64
from torch import Tensor

from maskwright.inference.enlarging import (
    Enlarging,
    Sizes,
    Tile,
    masks_to_photo,
    masks_to_seen,
    seen_to_photo,
    tiles,
)
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation, semantic_segmentation

SCORE, OVERLAP = 0.8, 0.8
MOST_INSTANCES = 100
NOBODY = -1
_SLACK = 1e-5  # what rounding may do to a bound


@dataclass(frozen=True, eq=False)
class Queries:
    """What the network says about a photo.

    Attributes:
        class_logits: Of the classes and, last, of "no object".
        mask_logits: At a quarter of what the network saw.
        sizes: What masks go through on their way to the photo's size.
        is_mirrored: Whether the network saw the photo mirrored.
    """

    class_logits: Float[Tensor, "query class"]
    mask_logits: Float[Tensor, "query rows columns"]
    sizes: Sizes
    is_mirrored: bool = False

    def enlarging(self) -> Enlarging:
        """Return how masks come to the photo's size."""
        return masks_to_photo(self.sizes, is_mirrored=self.is_mirrored)


def panoptic(
    found: Queries,
    classes: ClassList,
    *,
    score_threshold: float = SCORE,
    overlap_threshold: float = OVERLAP,
) -> Segmentation:
    """Return segments that share no pixel.

    A pixel goes to the query with the largest product of class and mask probability, if its mask
    probability is a half or more. Stuff of one class is one segment.

    Args:
        found: Of the network.
        classes: Their names, and which are things.
        score_threshold: A query must be surer of its class than this.
        overlap_threshold: A query must be left at least so much, as a share of its own mask.
    """
    scores, labels = found.class_logits.softmax(-1).max(-1)
    kept = (labels < len(classes.names)) & (scores > score_threshold)
    scores, labels = scores[kept], labels[kept]
    painted = _painted(found.mask_logits[kept], scores, found.enlarging(), enough=overlap_threshold)
    numbers = _numbers(painted, labels.tolist(), classes, overlap_threshold)
    table = np.array([*numbers, 0], np.int32)  # the last one is nobody's
    codes = rle.encode_labels(table[painted.owners])
    segments = []
    for number in range(1, max(numbers, default=0) + 1):
        mine = [query for query, other in enumerate(numbers) if other == number]
        score = max(float(scores[query]) for query in mine)
        segments.append(_segment(number, int(labels[mine[0]]), codes[number], score, classes))
    return Segmentation(found.sizes.photo, "panoptic", classes.names, tuple(segments))


def instances(
    found: Queries,
    classes: ClassList,
    *,
    most: int = MOST_INSTANCES,
    score_threshold: float = 0.0,
    things_only: bool = True,
) -> Segmentation:
    """Return objects, which may overlap, the surest first.

    A query may come several times, with several classes. The score is that of the class times the
    mean probability of the mask.

    Args:
        found: Of the network.
        classes: Their names, and which are things.
        most: Pairs of a query and a class that are looked at, before stuff is left out.
        score_threshold: What is not surer than this is left out.
        things_only: Leave out stuff, for networks that were trained for panoptic segmentation.
    """
    probabilities = found.class_logits.softmax(-1)[:, :-1]
    count = probabilities.shape[1]
    scores, pairs = probabilities.flatten().topk(min(most, probabilities.numel()))
    enlarging = found.enlarging()
    masks: dict[int, _Mask] = {}
    rows = []
    for score, pair in zip(scores.tolist(), pairs.tolist(), strict=True):
        query, label = divmod(pair, count)
        if score <= score_threshold or (things_only and not classes.is_thing[label]):
            continue
        if query not in masks:
            masks[query] = _mask(found.mask_logits[query], enlarging)
        mask = masks[query]
        if score * mask.probability > score_threshold:
            rows.append((score * mask.probability, label, mask.code))
    rows.sort(key=lambda row: row[0], reverse=True)
    segments = tuple(
        _segment(number, label, code, score, classes)
        for number, (score, label, code) in enumerate(rows, start=1)
    )
    return Segmentation(found.sizes.photo, "instance", classes.names, segments)


def semantic(
    views: Sequence[Queries], classes: ClassList, *, scores_first: bool = False
) -> Segmentation:
    """Return one segment for each class there is; every pixel has a class.

    A class's score at a pixel is the sum, over the queries, of class and mask probability.

    Args:
        views: Of the same photo, seen at several sizes or mirrored; their scores are added up.
        classes: Their names.
        scores_first: Make scores at the size seen and enlarge them, as networks are scored that
            were trained for this task alone; else masks are enlarged first.
    """
    size = views[0].sizes.photo
    labels = np.empty(size, np.uint8)
    readers = [_scores_first(view) if scores_first else _masks_first(view) for view in views]
    for tile in tiles(size):
        scores = sum((read(tile) for read in readers), torch.zeros(()))
        labels[tile.rows, tile.columns] = scores.argmax(0).byte().cpu().numpy()
    return semantic_segmentation(labels, classes.names, is_thing=classes.is_thing)


@dataclass(frozen=True, eq=False)
class _Painted:
    """Which query each pixel belongs to.

    Attributes:
        owners: Its number; `NOBODY` where the best one's own mask says no.
        best_px: Of each query, pixels where it is the best; left out may be pixels far from all
            masks, if it is left enough without them.
        mask_px: Of each query, pixels of its own mask.
    """

    owners: Int16[np.ndarray, "h w"]
    best_px: Int64[np.ndarray, " query"]
    mask_px: Int64[np.ndarray, " query"]


def _painted(
    masks: Float[Tensor, "query rows columns"],
    scores: Float[Tensor, " query"],
    enlarging: Enlarging,
    *,
    enough: float,
) -> _Painted:
    """Return which query each pixel belongs to.

    Tiles without a pixel in any mask only tell who is the best there, which seldom matters: they
    are looked at if a query may otherwise seem to be left too little.
    """
    count = len(scores)
    owners = np.full(enlarging.size, NOBODY, np.int16)
    best_px, mask_px = np.zeros(count, np.int64), np.zeros(count, np.int64)
    outside = list[Tile]()
    for tile in tiles(enlarging.size) if count else ():
        part = enlarging.needed(masks, tile)
        if part.max() < -_SLACK:
            outside.append(tile)
            continue
        best, logit, inside_px = _best(part, scores, tile=tile, enlarging=enlarging)
        mask_px += inside_px
        best_px += np.bincount(best.ravel(), minlength=count)
        owners[tile.rows, tile.columns] = np.where(logit >= 0, best, NOBODY)
    if (best_px < enough * mask_px).any():
        for tile in outside:
            part = enlarging.needed(masks, tile)
            best, _, _ = _best(part, scores, tile=tile, enlarging=enlarging)
            best_px += np.bincount(best.ravel(), minlength=count)
    return _Painted(owners, best_px, mask_px)


def _best(
    part: Float[Tensor, "query tile_rows tile_columns"],
    scores: Float[Tensor, " query"],
    *,
    tile: Tile,
    enlarging: Enlarging,
) -> tuple[
    Int64[np.ndarray, "height width"],
    Float[np.ndarray, "height width"],
    Int64[np.ndarray, " query"],
]:
    """Return the best query of each pixel of a tile, its mask's logit, and what masks cover.

    Of equals the first is the best. What masks cover are pixels of the tile, for each query.

    Args:
        part: What the tile needs of the masks.
        scores: Of the queries' classes.
        tile: A part of the photo.
        enlarging: How masks come to the photo's size.
    """
    low, high = part.amin((1, 2)), part.amax((1, 2))
    surest = (scores * low.sigmoid()).max()
    may_win = (scores * high.sigmoid() >= surest - _SLACK).tolist()
    covers_some = ((low <= _SLACK) & (high >= -_SLACK)).tolist()
    height, width = (each.stop - each.start for each in tile)
    pixels = torch.where(low > _SLACK, height * width, 0)
    best, logit = part.new_zeros(2, height, width)
    product = torch.full_like(best, -1.0)
    for query, score in enumerate(scores):  # many times faster than `argmax` over all
        if not (may_win[query] or covers_some[query]):
            continue
        its_logit = enlarging.enlarged(part[query], tile)
        if covers_some[query]:
            pixels[query] = (its_logit >= 0).sum()
        if may_win[query]:
            its_product = its_logit.sigmoid().mul_(score)
            is_better = its_product > product
            best = torch.where(is_better, float(query), best)
            logit = torch.where(is_better, its_logit, logit)
            product = torch.maximum(product, its_product)
    return best.long().cpu().numpy(), logit.cpu().numpy(), pixels.cpu().numpy()


def _numbers(
    painted: _Painted, labels: Sequence[int], classes: ClassList, overlap_threshold: float
) -> list[int]:
    """Return the number of the segment that each query becomes or joins; 0 for none."""
    final_px = np.bincount(painted.owners.ravel().astype(np.int64) + 1, minlength=len(labels) + 1)
    numbers, count = [], 0
    stuff: dict[int, int] = {}
    for query, label in enumerate(labels):
        is_left_enough = painted.best_px[query] >= overlap_threshold * painted.mask_px[query]
        if not final_px[query + 1] or not is_left_enough:
            numbers.append(0)
        elif label in stuff:
            numbers.append(stuff[label])
        else:
            count += 1
            numbers.append(count)
            if not classes.is_thing[label]:
                stuff[label] = count
    return numbers


@dataclass(frozen=True, eq=False)
class _Mask:
    """The mask of an instance.

    Attributes:
        code: COCO's run-length code.
        probability: The mean over its pixels; 0 if there is none.
    """

    code: Mapping[str, Any]
    probability: float


def _mask(logits: Float[Tensor, "rows columns"], enlarging: Enlarging) -> _Mask:
    mask = np.zeros(enlarging.size, np.bool_)
    total, pixels = 0.0, 0
    for tile in tiles(enlarging.size):
        needed = enlarging.needed(logits, tile)
        if needed.max() <= 0:
            continue
        part = enlarging.enlarged(needed, tile)
        inside = part > 0
        total += float(part[inside].sigmoid().sum())
        pixels += int(inside.sum())
        mask[tile.rows, tile.columns] = inside.cpu().numpy()
    return _Mask(rle.encode(mask), total / (pixels + 1e-6))


def _masks_first(view: Queries) -> Any:
    weights, enlarging = view.class_logits.softmax(-1)[:, :-1], view.enlarging()

    def read(tile: Tile) -> Float[Tensor, "class height width"]:
        masks = enlarging.enlarged(enlarging.needed(view.mask_logits, tile), tile).sigmoid()
        return torch.einsum("qc,qhw->chw", weights, masks)

    return read


def _scores_first(view: Queries) -> Any:
    weights = view.class_logits.softmax(-1)[:, :-1]
    first = masks_to_seen(view.sizes)
    then = seen_to_photo(view.sizes, is_mirrored=view.is_mirrored)

    def read(tile: Tile) -> Float[Tensor, "class height width"]:
        seen = Tile(then.rows.cells(tile.rows), then.columns.cells(tile.columns))
        masks = first.enlarged(first.needed(view.mask_logits, seen), seen).sigmoid()
        scores = torch.einsum("qc,qhw->chw", weights, masks)
        down = then.rows.matrix[tile.rows, seen.rows]
        across = then.columns.matrix[tile.columns, seen.columns]
        return down @ scores @ across.T

    return read


def _segment(
    number: int, label: int, code: Mapping[str, Any], score: float, classes: ClassList
) -> Segment:
    return Segment(
        number,
        label,
        classes.names[label],
        code,
        is_thing=classes.is_thing[label],
        score=min(score, 1.0),
    )
