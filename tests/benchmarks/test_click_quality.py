import csv

import numpy as np
import pytest
from PIL import Image

from benchmarks import click_quality
from benchmarks.click_baselines import Setting, curves_of
from benchmarks.click_quality import Comparison, Network, Row, blocks, csv_rows, note, page
from benchmarks.record import append_csv
from maskwright.data.embedded_objects import HeldOutObject
from maskwright.models import interformer
from maskwright.models.interformer.config import MINI
from maskwright.structures import rle
from maskwright.weights.load import save_model

SIZE = (60, 84)
FOUND = {
    "mini": [[0.5, 0.91], [0.7, 0.8, 0.86], [0.92]],
    "GrabCut": [[0.1, 0.2, 0.3, 0.9], [0.2, 0.3, 0.4, 0.5], [0.3, 0.9]],
    "walker": [[0.2, 0.3, 0.4, 0.5], [0.1, 0.2, 0.3, 0.87], [0.5, 0.6, 0.7, 0.9]],
}


@pytest.fixture
def objects(tmp_path):
    """Two objects of a photo of set "a", one of "b"."""
    rng = np.random.default_rng(0)
    made = []
    for number, (name, photo) in enumerate((("a/x#1", "x"), ("a/x#2", "x"), ("b/y#1", "y"))):
        file = tmp_path / f"{photo}.png"
        Image.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8)).save(file)
        mask = np.zeros(SIZE, np.bool_)
        mask[10:40, 10 + 20 * number : 40 + 20 * number] = True
        made.append(HeldOutObject(name, file, rle.encode(mask), float(mask.mean())))
    return made


def test_each_set_is_averaged_alone_and_all_together(objects):
    made = blocks(objects, FOUND, limit=5)
    assert [(block.title, block.objects) for block in made] == [("all", 3), ("a", 2), ("b", 1)]
    network = made[0].network
    assert network.method == "mini" and [row.method for row in made[0].others] == [
        "GrabCut",
        "walker",
    ]
    assert network.noc == pytest.approx({0.85: (2 + 3 + 1) / 3, 0.9: (2 + 5 + 1) / 3})
    assert network.nof == {0.85: 0, 0.9: 1}
    assert network.ious == pytest.approx({
        1: (0.5 + 0.7 + 0.92) / 3,
        3: (0.91 + 0.86 + 0.92) / 3,
        5: (0.91 + 0.86 + 0.92) / 3,
    })
    assert made[1].network.noc[0.85] == 2.5 and made[2].network.noc[0.9] == 1


def test_the_better_method_may_be_another_one_in_each_column():
    network = Row("n", {0.85: 3.0, 0.9: 7.0}, {}, {3: 0.75})
    others = [
        Row("g", {0.85: 5.0, 0.9: 20.0}, {}, {3: 0.25}),
        Row("w", {0.85: 6.0, 0.9: 10.0}, {}, {3: 0.5}),
    ]
    found = Comparison.of(network, others)
    assert found.shares == {0.85: pytest.approx(0.6), 0.9: pytest.approx(0.7)}
    assert found.ahead == 0.25 and found.meets_goal


@pytest.mark.parametrize(
    ("shares", "ahead"),
    [({0.85: 0.61, 0.9: 0.7}, 0.2), ({0.85: 0.6, 0.9: 0.71}, 0.2), ({0.85: 0.6, 0.9: 0.7}, 0.19)],
)
def test_the_goal_is_missed_by_any_part(shares, ahead):
    assert Comparison({0.85: 0.6, 0.9: 0.7}, 0.2).meets_goal
    assert not Comparison(shares, ahead).meets_goal


def test_the_page_and_the_rows_hold_every_method_of_every_set(objects):
    made = blocks(objects, FOUND, limit=20)
    text = page(made, "A note.", {"commit": "abc"})
    assert "| b | mini | 1 | 1.00 | 1.00 | 0 | 0 | 92.0 | 92.0 | 92.0 |" in text
    assert "| b | 1 | 50 % | 50 % | +2.0 |" in text and "A note." in text and "`abc`" in text
    rows = [row for block in made for row in csv_rows(block)]
    assert len(rows) == 9 and len({tuple(row) for row in rows}) == 1
    assert [row["share85"] for row in rows[6:]] == ["0.5000", "", ""]


def test_a_reader_is_told_what_was_measured(objects):
    text = note(objects, Setting(limit=7, long_side_px=333))
    assert text.startswith("3 objects of 2 photos")
    assert "`ritm`, at most 7" in text and "333 pixels" in text and "an IoU of 90%" in text


def test_the_network_looks_at_a_photo_once_and_its_curves_are_kept(
    objects, tmp_path, monkeypatch, click_file
):
    monkeypatch.setattr(click_quality, "CACHE", tmp_path / "runs" / "click_baselines")
    setting = Setting(limit=2)
    network = Network(str(click_file), setting, device="cpu")
    one, two, three = (network(found) for found in objects)
    assert one.features is two.features is not three.features and one.threshold == 0.49
    first = list(curves_of(network, objects, setting, network.kept))
    assert network.kept.parent == tmp_path / "runs/click_quality"
    assert network.clicker.weights in network.kept.name
    with network.kept.open("a") as lines:
        lines.write('{"name": "a/x#3", "io')  # a stop in the midst of it
    assert list(curves_of(None, objects, setting, network.kept)) == first


@pytest.fixture(scope="module")
def click_file(tmp_path_factory):
    """A file of random weights."""
    path = tmp_path_factory.mktemp("weights") / "mini.safetensors"
    state = interformer.build(MINI).state_dict()
    return save_model(path, state, paper="interformer", config=MINI, source="random")


def test_recorded_methods_stand_as_in_their_last_run_on_as_many_objects(objects, tmp_path):
    file = tmp_path / "rows.csv"
    every = {"mini": FOUND["mini"], "GrabCut": FOUND["GrabCut"], "random walker": FOUND["walker"]}
    made = blocks(objects, every, limit=20)
    for row in (row for block in made for row in csv_rows(block)):
        append_csv(file, {**row, "noc85": 20.0} if row["method"] == "GrabCut" else row)
    for row in (row for block in made for row in csv_rows(block)):
        append_csv(file, row)
    lines = list(csv.DictReader(file.read_text().splitlines()))
    again = blocks(objects, {"mini": FOUND["mini"]}, limit=20, lines=lines)
    assert page(again, "", {}) == page(made, "", {})
    with pytest.raises(SystemExit, match="no run of GrabCut on 2 objects of all"):
        blocks(objects[:2], {"mini": FOUND["mini"][:2]}, limit=20, lines=lines)
