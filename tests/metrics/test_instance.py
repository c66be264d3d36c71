import contextlib
import io

import numpy as np
import pytest
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import ndimage

from maskwright.errors import ShapeError, UsageError
from maskwright.metrics.instance import InstancePrecision, boundary_iou, boundary_of
from maskwright.structures import rle
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

NAMES, SIZE = ("dog", "cat", "cow"), (53, 67)


def rectangle(top, bottom, left, right, size=SIZE):
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return mask


def photo(*objects, size=SIZE):
    """Return a segmentation of (mask, class, score or "crowd") objects."""
    segments = tuple(
        Segment(
            number,
            category,
            NAMES[category],
            rle.encode(mask),
            score=1.0 if score == "crowd" else score,
            is_crowd=score == "crowd",
        )
        for number, (mask, category, score) in enumerate(objects, start=1)
    )
    return Segmentation(size, "instance", NAMES, segments)


def random_photos(count=6, seed=0):
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        true, found = [], []
        for _ in range(rng.integers(1, 6)):
            top, left = rng.integers(0, 40), rng.integers(0, 50)
            height, width = rng.integers(10, 30, 2)
            category = int(rng.integers(0, 2))
            kind = "crowd" if rng.random() < 0.2 else 1.0
            true.append((rectangle(top, top + height, left, left + width), category, kind))
            for _ in range(rng.integers(0, 3)):
                shift = rng.integers(-2, 3, 4)
                mask = rectangle(
                    max(0, top + shift[0]),
                    top + height + shift[1],
                    max(0, left + shift[2]),
                    left + width + shift[3],
                )
                found.append((mask, category, float(rng.random())))
        pairs.append((photo(*true), photo(*found)))
    return pairs


def collected(pairs, **more):
    scores = InstancePrecision(NAMES, **more)
    for truth, prediction in pairs:
        scores.add(truth, prediction)
    return scores


def judged(pairs):
    """Return COCO's own AP and AP50, from its own way through files."""
    images, true, found = [], [], []
    for image, (truth, prediction) in enumerate(pairs, start=1):
        images.append({"id": image, "height": truth.size[0], "width": truth.size[1]})
        for rows, one in ((true, truth), (found, prediction)):
            for s in one.segments:
                code = coco.encode(np.asfortranarray(s.mask().astype(np.uint8)))
                row = {"image_id": image, "category_id": s.category_id, "segmentation": code}
                rows.append(
                    row
                    | {"area": int(coco.area(code)), "iscrowd": int(s.is_crowd)}
                    | {"id": len(rows) + 1, "score": s.score}
                )
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": images,
            "annotations": true,
            "categories": [{"id": i} for i in range(3)],
        }
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(found), "segm")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats[:2]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mask_ap_is_coco_s(seed):
    pairs = random_photos(seed=seed)
    ours = collected(pairs).masks()
    assert 0.05 < ours.ap < ours.ap50 < 1
    assert (ours.ap, ours.ap50) == pytest.approx(judged(pairs).tolist(), abs=1e-12)
    assert ours.per_class["cow"] is None, "nowhere true"
    assert np.mean([ours.per_class["dog"], ours.per_class["cat"]]) == pytest.approx(ours.ap)


def test_ap_by_hand():
    mask = rectangle(10, 30, 10, 30)
    shifted = rectangle(10, 30, 12, 32)  # IoU 18 / 22 = 0.82: above 0.5, 0.55, … 0.8
    found = collected([(photo((mask, 0, 1.0)), photo((shifted, 0, 0.5)))]).masks()
    assert (found.ap, found.ap50) == pytest.approx((0.7, 1))
    nothing = collected([(photo((mask, 0, 1.0)), photo())]).scores()
    assert nothing == {"ap": 0, "ap50": 0, "boundary_ap": 0}


@pytest.mark.parametrize("size", [(53, 67), (31, 29), (5, 5)])
def test_a_boundary_is_what_erosion_takes_away(size):
    rng = np.random.default_rng(3)
    mask = ndimage.binary_dilation(rng.random(size) < 0.02, iterations=5)
    mask[:4, :5] = True  # at the photo's edge, which is an outline, too
    distance = max(1, round(0.02 * np.hypot(*size)))
    square = np.ones((2 * distance + 1,) * 2, bool)
    expected = mask & ~ndimage.binary_erosion(mask, square)
    found = rle.decode(boundary_of(photo((mask, 0, 1.0), size=size).segments[0]))
    np.testing.assert_array_equal(found, expected)


def test_boundary_iou_by_hand():
    size = (100, 100)  # 2 % of the diagonal are 3 pixels
    one, other = (
        photo((rectangle(20, 60, left, left + 40, size), 0, 1.0), size=size).segments[0]
        for left in (20, 21)
    )
    # A frame of 40² - 34² pixels; moved by one, columns 20 and 60 differ, and inner ones.
    frame = 40**2 - 34**2
    shared = 2 * 3 * 39 + 2 * 2 * 34
    assert boundary_iou(one, other) == pytest.approx(shared / (2 * frame - shared))
    assert boundary_iou(one, one) == 1
    with pytest.raises(ShapeError, match="one size"):
        boundary_iou(one, photo((rectangle(0, 3, 0, 3), 0, 1.0)).segments[0])


def test_boundary_ap_takes_the_smaller_iou():
    size = (100, 100)
    true, found = rectangle(20, 60, 20, 60, size), rectangle(20, 60, 21, 61, size)
    scores = collected([(photo((true, 0, 1.0), size=size), photo((found, 0, 0.5), size=size))])
    # Mask IoU 39 / 41 = 0.951; boundary IoU 370 / 518 = 0.71: thresholds 0.5 to 0.7.
    assert (scores.masks().ap, scores.boundaries().ap) == pytest.approx((1, 0.5))
    # A thin ring fits its own boundary, not the disc's mask: there the mask IoU is the smaller.
    ring = true & ~rectangle(24, 56, 24, 56, size)
    scores = collected([(photo((true, 0, 1.0), size=size), photo((ring, 0, 0.5), size=size))])
    assert scores.boundaries().ap50 == 0


def test_crowds_are_compared_by_masks():
    crowd = rectangle(0, 50, 0, 60)
    inside = rectangle(10, 20, 10, 20)
    extra = rectangle(30, 45, 30, 45)
    truth = photo((crowd, 0, "crowd"), (inside, 0, 1.0))
    scores = collected([(truth, photo((inside, 0, 0.5), (extra, 0, 0.9)))]).scores()
    assert list(scores) == ["ap", "ap50", "boundary_ap"]
    assert list(scores.values()) == pytest.approx([1, 1, 1]), "what lies in a crowd is not wrong"


def test_stuff_does_not_count_and_boundaries_can_be_left_out():
    mask = rle.encode(rectangle(3, 9, 3, 9))
    stuff = Segmentation(SIZE, "instance", NAMES, (Segment(1, 0, "dog", mask, is_thing=False),))
    scores = collected([(stuff, stuff)], with_boundary=False)
    with pytest.raises(UsageError, match="one true object or more, got none"):
        scores.scores()
    with pytest.raises(UsageError, match="boundary AP needs boundaries"):
        scores.boundaries()
    truth = photo((rectangle(3, 9, 3, 9), 0, 1.0))
    scores = collected([(truth, truth)], with_boundary=False).scores()
    assert scores == pytest.approx({"ap": 1, "ap50": 1})


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ShapeError, match="one size"):
        collected([(photo(), photo(size=(3, 5)))])
    with pytest.raises(UsageError, match="the truth must have the 3 classes counted"):
        collected([(Segmentation(SIZE, "instance", ("dog",), ()), photo())])
    crowd = photo((rectangle(3, 9, 3, 9), 0, "crowd"))
    with pytest.raises(UsageError, match="got a crowd region; split it"):
        collected([(photo(), crowd)])
    with pytest.raises(UsageError, match="one true object or more"):
        collected([(crowd, photo())]).scores()
