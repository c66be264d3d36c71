import hashlib
import json
import resource
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from maskwright.data.augmentation import MEMATTE
from maskwright.data.loader import Compositions
from maskwright.data.manifest import verify
from maskwright.data.matting import benchmark, training_set
from maskwright.data.procedural import draw
from maskwright.data.uhr import UhrMaker, drawn_size, synthesize_uhr, together
from maskwright.data.uhr_plan import CATEGORIES, UhrSettings, make_plan
from maskwright.data.uhr_report import training_sources
from maskwright.errors import DataError, OutputError, UsageError
from maskwright.image.io import read_grey, read_header, read_photo, write_image

SETTINGS = UhrSettings(
    count=395,
    test_share=40 / 395,
    backgrounds_each=(100, 25),
    megapixels=24.0,
    format="jpg",
    seed=0,
    foregrounds=None,
    alphas=None,
    backgrounds=None,
    categories=None,
)


def make(folder, **settings):
    few = {"count": 4, "backgrounds_each": (3, 2), "megapixels": 0.005, "seed": 7}
    return synthesize_uhr(folder, **few | settings)


def checksums(folder):
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def put_sources(folder, names="abcde", *, scenes=7, prefix=""):
    rng = np.random.default_rng(0)
    for name in names:
        colour = rng.integers(0, 256, (53, 47, 3), dtype=np.uint8)
        alpha = np.zeros((53, 47), np.uint8)
        alpha[10:40, 10:30] = 255
        alpha[9, 10:30] = 77
        write_image(folder / "fg" / prefix / f"{name}.png", colour)
        write_image(folder / "alpha" / prefix / f"{name}.png", alpha)
    for scene in range(scenes):
        pixels = rng.integers(0, 256, (31, 61, 3), dtype=np.uint8)
        write_image(folder / "bg" / f"s{scene}.png", pixels, overwrite=True)
    found = {"foregrounds": folder / "fg", "alphas": folder / "alpha"}
    return found | {"backgrounds": folder / "bg", "count": None}


def read_json(file):
    return json.loads(file.read_text())


def test_the_whole_plan_has_the_shape_of_uhr_395():
    plan = make_plan(SETTINGS)
    train = [thing for thing in plan.things if not thing.is_test]
    test = [thing for thing in plan.things if thing.is_test]
    assert (len(train), len(test)) == (355, 40)
    assert sum(len(thing.scenes) for thing in train) == 35_500
    assert len(plan.items) == 355 + 1000
    assert {thing.category for thing in test} == set(CATEGORIES)
    assert len(CATEGORIES) == 11
    scenes = [scene for thing in (*train, *test) for scene in thing.scenes]
    assert scenes == list(range(36_500))  # drawn ones: each serves once


def test_every_category_is_tested_in_proportion():
    plan = make_plan(SETTINGS)
    for category in CATEGORIES:
        here = [thing for thing in plan.things if thing.category == category]
        tested = sum(thing.is_test for thing in here)
        assert abs(tested - len(here) * 40 / 395) <= 1


def test_what_is_written_can_be_trained_and_tested_on(tmp_path):
    made = make(tmp_path, format="png")
    assert (made.made, made.skipped, made.failed) == (3 + 2, 0, ())
    trained = training_set(tmp_path, layout="uhr-395")
    rows = benchmark(tmp_path, layout="uhr-395")
    assert (len(trained), len(rows)) == (3, 2)
    assert not {row.name for row in trained} & {row.name.rsplit("_", 1)[0] for row in rows}
    assert len({read_photo(row.image).pixels.tobytes() for row in rows}) == 2


def test_test_images_obey_the_compositing_equation(tmp_path):
    sources = put_sources(tmp_path)
    make(tmp_path / "set", format="png", **sources)
    (row, *_) = benchmark(tmp_path / "set", layout="uhr-395")
    alpha, trimap = read_grey(row.alpha), read_grey(row.trimap)
    image = read_photo(row.image).pixels.astype(int)
    colour = read_photo(tmp_path / "fg" / f"{row.name[0]}.png").pixels.astype(int)
    assert (trimap[(alpha > 0) & (alpha < 255)] == 128).all()
    assert (alpha[trimap == 255] == 255).all() and (alpha[trimap == 0] == 0).all()
    np.testing.assert_array_equal(image[alpha == 255], colour[alpha == 255])
    scene = (image[9, 10:30] - 77 / 255 * colour[9, 10:30]) / (178 / 255)
    assert scene.min() > -1 and scene.max() < 256


def test_workers_write_the_same_files_and_others_need_other_seeds(tmp_path):
    make(tmp_path / "one")
    make(tmp_path / "two", workers=2)
    make(tmp_path / "other", seed=8)
    assert checksums(tmp_path / "one") == checksums(tmp_path / "two")
    assert not checksums(tmp_path / "one").items() & checksums(tmp_path / "other").items()


def test_a_killed_run_goes_on_and_redoes_nothing(tmp_path):
    make(tmp_path / "whole")
    program = (
        "import os, signal; from pathlib import Path;"
        "from maskwright.data.uhr import synthesize_uhr;"
        f"synthesize_uhr(Path({str(tmp_path / 'set')!r}), count=4, backgrounds_each=(3, 2),"
        " megapixels=0.005, seed=7,"
        " progress=lambda done, count: done == 3 and os.kill(os.getpid(), signal.SIGKILL))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
    before = {
        file: file.stat().st_mtime_ns
        for file in (tmp_path / "set").rglob("*")
        if file.suffix in {".png", ".jpg"}
    }
    seen = []
    again = make(tmp_path / "set", progress=lambda done, count: seen.append((done, count)))
    assert (again.made, again.skipped) == (2, 3)
    assert seen == [(4, 5), (5, 5)]
    assert all(file.stat().st_mtime_ns == when for file, when in before.items())
    assert checksums(tmp_path / "set") == checksums(tmp_path / "whole")


def test_damaged_and_missing_files_are_found_and_come_back(tmp_path):
    make(tmp_path)
    whole = checksums(tmp_path)
    count, wrong = verify(tmp_path)
    assert (count, wrong) == (len(whole) - 1, [])  # all but the list of checksums
    (damaged, missing, *_) = sorted((tmp_path / "test").rglob("*.png"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    missing.unlink()
    (tmp_path / "statistics.json").write_text("{}")
    names = {str(file.relative_to(tmp_path)) for file in (damaged, missing)}
    assert {name for name, _ in verify(tmp_path)[1]} == names | {"statistics.json"}
    assert sorted(problem for _, problem in verify(tmp_path)[1]) == [
        *("damaged", "damaged", "missing")
    ]
    damaged.unlink()
    make(tmp_path)
    assert checksums(tmp_path) == whole


def test_the_checksums_are_those_of_sha256sum(tmp_path):
    make(tmp_path)
    lines = (tmp_path / "SHA256SUMS").read_text().splitlines()
    listed = {line[66:]: line[:64] for line in lines}
    found = checksums(tmp_path)
    del found["SHA256SUMS"]
    assert listed == found
    assert {line[64:66] for line in lines} == {"  "}


def test_a_folder_without_a_manifest_cannot_be_verified(tmp_path):
    with pytest.raises(DataError, match="must be a data set with a manifest.json, got none"):
        verify(tmp_path)


def test_statistics_are_those_of_the_foregrounds(tmp_path):
    make(tmp_path, count=6, test_share=0.3)
    sizes = [read_header(row.foreground).size for row in training_set(tmp_path / "train")]
    told = read_json(tmp_path / "statistics.json")
    assert told["train"]["foregrounds"] == len(sizes) == 4
    assert told["train"]["height"]["mean"] == np.mean([h for h, _ in sizes])
    assert told["train"]["width"]["max"] == max(w for _, w in sizes)
    pixels = [h * w / 1e6 for h, w in sizes]
    assert told["train"]["megapixels"]["min"] == pytest.approx(min(pixels), abs=1e-4)
    assert told["train"]["megapixels_histogram"] == {"0 to 5": 4}
    assert sum(told["train"]["sizes"].values()) == 4
    assert (told["test"]["foregrounds"], told["test"]["composites"]) == (2, 4)
    assert told["all"]["foregrounds"] == 6


def test_drawn_things_have_our_eleven_categories(tmp_path):
    make(tmp_path)
    told = read_json(tmp_path / "categories.json")
    assert list(told["categories"]) == list(CATEGORIES)
    assert sum(part["train"] + part["test"] for part in told["categories"].values()) == 4
    assert told["foregrounds"]["fur_0001"] == "fur"
    assert "our own" in told["note"]


def test_categories_come_from_folders(tmp_path):
    put_sources(tmp_path, "ab", prefix="cats")
    sources = put_sources(tmp_path, "cd", prefix="nets")
    make(tmp_path / "set", **sources)
    told = read_json(tmp_path / "set" / "categories.json")
    assert told["foregrounds"] == {"a": "cats", "b": "cats", "c": "nets", "d": "nets"}
    (tmp_path / "fg" / "loose.png").write_bytes(b"")
    with pytest.raises(DataError, match="or a folder for each category, got both: loose.png besid"):
        make(tmp_path / "set", **sources)


@pytest.mark.parametrize(
    "name, text", [("c.csv", "a,x\nb, y\n\nc,x\nd,x\ne,x\n"), ("c.json", '{"a":"x","b":"y"}')]
)
def test_categories_come_from_a_file(tmp_path, name, text):
    names = "abcde" if name == "c.csv" else "ab"
    sources = put_sources(tmp_path, names)
    (tmp_path / name).write_text(text)
    make(tmp_path / "set", **sources, categories=tmp_path / name)
    told = read_json(tmp_path / "set" / "categories.json")
    assert (told["foregrounds"]["a"], told["foregrounds"]["b"]) == ("x", "y")


def test_a_foreground_without_a_category_is_named(tmp_path):
    sources = put_sources(tmp_path)
    (tmp_path / "c.csv").write_text("a,x\nb,x\nc,x\n")
    with pytest.raises(DataError, match="must have a category, not so for 2: d, e; add them"):
        make(tmp_path / "set", **sources, categories=tmp_path / "c.csv")
    (tmp_path / "c.csv").write_text("a\n")
    with pytest.raises(DataError, match="c.csv must be a CSV of name, category or a JSON object"):
        make(tmp_path / "set", **sources, categories=tmp_path / "c.csv")


def test_one_name_in_two_categories_is_refused(tmp_path):
    put_sources(tmp_path, "ab", prefix="cats")
    sources = put_sources(tmp_path, "b", prefix="nets")
    with pytest.raises(DataError, match="one foreground over all categories, not so for 1: b;"):
        make(tmp_path / "set", **sources)


def test_training_and_test_share_no_scene(tmp_path):
    sources = put_sources(tmp_path, scenes=13)
    make(tmp_path / "set", **sources, backgrounds_each=(20, 3))
    pairs = read_json(tmp_path / "set" / "train" / "pairs.json")["pairs"]
    items = read_json(tmp_path / "set" / "manifest.json")["items"]
    tested = {item["background"] for item in items if item["part"] == "test"}
    trained = {scene for scenes in pairs.values() for scene in scenes}
    assert (len(trained), len(tested)) == (11, 2)
    assert not trained & tested
    for scenes in pairs.values():  # none a third time before all served twice
        counts = [scenes.count(scene) for scene in set(scenes)]
        assert (len(counts), max(counts)) == (11, 2)


def test_pairs_are_composited_on_the_fly_as_listed(tmp_path):
    sources = put_sources(tmp_path)
    make(tmp_path / "set", **sources)
    things, scenes = training_sources(tmp_path / "set")
    pairs = read_json(tmp_path / "set" / "train" / "pairs.json")["pairs"]
    listed = [(name, scene) for name, found in pairs.items() for scene in found]
    assert len(things) == len(scenes) == len(listed) == 4 * 3
    for index, (name, scene) in enumerate(listed):
        assert things.rows[index].name == name
        assert scenes.files[index].name == scene
        assert things[index].colour.shape == (53, 47, 3)
    samples = Compositions(things, scenes, plan=MEMATTE)
    assert len(samples) == 12
    assert samples[0, 5]["image"].shape == (3, 512, 512)


def test_drawn_scenes_of_training_are_those_listed(tmp_path):
    make(tmp_path)
    things, scenes = training_sources(tmp_path, drawn_px=(37, 41))
    pairs = read_json(tmp_path / "train" / "pairs.json")["pairs"]
    listed = [scene for found in pairs.values() for scene in found]
    assert listed == list(range(9))
    assert len(things) == len(scenes) == 9
    assert scenes[4].shape == (37, 41, 3)


def test_lost_scenes_and_lists_are_named(tmp_path):
    make(tmp_path / "set", **put_sources(tmp_path))
    with pytest.raises(DataError, match="must hold the scenes of the pairs, 6 are missing, such"):
        training_sources(tmp_path / "set", backgrounds=tmp_path / "fg")
    assert len(training_sources(tmp_path / "set", backgrounds=tmp_path / "bg")[0]) == 12
    (lost, *_) = (tmp_path / "set" / "train" / "fg").iterdir()
    lost.unlink()
    (tmp_path / "set" / "train" / "alpha" / lost.name).unlink()
    with pytest.raises(DataError, match="names 1 foregrounds that are not there, such as"):
        training_sources(tmp_path / "set")
    (tmp_path / "set" / "train" / "pairs.json").write_text("[]")
    with pytest.raises(DataError, match="pairs.json must be the list of pairs of a data set"):
        training_sources(tmp_path / "set")


def test_files_are_copied_byte_by_byte_and_damaged_ones_fail_alone(tmp_path):
    sources = put_sources(tmp_path)
    for file in (tmp_path / "fg").iterdir():
        whole = file.read_bytes()
    middle = len(whole) // 2
    damaged = whole[:middle] + bytes(64) + whole[middle + 64 :]
    (tmp_path / "fg" / "c.png").write_bytes(damaged)
    made = make(tmp_path / "set", **sources)
    assert {name[0] for name, _ in made.failed} == {"c"}
    assert read_json(tmp_path / "set" / "manifest.json")["complete"] is False
    kept = list((tmp_path / "set" / "train" / "fg").iterdir())
    assert kept
    for file in kept:
        assert file.read_bytes() == (tmp_path / "fg" / file.name).read_bytes()


def test_other_files_are_another_data_set(tmp_path):
    sources = put_sources(tmp_path)
    make(tmp_path / "set", **sources)
    put_sources(tmp_path, "f")
    with pytest.raises(OutputError, match="holds a data set of other settings"):
        make(tmp_path / "set", **sources)
    assert make(tmp_path / "set", **sources, overwrite=True).skipped == 0


def test_two_together_are_the_front_over_what_is_behind():
    rng = np.random.default_rng(1)
    size = (263, 7)  # more rows than are mixed at once
    front, behind = (
        (rng.integers(0, 256, (*size, 3), dtype=np.uint8), rng.integers(0, 256, size, np.uint8))
        for _ in range(2)
    )
    front[1][0], behind[1][0] = 0, 0
    colour, alpha = together(front, behind)
    for row in (1, 2, 255, 256, 262):
        for column in range(7):
            a, b = front[1][row, column] / 255, behind[1][row, column] / 255
            both = 1 - (1 - a) * (1 - b)
            assert abs(alpha[row, column] - 255 * both) <= 0.51
            for c in range(3):
                mixed = a * front[0][row, column, c] + (1 - a) * b * behind[0][row, column, c]
                assert abs(colour[row, column, c] - mixed / both) <= 0.51
    assert (alpha[0] == 0).all()
    np.testing.assert_array_equal(colour[0], front[0][0])


def test_sizes_have_the_megapixels_asked_for_and_are_not_all_one():
    rng = np.random.default_rng(0)
    sizes = [drawn_size(rng, 24.0) for _ in range(99)]
    pixels = [h * w / 1e6 for h, w in sizes]
    assert 20.3 < min(pixels) < max(pixels) < 27.7
    assert any(h > w for h, w in sizes) and any(h < w for h, w in sizes)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"count": 1}, "two foregrounds or more, got a count of 1"),
        ({"seed": -1}, "a seed must be 0 or more, got -1"),
        ({"test_share": 1.0}, "more than 0 and less than 1, got 1"),
        ({"backgrounds_each": (1, 0)}, "a background or more, .* got 1 and 0"),
        ({"format": "gif"}, "a format must be jpg or png, got 'gif'"),
        ({"megapixels": 0.001}, "drawn with 0.0018 to 150 megapixels, got 0.001"),
        ({"megapixels": 151.0}, "megapixels, got 151"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, settings, message):
    with pytest.raises(UsageError, match=message):
        make(tmp_path / "set", **settings)
    assert not (tmp_path / "set").exists()


def test_folders_that_make_no_sense_are_refused(tmp_path):
    sources = put_sources(tmp_path, "ab", scenes=1)
    with pytest.raises(UsageError, match="foregrounds and alphas must be given together"):
        make(tmp_path / "set", foregrounds=tmp_path)
    with pytest.raises(UsageError, match="categories belong to foregrounds of your own"):
        make(tmp_path / "set", categories=tmp_path)
    with pytest.raises(DataError, match="must hold two scenes or more, .* got 1; add some"):
        make(tmp_path / "set", **sources)
    with pytest.raises(DataError, match="3 foregrounds were asked for, .*fg has 2; ask for fewer"):
        make(tmp_path / "set", **sources | {"count": 3})
    for folder in ("fg", "alpha"):
        (tmp_path / folder / "b.png").unlink()
    with pytest.raises(DataError, match="must have two foregrounds or more, .* got 1; add some"):
        make(tmp_path / "set", **sources | {"backgrounds": None})


def test_a_jpeg_alpha_is_freed_of_its_noise_where_it_is_composited(tmp_path):
    sources = put_sources(tmp_path, "ab", scenes=2)
    noisy = np.zeros((53, 47), np.uint8)
    noisy[10:40, 10:30] = 253
    noisy[0] = 3
    for name in "ab":
        (tmp_path / "alpha" / f"{name}.png").unlink()
        write_image(tmp_path / "alpha" / f"{name}.jpg", noisy)
    make(tmp_path / "set", **sources)
    (row, *_) = benchmark(tmp_path / "set", layout="uhr-395")
    alpha = read_grey(row.alpha)
    assert alpha[:3].max() == 0
    assert alpha[20, 20] == 255


@pytest.mark.slow
def test_a_test_image_of_24_megapixels_is_made_in_two_gigabytes(tmp_path):
    program = (
        "from pathlib import Path; from maskwright.data.uhr import synthesize_uhr;"
        f"print(synthesize_uhr(Path({str(tmp_path)!r}), count=2, backgrounds_each=(1, 1)).made)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # in kB, of Linux
    assert peak < 2_000_000
    for row in (*training_set(tmp_path, layout="uhr-395"), *benchmark(tmp_path, layout="uhr-395")):
        height, width = read_header(row.alpha).size
        assert height * width > 20e6


@pytest.mark.slow
def test_a_drawn_foreground_has_detail_of_a_pixel_and_is_not_a_larger_small_one():
    alpha = draw("hair", (4001, 5003), 1).alpha
    blocks = alpha[:4000, :5000].reshape(1000, 4, 1250, 4)
    edge = (blocks.mean((1, 3)) > 0.1) & (blocks.mean((1, 3)) < 0.9)
    within = blocks.std((1, 3))[edge]
    assert within.mean() > 0.15  # an enlargement by four would be smooth within a block


def test_the_latest_foreground_is_drawn_once():
    maker = UhrMaker(replace(SETTINGS, count=3, megapixels=0.004, test_share=0.4))
    first = next(i for i, item in enumerate(maker.plan.items) if hasattr(item, "thing"))
    maker.make(first)
    kept = maker._latest
    maker.make(first + 1)
    assert maker._latest is kept
