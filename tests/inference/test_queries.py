from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from maskwright.inference import queries
from maskwright.inference.enlarging import Sizes, masks_to_photo, tiles
from maskwright.inference.queries import Queries, instances, panoptic, semantic
from maskwright.structures.class_list import ClassList

RECORDED = Path(__file__).parents[1] / "parity" / "mask2former_behaviour.pt"


@pytest.fixture(scope="module")
def recorded():
    return torch.load(RECORDED, weights_only=True)["post"]


@pytest.fixture(scope="module")
def classes(recorded):
    things = recorded["thing_ids"]
    return ClassList(tuple("abcdefg"), tuple(index in things for index in range(7)))


@pytest.fixture(scope="module")
def found(recorded):
    masks = recorded["mask_logits_quarter"]
    sizes = Sizes(
        tuple(masks.shape[1:]),
        tuple(recorded["padded"]),
        tuple(recorded["image_size"]),
        tuple(recorded["output_size"]),
    )
    return Queries(recorded["mask_cls"], masks, sizes)


def plainly_enlarged(masks, sizes):
    """Return all masks at full size, as the official code makes them."""
    x = F.interpolate(masks[None], sizes.padded, mode="bilinear")
    x = x[..., : sizes.seen[0], : sizes.seen[1]]
    return F.interpolate(x, sizes.photo, mode="bilinear")[0]


@pytest.mark.parametrize("side_px", [17, 64, 512])
def test_the_panoptic_segments_are_the_official_ones(
    found, classes, recorded, side_px, monkeypatch
):
    monkeypatch.setattr(queries, "tiles", lambda size: tiles(size, side_px))
    segmentation = panoptic(found, classes)
    labels, rows = recorded["panoptic"]
    assert np.array_equal(segmentation.label_map(), labels.numpy())
    assert [(s.id, s.is_thing, s.category_id) for s in segmentation.segments] == [
        (row["id"], row["isthing"], row["category_id"]) for row in rows
    ]


@pytest.mark.parametrize("things_only", [True, False])
def test_the_instances_are_the_official_ones(found, classes, recorded, things_only):
    kind = "panoptic" if things_only else "instance"
    official = recorded[f"instances_{kind}_model"]
    order = official["scores"].argsort(descending=True)
    segmentation = instances(found, classes, most=recorded["topk"], things_only=things_only)
    scores = [segment.score for segment in segmentation.segments]
    assert scores == pytest.approx(official["scores"][order].tolist(), abs=1e-5)
    assert [s.category_id for s in segmentation.segments] == official["classes"][order].tolist()
    for segment, mask in zip(segmentation.segments, official["masks"][order], strict=True):
        assert np.array_equal(segment.mask(), mask.numpy())


def test_the_classes_of_pixels_are_the_official_ones(found, classes, recorded):
    labels = semantic([found], classes).label_map()
    assert np.array_equal(labels, recorded["semantic_argmax"].numpy())


def test_scores_can_be_made_first_and_then_enlarged(found, classes):
    sizes = found.sizes
    x = F.interpolate(found.mask_logits[None], sizes.padded, mode="bilinear").sigmoid()
    x = x[..., : sizes.seen[0], : sizes.seen[1]]
    weights = found.class_logits.softmax(-1)[:, :-1]
    scores = torch.einsum("qc,bqhw->bchw", weights, x)
    expected = F.interpolate(scores, sizes.photo, mode="bilinear")[0].argmax(0)
    labels = semantic([found], classes, scores_first=True).label_map()
    assert np.mean(labels != expected.numpy()) < 1e-3


@pytest.mark.parametrize("scores_first", [False, True])
def test_a_mirrored_view_counts_as_much_as_a_straight_one(found, classes, scores_first):
    whole = Sizes((32, 40), (128, 160), (128, 160), (180, 225))  # nothing filled up
    straight = Queries(found.class_logits, found.mask_logits, whole)
    mirrored = Queries(found.class_logits, found.mask_logits.flip(2), whole, is_mirrored=True)
    one = semantic([straight], classes, scores_first=scores_first).label_map()
    for views in ([mirrored], [straight, mirrored]):
        labels = semantic(views, classes, scores_first=scores_first).label_map()
        assert np.mean(labels != one) < 1e-3
    other = semantic([Queries(found.class_logits, found.mask_logits.flip(2), whole)], classes)
    assert np.mean(other.label_map() != one) > 0.1


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes((32, 40), (128, 160), (120, 150), (37, 500)),
        Sizes((8, 8), (32, 32), (1, 32), (1, 900)),
        Sizes((8, 8), (32, 32), (20, 31), (20, 31)),
    ],
)
def test_tiles_equal_the_whole(sizes):
    generator = torch.Generator().manual_seed(0)
    masks = torch.randn(3, *sizes.mask, generator=generator)
    enlarging, expected = masks_to_photo(sizes), plainly_enlarged(masks, sizes)
    covered = torch.zeros(sizes.photo)
    for tile in tiles(sizes.photo, 13):
        seen = enlarging.needed(masks, tile)
        part = enlarging.enlarged(seen, tile)
        torch.testing.assert_close(part, expected[:, tile.rows, tile.columns], atol=1e-5, rtol=0)
        assert (part <= seen.amax((1, 2), keepdim=True) + 1e-5).all()
        assert (part >= seen.amin((1, 2), keepdim=True) - 1e-5).all()
        covered[tile.rows, tile.columns] += 1
    assert (covered == 1).all()


def test_nothing_sure_gives_no_segment(found, classes):
    unsure = Queries(found.class_logits * 0, found.mask_logits, found.sizes)
    assert panoptic(unsure, classes).segments == ()
    nobody = Queries(found.class_logits, found.mask_logits * 0 - 9, found.sizes)
    assert panoptic(nobody, classes).segments == instances(nobody, classes).segments == ()


def test_thresholds(found, classes):
    usual = panoptic(found, classes)
    assert len(panoptic(found, classes, score_threshold=0.99).segments) < len(usual.segments)
    assert len(panoptic(found, classes, overlap_threshold=0.0).segments) >= len(usual.segments)
    scores = [s.score for s in instances(found, classes, score_threshold=0.9).segments]
    assert scores and min(scores) > 0.9


def test_no_mask_of_all_queries_exists_at_full_size(found, classes, monkeypatch):
    sizes = Sizes(found.sizes.mask, found.sizes.padded, found.sizes.seen, (1500, 2000))
    large, most = Queries(found.class_logits, found.mask_logits, sizes), []
    plain = queries.Enlarging.enlarged

    def watched(self, needed, tile):
        part = plain(self, needed, tile)
        most.append(part.numel())
        return part

    monkeypatch.setattr(queries.Enlarging, "enlarged", watched)
    panoptic(large, classes)
    instances(large, classes)
    semantic([large], classes)
    assert max(most) <= 20 * 256 * 256
