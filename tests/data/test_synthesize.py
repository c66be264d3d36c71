import hashlib
import json
import multiprocessing
import signal
import subprocess
import sys

import numpy as np
import pytest

from maskwright.data.composition import Sample
from maskwright.data.foreground import Foreground
from maskwright.data.matting import benchmark, training_set
from maskwright.data.synthesize import covering, fitted, merged, synthesize_matting
from maskwright.errors import DataError, OutputError, UsageError
from maskwright.image.io import read_grey, read_photo, write_image

SIZE = (37, 41)


def make(folder, count=3, **settings):
    settings = {"kinds": ["smoke", "soft", "fur"], "seed": 7} | settings
    return synthesize_matting(folder, count=count, size=SIZE, **settings)


def checksums(folder):
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*.png"))
    }


def test_what_is_written_obeys_the_compositing_equation(tmp_path):
    made = make(tmp_path / "set")
    assert (made.made, made.skipped, made.failed) == (3, 0, ())
    rows = benchmark(tmp_path / "set")
    assert [row.name for row in rows] == ["000000", "000001", "000002"]
    for row in rows:
        alpha, trimap = read_grey(row.alpha), read_grey(row.trimap)
        image = read_photo(row.image).pixels.astype(float)
        colour = read_photo(row.alpha.parents[1] / "fg" / row.image.name).pixels
        assert (trimap[(alpha > 0) & (alpha < 255)] == 128).all()
        np.testing.assert_allclose(image[alpha == 255], colour[alpha == 255], atol=0.5)
        # B = (I - aF) / (1 - a) must be a colour.
        share = alpha[..., None] / 255
        rest = image - share * colour
        assert (rest > -0.51).all()
        assert (rest <= (1 - share) * 255 + 0.51).all()


def test_the_output_can_be_trained_on(tmp_path):
    make(tmp_path / "set")
    assert len(training_set(tmp_path / "set")) == 3


def test_equal_settings_write_equal_files_and_the_manifest_says_which(tmp_path):
    make(tmp_path / "one")
    make(tmp_path / "two")
    make(tmp_path / "other", seed=8)
    assert checksums(tmp_path / "one") == checksums(tmp_path / "two")
    assert checksums(tmp_path / "one") != checksums(tmp_path / "other")
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert manifest["settings"]["seed"] == 7
    assert manifest["items"][1]["seed"] == [7, 1]
    assert manifest["items"][1]["foreground"] == "drawn soft"
    listed = {name: value for item in manifest["items"] for name, value in item["sha256"].items()}
    assert listed == checksums(tmp_path / "one")


def test_workers_write_the_same_files(tmp_path):
    make(tmp_path / "one")
    make(tmp_path / "two", workers=2)
    assert checksums(tmp_path / "one") == checksums(tmp_path / "two")


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    make(tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(done, count):
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        make(tmp_path / "set", progress=stop)
    kept = tmp_path / "set" / "image" / "000000.png"
    before = kept.stat().st_mtime_ns
    seen = []
    again = make(tmp_path / "set", progress=lambda done, count: seen.append((done, count)))
    assert (again.made, again.skipped) == (1, 2)
    assert seen == [(3, 3)]
    assert kept.stat().st_mtime_ns == before
    assert checksums(tmp_path / "set") == checksums(tmp_path / "whole")
    assert sorted(p.name for p in (tmp_path / "set").iterdir()) == [
        *("alpha", "fg", "image", "manifest.json", "trimap")
    ]


def test_a_killed_run_leaves_nothing_half_done(tmp_path):
    make(tmp_path / "whole", 5)
    program = (
        "import os, signal; from pathlib import Path;"
        "from maskwright.data.synthesize import synthesize_matting;"
        f"synthesize_matting(Path({str(tmp_path / 'set')!r}), count=5, size={SIZE}, seed=7,"
        " kinds=['smoke', 'soft', 'fur'],"
        " progress=lambda done, count: done == 3 and os.kill(os.getpid(), signal.SIGKILL))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
    again = make(tmp_path / "set", 5)
    assert (again.made, again.skipped) == (2, 3)
    assert checksums(tmp_path / "set") == checksums(tmp_path / "whole")


def test_a_killed_worker_is_reported_in_one_line(tmp_path):
    def kill(done, count):
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(OutputError, match="got one that was killed, .*; run again with fewer"):
        make(tmp_path / "set", 40, workers=1, progress=kill)
    assert make(tmp_path / "set", 3).skipped > 0


def test_a_finished_set_can_grow_and_lost_files_come_back(tmp_path):
    make(tmp_path / "set")
    (tmp_path / "set" / "alpha" / "000001.png").unlink()
    grown = make(tmp_path / "set", 4)
    assert (grown.made, grown.skipped) == (2, 2)
    assert len(benchmark(tmp_path / "set")) == 4


def test_other_settings_need_overwrite(tmp_path):
    make(tmp_path / "set", 4)
    with pytest.raises(OutputError, match="set holds a data set of other settings; .*--overwrite"):
        make(tmp_path / "set", seed=8)
    again = make(tmp_path / "set", 3, seed=8, overwrite=True)
    assert (again.made, again.skipped) == (3, 0)
    assert len(benchmark(tmp_path / "set")) == 3


def test_overwriting_leaves_no_part_of_an_item(tmp_path):
    folder = tmp_path / "set"
    make(folder, 4)
    (folder / "alpha" / "000003.png").unlink()
    (folder / "image" / "000009.png").write_bytes(b"of a run that was killed")
    (folder / "image" / "mine.txt").write_text("kept")
    assert make(folder, 2, seed=8, overwrite=True).made == 2
    assert len(benchmark(folder)) == 2 and (folder / "image" / "mine.txt").exists()


def test_other_sources_are_other_settings(tmp_path):
    rng = np.random.default_rng(0)

    def add(name):
        colour = rng.integers(0, 256, (53, 29, 3), dtype=np.uint8)
        write_image(tmp_path / "fg" / name, colour)
        write_image(tmp_path / "alpha" / name, colour[..., 0])

    add("b.png")
    sources = {"foregrounds": tmp_path / "fg", "alphas": tmp_path / "alpha"}
    make(tmp_path / "set", 2, **sources)
    assert make(tmp_path / "set", 3, **sources).skipped == 2
    add("a.png")
    with pytest.raises(OutputError, match="set holds a data set of other settings"):
        make(tmp_path / "set", 4, **sources)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="must be a new or empty folder"):
        make(tmp_path, overwrite=True)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_a_damaged_manifest_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="manifest.json must be the manifest of a data set"):
        make(tmp_path)


def test_folders_of_files_are_composited(tmp_path):
    rng = np.random.default_rng(0)
    for name in "ab":
        colour = rng.integers(0, 256, (53, 29, 3), dtype=np.uint8)
        write_image(tmp_path / "fg" / f"{name}.png", colour)
        write_image(tmp_path / "alpha" / f"{name}.png", colour[..., 0])
    write_image(tmp_path / "bg" / "c.png", rng.integers(0, 256, (11, 97, 3), dtype=np.uint8))
    sources = {
        "foregrounds": tmp_path / "fg",
        "alphas": tmp_path / "alpha",
        "backgrounds": tmp_path / "bg",
    }
    assert make(tmp_path / "set", **sources).made == 3
    items = json.loads((tmp_path / "set" / "manifest.json").read_text())["items"]
    assert [item["foreground"] for item in items] == ["a", "b", "a"]
    assert {item["background"] for item in items} == {"c.png"}
    assert read_photo(tmp_path / "set" / "image" / "000002.png").size == SIZE


def test_a_damaged_photo_fails_its_items_alone(tmp_path):
    write_image(tmp_path / "bg" / "a.png", np.zeros((41, 43, 3), np.uint8))
    whole = (tmp_path / "bg" / "a.png").read_bytes()
    (tmp_path / "bg" / "b.png").write_bytes(whole[: len(whole) // 2])
    made = make(tmp_path / "set", 9, backgrounds=tmp_path / "bg")
    assert made.made + len(made.failed) == 9
    assert 0 < len(made.failed) < 9
    assert "b.png" in made.failed[0][1]
    assert json.loads((tmp_path / "set" / "manifest.json").read_text())["complete"] is False


def test_a_composite_of_more_rows_than_are_made_at_once_is_that_of_the_whole():
    rng = np.random.default_rng(0)
    colour, scene = rng.integers(0, 256, (2, 521, 7, 3), dtype=np.uint8)
    alpha = rng.random((521, 7), dtype=np.float32)
    share = alpha[..., None].astype(np.float64)
    expected = share * colour + (1 - share) * scene
    assert np.abs(merged(Sample(colour, alpha, scene)) - expected).max() < 0.501


def test_a_foreground_keeps_the_edge_it_touches():
    alpha = np.zeros((19, 23), np.float32)
    alpha[11:, 7:13] = 1
    thing = Foreground(np.full((19, 23, 3), 9, np.uint8), alpha)
    places = set()
    for seed in range(9):
        placed = fitted(thing, (47, 29), np.random.default_rng(seed))
        assert placed.alpha.shape == (47, 29)
        assert placed.alpha[-1].max() == 1
        assert placed.alpha[0].max() == 0
        places.add(int(placed.alpha.max(axis=0).argmax()))
        assert (placed.colour == 9).all()
    wide = {
        int(fitted(thing, (19, 61), np.random.default_rng(seed)).alpha.max(axis=0).argmax())
        for seed in range(9)
    }
    assert len(places) == 1
    assert len(wide) > 2


def test_a_scene_covers_the_size_at_its_own_aspect():
    scene = np.zeros((10, 40, 3), np.uint8)
    scene[:, 20:] = 200
    for seed in range(5):
        cut = covering(scene, (30, 31), np.random.default_rng(seed))
        assert cut.shape == (30, 31, 3)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"count": 0}, "one item or more, got a count of 0"),
        ({"kinds": ["wool"]}, "kinds must be of hair.*, got wool"),
        ({"kinds": []}, "kinds must be of hair.*, got none"),
        ({"seed": -1}, "a seed must be 0 or more, got -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, settings, message):
    with pytest.raises(UsageError, match=message):
        make(tmp_path / "set", **settings)


def test_foregrounds_need_alphas(tmp_path):
    with pytest.raises(UsageError, match="foregrounds and alphas must be given together"):
        make(tmp_path / "set", foregrounds=tmp_path)


def test_a_tiny_size_is_refused(tmp_path):
    with pytest.raises(UsageError, match="32 or more pixels per side, got 31 x 41"):
        synthesize_matting(tmp_path / "set", count=1, size=(31, 41))
