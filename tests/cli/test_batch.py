import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from maskwright.batch import operations
from maskwright.batch.run import Progress, Summary
from maskwright.cli.batch import PICTURES, SEGMENTS
from maskwright.cli.batching import _tell_untold, in_time, parse_shard
from maskwright.cli.main import run
from maskwright.errors import UsageError
from maskwright.image.io import read_grey, read_mask, read_photo, write_image


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder, with photos/ and trimaps/ of a.png and deep/b.png, 48 x 40 pixels."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    trimap = np.zeros((48, 40), np.uint8)
    trimap[8:40, 8:32], trimap[16:32, 12:28] = 128, 255
    for name in ("a.png", "deep/b.png"):
        pixels = rng.integers(0, 256, (48, 40, 3), np.uint8)
        write_image(tmp_path / "photos" / name, pixels, overwrite=True)
        write_image(tmp_path / "trimaps" / name, trimap, overwrite=True)
    return tmp_path


def test_cutouts_equal_those_of_the_verb_and_bad_photos_are_told(here, weights, capsys):
    (here / "photos/zero.jpg").touch()
    (here / "photos/alone.png").write_bytes((here / "photos/a.png").read_bytes())
    arguments = ["--model", str(weights), "--trimaps", "trimaps", "--workers", "1"]
    assert run(["batch", "cutout", "photos", "-o", "out", *arguments, "--json"]) == 2
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert (report["done"], report["failed"]) == (2, 2)
    assert "photos/alone.png: expected its trimap or mask at trimaps/alone.png" in captured.err
    assert "photos/zero.jpg" in captured.err and "2 done, 2 failed" in captured.err
    assert json.loads((here / "out/.maskwright/report.json").read_text()) == report
    single = ["cutout", "photos/deep/b.png", "--trimap", "trimaps/deep/b.png", "-o", "b.png"]
    assert run([*single, "--model", str(weights)]) == 0
    assert (here / "b.png").read_bytes() == (here / "out/deep/b.png").read_bytes()

    capsys.readouterr()
    capsys.readouterr()
    assert run(["batch", "cutout", "photos", "-o", "out", *arguments, "-q"]) == 2
    told = "2 failed and not tried now; out/.maskwright/report.json says why, --retry-failed tries"
    assert capsys.readouterr().err == f"{told} again\n"
    for name in ("zero.jpg", "alone.png"):
        (here / "photos" / name).unlink()
    capsys.readouterr()
    assert run(["batch", "cutout", "photos", "-o", "out", *arguments, "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_run_with_other_settings_that_was_refused_leaves_the_former_done(here, weights, capsys):
    arguments = ["--model", str(weights), "--trimaps", "trimaps", "--workers", "1", "-q"]
    batch = ["batch", "cutout", "photos", "-o", "out", *arguments]
    assert run(batch) == 0
    assert run([*batch, "--background", "white"]) == 2
    assert capsys.readouterr().err.count("exists already") == 2
    assert run(batch) == 0
    before = (here / "out/a.png").read_bytes()
    assert run([*batch, "--background", "white"]) == 2
    (here / "out/a.png").unlink()
    assert run(batch) == 0
    assert (here / "out/a.png").read_bytes() == before


def test_a_problem_that_ends_a_quiet_run_is_told(capsys):
    counts = {"queued": 2, "running": 0, "done": 1, "failed": 3}
    for summary, told in (
        (Summary(counts, Progress(), problem="a.png: no space"), "stopped: a.png: no space\n"),
        (Summary(counts, Progress(failed_now=3)), "2 left; the same command goes on\n"),
        (Summary(counts, Progress(failed_now=3), was_stopped=True), ""),
    ):
        _tell_untold(summary, Path("report.json"))
        assert capsys.readouterr().err == told


def test_mattes_from_masks_are_as_deep_as_asked_for(here, weights):
    write_image(here / "masks/a.png", read_grey("trimaps/a.png") == 255)
    arguments = ["--model", str(weights), "--masks", "masks", "--band", "4", "--bit-depth", "16"]
    shutil.rmtree(here / "photos/deep")
    assert run(["batch", "matte", "photos", "-o", "out", *arguments, "-q", "--workers", "1"]) == 0
    assert read_grey("out/a.png").dtype == np.uint16
    assert run(["matte", "photos/a.png", "-o", "a.png", "--mask", "masks/a.png", *arguments[:2],
                "--band", "4", "--bit-depth", "16"]) == 0  # fmt: skip
    assert (here / "a.png").read_bytes() == (here / "out/a.png").read_bytes()


@pytest.mark.parametrize(
    "verb, format, name, more",
    [
        ("cutout", "tiff", "b.tif", ["--bit-depth", "16"]),
        ("cutout", "webp", "b.webp", []),
        ("cutout", "jpeg", "b.jpg", ["--background", "white"]),
        ("matte", "tiff", "b.tif", []),
        ("matte", "jpeg", "b.jpg", []),
    ],
)
def test_pictures_of_any_format_equal_those_of_the_verb(here, weights, verb, format, name, more):
    (here / "photos/a.png").unlink()
    arguments = ["--model", str(weights), *more, "-q"]
    batch = ["batch", verb, "photos", "-o", "out", "--trimaps", "trimaps", "--format", format]
    assert run([*batch, "--workers", "1", *arguments]) == 0
    single = [verb, "photos/deep/b.png", "--trimap", "trimaps/deep/b.png", "-o", name]
    assert run([*single, *arguments]) == 0
    assert (here / name).read_bytes() == (here / "out/deep" / name).read_bytes()


@pytest.mark.parametrize("format", ["palette", "yolo"])
def test_shards_write_together_what_the_verb_writes(here, segment_weights, format):
    arguments = ["--model", str(segment_weights), "--format", format, "-q"]
    batch = ["batch", "segment", "photos", "-o", "out", *arguments, "--workers", "1"]
    assert run([*batch, "--shard", "1/2"]) == 0  # a.png
    assert run([*batch, "--shard", "2/2"]) == 0  # deep/b.png
    assert run(["segment", "photos", "--recursive", "-o", "verb", *arguments]) == 0
    one, other = (
        {
            path.relative_to(here / folder).as_posix(): path.read_bytes()
            for path in (here / folder).rglob("*")
            if path.is_file() and ".maskwright" not in path.parts
        }
        for folder in ("out", "verb")
    )
    assert one == other
    labels = {"palette": "deep/b.png", "yolo": "labels/deep/b.txt"}[format]
    assert one[labels] and ("data.yaml" in one) is (format == "yolo")


def test_labels_of_other_classes_are_not_mixed(here, segment_weights, capsys):
    (here / "out").mkdir()
    (here / "out/data.yaml").write_text("names: [cat, dog]\n")
    batch = ["batch", "segment", "photos", "-o", "out", "--model", str(segment_weights)]
    assert run([*batch, "--format", "yolo", "-q"]) != 0
    assert "out/data.yaml: expected what these weights and settings" in capsys.readouterr().err
    assert not (here / "out/labels").exists()


@pytest.mark.parametrize("task", ["panoptic"])
def test_segments_equal_those_of_the_verb(here, segment_weights, task):
    arguments = ["--model", str(segment_weights), "--task", task, "-q"]
    assert run(["batch", "segment", "photos", "-o", "out", *arguments, "--workers", "1"]) == 0
    assert run(["segment", "photos", "--recursive", "-o", "verb", *arguments]) == 0
    for suffix in (".png", ".json", ".overlay.jpg"):
        one, other = (here / folder / f"deep/b{suffix}" for folder in ("out", "verb"))
        assert one.read_bytes() == other.read_bytes()


def test_the_subject_is_found_without_hints(here, weights, segment_weights):
    arguments = ["--model", str(weights), "--segment-model", str(segment_weights), "-q"]
    assert run(["batch", "cutout", "photos", "-o", "out", *arguments, "--workers", "1"]) in (0, 2)
    report = json.loads((here / "out/.maskwright/report.json").read_text())
    assert report["done"] + report["failed"] == 2
    for item in report["items"]:  # of random weights something or nothing
        assert item["status"] == "done" or "subject" in item["error"] or "mask" in item["error"]


def test_what_one_process_encodes_another_clicks_on_from_elsewhere(here, click_weights, capsys):
    """Nothing is encoded again, unless the photo has changed."""
    model = ["--model", str(click_weights)]
    assert run(["embed", "photos", "-o", "store", *model, "--workers", "1"]) == 0
    told = capsys.readouterr().err
    assert "store: 2 encoded photos" in told and "uncertainty" not in told
    assert run(["embed", "-o", "store", "--verify"]) == 0
    assert "2 encoded photos are whole, 0 not" in capsys.readouterr().out
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    (here / "store").rename(elsewhere / "moved")
    click = [sys.executable, "-m", "maskwright", "click", "../photos/a.png", "--point", "9,9"]
    asked = [*click, *model, "--store", "moved", "-o", "mask.png"]
    result = subprocess.run(asked, cwd=elsewhere, capture_output=True, text=True, check=True)
    assert "encoded now" not in result.stderr
    assert run(["click", "photos/a.png", "--point", "9,9", "-o", "mask.png", *model]) == 0
    assert (here / "mask.png").read_bytes() == (elsewhere / "mask.png").read_bytes()

    (here / "photos/a.png").write_bytes((here / "photos/deep/b.png").read_bytes())
    write_image("photos/a.png", 255 - read_photo("photos/a.png").pixels, overwrite=True)
    capsys.readouterr()
    changed = ["click", "photos/a.png", "--point", "9,9", "-o", "new.png", *model]
    assert run([*changed, "--store", "elsewhere/moved"]) == 0
    assert "one of them has changed; encoded now, and kept" in capsys.readouterr().err
    assert run([*changed, "--store", "elsewhere/moved", "--overwrite"]) == 0
    assert "encoded now" not in capsys.readouterr().err
    assert read_mask("new.png", (48, 40)).shape == (48, 40)


def test_a_damaged_file_of_a_store_is_found(here, capsys):
    (here / "store/ab").mkdir(parents=True)
    (here / "store/ab/abcd-ef.safetensors").write_bytes(b"no")
    assert run(["embed", "-o", "store", "--verify"]) == 2
    assert "abcd-ef.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["batch", "matte", "photos", "-o", "x"], "--trimaps DIR or --masks DIR"),
        (["batch", "cutout", "photos", "-o", "x", "--trimaps", "t", "--masks", "m"], "keep one"),
        (["batch", "cutout", "photos", "-o", "x", "--trimaps", "none"], "there is no none"),
        (["batch", "cutout", "photos", "-o", "x", "--trimaps", "trimaps", "--shard", "3/2"],
         "--shard must be k/n"),
        (["batch", "cutout", "photos", "-o", "x", "--trimaps", "trimaps", "--ray-address", "a"],
         "--ray-address is about --engine ray"),
        (["batch", "cutout", "photos", "-o", "photos", "--trimaps", "trimaps"], "between the"),
        (["batch", "cutout", "none", "-o", "x", "--trimaps", "trimaps"], "a folder of photos"),
        (["batch", "segment", "photos", "-o", "x", "--format", "coco"],
         "png, labelme, yolo, palette, got 'coco'"),
        (["batch", "segment", "photos", "-o", "x", "--format", "palette", "--task", "instance"],
         "got instances, which may overlap"),
        (["batch", "cutout", "photos", "-o", "x", "--trimaps", "trimaps", "--format", "jpeg"],
         "got jpeg, which has no transparency; --background white"),
        (["batch", "matte", "photos", "-o", "x", "--masks", "trimaps", "--format", "webp",
          "--bit-depth", "16"], "a webp has 8 bits per channel"),
        (["batch", "matte", "photos", "-o", "x", "--masks", "trimaps", "--format", "gif"],
         "--format must be png, tiff, webp, jpeg, got 'gif'"),
        (["batch", "segment", "photos", "-o", "x", "--model", "mask2formr-mini"], "did you mean"),
        (["batch", "cutout", "photos", "-o", "x", "--trimaps", "trimaps", "--engine", "spark"],
         "local or ray"),
        (["embed", "-o", "x"], "expected a folder of photos, got none"),
        (["embed", "-o", "none", "--verify"], "expected the folder of a store"),
        (["click", "photos/a.png", "--point", "1,1", "-o", "m.png", "--store", "s",
          "--features", "f"], "keep one of the two"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line_and_leaves_nothing(here, capsys, arguments, said):
    assert run(arguments) == 1
    assert said in capsys.readouterr().err
    assert not (here / "x").exists()


def test_ctrl_c_finishes_what_is_begun(here, weights):
    for number in range(30):
        shutil.copy(here / "photos/a.png", here / f"photos/{number}.png")
        shutil.copy(here / "trimaps/a.png", here / f"trimaps/{number}.png")
    command = [sys.executable, "-m", "maskwright", "batch", "matte", "photos", "-o", "out"]
    flags = ["--trimaps", "trimaps", "--model", str(weights), "--workers", "1"]
    process = subprocess.Popen([*command, *flags], stderr=subprocess.PIPE, text=True)
    while not list(here.glob("out/*.png")) and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    told = process.communicate()[1]
    assert process.returncode == 130
    assert "finishing what is begun" in told and "the same command goes on" in told
    assert "Traceback" not in told
    report = json.loads((here / "out/.maskwright/report.json").read_text())
    assert report["running"] == 0 and report["done"] == len(list(here.glob("out/*.png"))) < 32
    assert not list(here.glob("out/.maskwright[-.]*"))


def test_shards_and_times_are_read_and_written_as_people_do():
    assert parse_shard("2/8") == (2, 8)
    with pytest.raises(UsageError, match="got '0/8'"):
        parse_shard("0/8")
    assert [in_time(s) for s in (40.0, 720.0, 12000.0)] == ["40 s", "12 min", "3 h 20 min"]


def test_the_formats_shown_are_those_that_are_written():
    assert tuple(operations.SEGMENTS) == SEGMENTS and tuple(operations.PICTURES) == PICTURES
