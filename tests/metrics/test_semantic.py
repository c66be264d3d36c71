import numpy as np
import pytest

from maskwright.errors import ShapeError, UsageError
from maskwright.metrics.semantic import Confusion, confusion

NAMES = ("road", "sky", "car")


def test_scores_by_hand():
    truth = np.array([[0, 0, 0, 1, 1, 255]])
    prediction = np.array([[0, 0, 1, 1, 255, 2]])
    counts = confusion([truth], [prediction], names=NAMES)
    assert counts.counts.tolist() == [[2, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]
    # road: 2 of 2 + 1; sky: 1 of 1 + 1 wrong + 1 missed; car: nowhere true, so not in the mean.
    scores = counts.scores()
    assert scores["miou"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert scores["fwiou"] == pytest.approx((3 * 2 / 3 + 2 * 1 / 3) / 5)
    assert scores["pixel_accuracy"] == pytest.approx(3 / 5)
    per_class = counts.per_class()
    assert per_class["road"] == {"iou": pytest.approx(2 / 3), "accuracy": pytest.approx(2 / 3)}
    assert per_class["sky"] == {"iou": pytest.approx(1 / 3), "accuracy": pytest.approx(1 / 2)}
    assert per_class["car"] == {"iou": None, "accuracy": None}


def test_scores_are_those_of_loops_over_all_pixels():
    rng = np.random.default_rng(0)
    truths = [rng.choice([0, 1, 2, 255], (7, 11)) for _ in range(3)]
    predictions = [rng.choice([0, 1, 2, 255], (7, 11)) for _ in range(3)]
    counts = confusion(truths, predictions, names=NAMES)
    pixels = [
        (t, p)
        for a, b in zip(truths, predictions, strict=True)
        for t, p in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
        if t != 255
    ]
    ious = []
    for c in range(3):
        hits = sum(t == p == c for t, p in pixels)
        ious.append(hits / sum(c in pair for pair in pixels))
    assert counts.iou().tolist() == pytest.approx(ious)
    assert counts.scores()["miou"] == pytest.approx(np.mean(ious))
    shares = [sum(t == c for t, _ in pixels) / len(pixels) for c in range(3)]
    assert counts.scores()["fwiou"] == pytest.approx(np.dot(ious, shares))
    right = sum(t == p for t, p in pixels) / len(pixels)
    assert counts.scores()["pixel_accuracy"] == pytest.approx(right)


def test_counts_of_photos_add_up():
    rng = np.random.default_rng(1)
    maps = [rng.integers(0, 3, (5, 7)).astype(np.uint8) for _ in range(4)]
    together = confusion(maps[:2], maps[2:], names=NAMES)
    merged = confusion(maps[:1], maps[2:3], names=NAMES)
    merged.merge(confusion(maps[1:2], maps[3:], names=NAMES))
    assert (merged.counts == together.counts).all()
    with pytest.raises(UsageError, match="of the same classes"):
        merged.merge(Confusion(("cow",)))


def test_what_cannot_be_compared_is_refused():
    counts, road = Confusion(NAMES), np.zeros((3, 5), int)
    with pytest.raises(UsageError, match="a score needs pixels with a class, got none"):
        counts.scores()
    with pytest.raises(ShapeError, match=r"of one size, got \(3, 5\) and \(5, 3\)"):
        counts.add(road, road.T)
    for bad in (3, -1, 254):
        with pytest.raises(UsageError, match=f"a truth must have labels from 0 to 2, .* got {bad}"):
            counts.add(road + bad, road)
        with pytest.raises(UsageError, match=f"a prediction must .* got {bad}"):
            counts.add(road, road + bad)
    assert not counts.counts.any(), "nothing is counted of a photo that is refused"
    with pytest.raises(ShapeError, match="a prediction for each truth, got 0 for 1"):
        confusion([road], [], names=NAMES)
    with pytest.raises(UsageError, match="1 to 255 classes, got 0"):
        Confusion(())
