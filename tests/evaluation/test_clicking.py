import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright.data.clicks import INTERFORMER, RITM, hold_dialogue
from maskwright.data.interactive import ObjectRow, object_rows
from maskwright.evaluation.clicking import Answering, Setting, by_photo, score_objects
from maskwright.inference.click import Clicker
from maskwright.metrics.interactive import iou
from maskwright.structures.click import Click

sys.path.append(str(Path(__file__).parents[1] / "models" / "interformer"))
from small_networks import MOBILE, network

SIZE = (83, 109)


class Counting(Clicker):
    """Counts what it encodes."""

    encoded = 0

    def encode(self, image):
        self.encoded += 1
        return super().encode(image)


@pytest.fixture
def clicker():
    return Counting(network(MOBILE), MOBILE, device="cpu")


def save(file, pixels):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


@pytest.fixture
def objects(tmp_path):
    """Photos a and b; two objects of a, one of b with unknown pixels beside it."""
    rng = np.random.default_rng(0)
    for name in "ab":
        save(tmp_path / f"images/{name}.png", rng.integers(0, 256, (*SIZE, 3), np.uint8))
    left, right = (np.zeros(SIZE, np.uint8) for _ in range(2))
    left[20:50, 10:40], right[30:70, 60:100] = 1, 1
    save(tmp_path / "masks/a#001.png", left)
    save(tmp_path / "masks/a#002.png", right)
    left[:20] = 255
    save(tmp_path / "masks/b.png", left)
    return object_rows(tmp_path / "images", tmp_path / "masks")


def test_a_photo_is_encoded_once_for_all_its_objects(clicker, objects):
    rows = list(score_objects(objects, clicker=clicker, setting=Setting(limit=2)))
    assert [row.name for row in rows] == ["a#001", "a#002", "b"] and clicker.encoded == 2
    one, two, three = (row.scores for row in rows)
    assert one["image"] == two["image"] == objects[0].image.as_posix() != three["image"]
    assert one["encoding_seconds"] == two["encoding_seconds"] != three["encoding_seconds"]


def test_objects_of_a_photo_are_brought_together():
    rows = [ObjectRow(n, Path(image), Path(n)) for n, image in (("x", "b"), ("y", "a"), ("z", "b"))]
    assert [row.name for row in by_photo(rows[::-1])] == ["y", "x", "z"]


@pytest.mark.parametrize("protocol", [INTERFORMER, RITM])
def test_scores_are_those_of_a_dialogue_with_the_network(clicker, objects, protocol):
    setting = Setting(protocol, limit=3)
    row = list(score_objects(objects, clicker=clicker, setting=setting))[2]
    mask, unknown = np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.bool_)
    mask[20:50, 10:40], unknown[:20] = True, True
    features, answers = clicker.encode(objects[2].image), []

    def answer(clicks):
        last = answers[-1] if len(clicks) > 1 else None
        answers.append(clicker.answer(features, clicks[-1:], last))
        return answers[-1].probability > protocol.threshold

    pick = np.random.default_rng(zlib.crc32(b"b")).integers
    expected = hold_dialogue(
        answer, mask, protocol=protocol, ignored=unknown, limit=3, target=0.95, pick=pick
    )
    assert row.scores["ious"] == list(expected.ious) and len(expected.ious) == 3
    signs = ["" if click.positive else ",-" for click in expected.clicks]
    shown = [f"{c.x},{c.y}{sign}" for c, sign in zip(expected.clicks, signs, strict=True)]
    assert row.scores["clicks"] == shown and signs[0] == ""


def test_only_ritm_stops_at_the_highest_target(clicker, objects):
    ends = {}
    for name, protocol in (("interformer", INTERFORMER), ("ritm", RITM)):
        for targets in ((1e-9, 2e-9), (1e-9, 1.0)):
            setting = Setting(protocol, targets=targets, limit=4)
            (row,) = score_objects(objects[1:2], clicker=clicker, setting=setting)
            assert row.scores["ious"][0] > 0
            ends[name, targets[-1]] = len(row.scores["clicks"])
    assert ends == {
        ("interformer", 2e-9): 4,
        ("interformer", 1.0): 4,
        ("ritm", 2e-9): 1,
        ("ritm", 1.0): 4,
    }


def test_the_threshold_is_one_of_probability(clicker, objects):
    features, click = clicker.encode(objects[0].image), Click(30, 30)
    probability = clicker.answer(features, [click]).probability
    between = float(np.quantile(probability, 0.3))
    masks = [Answering(clicker, features, threshold=t)([click]) for t in (0.5, between)]
    assert masks[0].sum() != masks[1].sum() == (probability > between).sum()
    np.testing.assert_array_equal(masks[0], probability > 0.5)


def test_clicks_answered_before_are_not_answered_again_and_time_adds_up(clicker, objects):
    answer = Answering(clicker, clicker.encode(objects[0].image))
    clicks = (Click(30, 30), Click(70, 50, False))
    first = answer(clicks[:1])
    seconds = answer.seconds
    both = answer(clicks)
    assert 0 < seconds < answer.seconds
    np.testing.assert_array_equal(answer(clicks[:1]), first)
    assert iou(both, first) < 1


def test_a_bad_object_is_a_row_that_names_the_file_and_not_the_end(clicker, objects):
    save(objects[1].mask, np.zeros((SIZE[0], SIZE[1] - 1), np.uint8) + 1)
    objects[2].image.write_bytes(b"no photo")
    save(objects[0].mask, np.zeros(SIZE, np.uint8))
    good = ObjectRow("good", objects[0].image, objects[1].mask.with_name("good.png"))
    save(good.mask, np.pad(np.ones((9, 9), np.uint8), ((30, 44), (50, 50))))
    rows = [*objects[:2], good, objects[2]]
    found = list(score_objects(rows, clicker=clicker, setting=Setting(limit=1)))
    assert [row.scores is None for row in found] == [True, True, False, True]
    assert "a#001.png: a mask must have an object, got 0 everywhere" in found[0].error
    assert "a#002.png: a mask must be as large as its photo, 109 x 83, got 108 x 83" in (
        found[1].error
    )
    assert "b.png: expected PNG, JPEG" in found[3].error
