import json
import logging
import os
from dataclasses import replace

import pytest

from maskwright.errors import OutputError
from maskwright.evaluation.kept import score_kept
from maskwright.evaluation.run import Item, Row

SETTINGS = {"weights": "abc", "whole_image": False}


@pytest.fixture
def items(tmp_path):
    """Three items, the second without a trimap."""
    for kind in ("photo", "alpha", "trimap"):
        (tmp_path / kind).mkdir()
        for name in ("ape", "bee", "cat"):
            (tmp_path / kind / name).write_text(name)
    return [
        Item(name, *(tmp_path / kind / name for kind in ("photo", "alpha")), trimap)
        for name, trimap in (
            *(("ape", tmp_path / "trimap/ape"), ("bee", None), ("cat", tmp_path / "trimap/cat")),
        )
    ]


class Scorer:
    """Scores an item by the length of its alpha's file, and remembers which it was asked for."""

    def __init__(self, failing=()):
        self.asked, self.failing = [], failing

    def __call__(self, items):
        for item in items:
            self.asked.append(item.name)
            is_bad = item.name in self.failing
            scores = None if is_bad else {"sad": item.alpha.stat().st_size / 3}
            yield Row(item.name, scores, "damaged" if is_bad else "")


def scored(items, file, *, settings=SETTINGS, failing=()):
    """Return the rows, and the items that had to be scored."""
    scorer = Scorer(failing)
    return list(score_kept(items, scorer, file=file, settings=settings)), scorer.asked


def test_a_second_run_scores_nothing_and_says_the_same(items, tmp_path):
    file = tmp_path / "kept.jsonl"
    rows, asked = scored(items, file)
    assert asked == ["ape", "bee", "cat"] == [row.name for row in rows]
    assert scored(items, file) == (rows, [])
    assert scored(items[::-1], file) == (rows[::-1], [])


def test_a_stopped_run_keeps_what_it_had_even_with_half_a_line(items, tmp_path):
    file = tmp_path / "kept.jsonl"
    run = score_kept(items, Scorer(), file=file, settings=SETTINGS)
    assert [next(run).name, next(run).name] == ["ape", "bee"]
    run.close()
    assert scored(items, file)[1] == ["cat"]
    file.write_bytes(file.read_bytes()[:-9])
    rows, asked = scored(items, file)
    assert asked == ["cat"] and all(row.scores == {"sad": 1.0} for row in rows)
    assert scored(items, file)[1] == []


def test_items_without_a_score_are_tried_again(items, tmp_path):
    rows, _ = scored(items, tmp_path / "kept.jsonl", failing=["bee"])
    assert rows[1] == Row("bee", None, "damaged")
    rows, asked = scored(items, tmp_path / "kept.jsonl")
    assert asked == ["bee"] and rows[1].scores == {"sad": 1.0}


def test_several_items_of_the_same_files_are_told_apart_by_name(items, tmp_path):
    twins = [replace(items[0], name=name) for name in ("one", "two")]
    scored(twins, tmp_path / "kept.jsonl", failing=["two"])
    assert scored(twins, tmp_path / "kept.jsonl")[1] == ["two"]


@pytest.mark.parametrize("kind", ["photo", "alpha", "trimap"])
def test_an_item_whose_file_has_changed_is_scored_again(items, tmp_path, kind):
    scored(items, tmp_path / "kept.jsonl")
    file = tmp_path / kind / "cat"
    os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns + 1_000_000_000))
    assert scored(items, tmp_path / "kept.jsonl")[1] == ["cat"]


def test_other_weights_or_settings_begin_anew(items, tmp_path, caplog):
    file, names = tmp_path / "kept.jsonl", ["ape", "bee", "cat"]
    scored(items, file)
    with caplog.at_level(logging.WARNING):
        assert scored(items, file, settings={**SETTINGS, "weights": "abd"})[1] == names
    assert "kept.jsonl holds scores of other weights or settings; beginning anew" in caplog.text
    assert scored(items, file)[1] == names


@pytest.mark.parametrize("content", ["", "my notes\n", json.dumps([1]), json.dumps({"a": 1})])
def test_a_file_of_somebody_else_is_left_alone(items, tmp_path, content):
    file = tmp_path / "kept.jsonl"
    file.write_text(content)
    with pytest.raises(OutputError, match="expected scores kept by an earlier run, got another"):
        scored(items, file)
    assert file.read_text() == content


def test_a_file_that_is_gone_is_an_item_like_any_other(items, tmp_path):
    (tmp_path / "photo" / "bee").unlink()
    (tmp_path / "photo" / "bee").symlink_to("nowhere")
    rows, asked = scored(items, tmp_path / "kept.jsonl")
    assert asked == ["ape", "bee", "cat"] and len(rows) == 3
