import json

import numpy as np
import pytest
from PIL import Image

from benchmarks.click_baselines import (
    METHODS,
    Setting,
    curves,
    distance_to,
    kept_file,
    shrunk,
    spread,
)
from maskwright.data.embedded_objects import HeldOutObject
from maskwright.metrics.interactive import iou
from maskwright.structures import rle
from maskwright.structures.click import Click

SIZE = (60, 84)


def disk():
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    return (rows - 30) ** 2 + (columns - 40) ** 2 < 225


def photo():
    rng = np.random.default_rng(0)
    image = np.where(disk()[..., None], (200, 60, 40), (40, 120, 60)) + rng.integers(
        -15, 16, (*SIZE, 3)
    )
    return image.astype(np.uint8)


@pytest.fixture
def objects(tmp_path):
    Image.fromarray(photo()).save(tmp_path / "a.png")
    code = rle.encode(disk())
    return [HeldOutObject(f"set/{n}", tmp_path / "a.png", code, 0.1) for n in range(5)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("long_side_px", [84, 60])
def test_a_plain_disk_is_found_with_two_clicks(method, long_side_px):
    answer = shrunk(method, photo(), long_side_px)
    mask = answer([Click(40.5, 30.5), Click(8.5, 8.5, False)])
    assert mask.shape == SIZE and iou(mask, disk()) > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_a_click_holds_whatever_the_colours_say(method):
    mask = shrunk(method, photo(), 84)([Click(40.5, 30.5), Click(44.5, 30.5, False)])
    assert not mask[30, 44] and mask[30, 37]


def test_curves_are_kept_and_not_made_again(objects, tmp_path):
    kept, setting = tmp_path / "runs/curves.jsonl", Setting(limit=3)
    first = list(curves("GrabCut", objects[:2], setting, kept))
    assert len(first) == 2 and all(0 < curve[-1] <= 1 for curve in first)
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [row["name"] for row in rows] == ["set/0", "set/1"]
    rows[0]["ious"] = [0.125]
    kept.write_text("".join(json.dumps(row) + "\n" for row in rows))
    again = list(curves("GrabCut", objects[:3], setting, kept))
    assert again[0] == [0.125] and again[1:2] == first[1:] and len(again) == 3


def test_each_setting_keeps_its_own_curves():
    files = {kept_file(m, Setting(limit=limit)) for m in METHODS for limit in (10, 20)}
    assert len(files) == 4


def test_some_objects_are_taken_evenly(objects):
    assert [found.name for found in spread(objects, 2)] == ["set/0", "set/2"]
    assert spread(objects, None) == spread(objects, 9) == objects


def test_the_distance_is_that_to_the_nearest_click_of_a_kind():
    clicks = [Click(1.5, 0.5), Click(3.5, 1.5), Click(0.5, 0.5, False)]
    assert distance_to(clicks, (2, 5), positive=True)[0].tolist() == [1, 0, 1, 1, 2**0.5]
    assert np.isinf(distance_to(clicks[:2], (2, 5), positive=False)).all()
