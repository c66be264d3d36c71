import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from drawn_photos import draw
from inverting import HERE, Inverting, Texting, Twofold, do

from maskwright.batch.local import LocalEngine
from maskwright.batch.pipeline import Outcome
from maskwright.batch.places import LocalPlace
from maskwright.batch.report import write_report
from maskwright.batch.run import STATE, Scope, open_manifest, publish_shared, run_batch
from maskwright.batch.steps import Job, Task, encode_item
from maskwright.errors import OutputError, UsageError
from maskwright.image.io import read_photo
from maskwright.image.source import display_name
from maskwright.runs.manifest import DONE, FAILED, QUEUED, Entry, Manifest


def files(folder):
    """Return the content of all results by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and STATE not in path.parts
    }


def remembered(folder):
    """Return the rows of the manifest of results."""
    with Manifest(folder / STATE / "manifest.sqlite", settings="", weights="") as manifest:
        return list(manifest.worst_first())


def test_folders_are_kept_and_nothing_is_done_twice(photos, tmp_path):
    draw(photos / "b.tif", 4)
    summary, rows, told = do(photos, tmp_path / "out")
    assert list(files(tmp_path / "out")) == ["a.png", "b.png.png", "b.tif.png", "deep/c.png"]
    photo, result = (read_photo(folder / "a.png") for folder in (photos, tmp_path / "out"))
    np.testing.assert_array_equal(result.pixels, 255 - photo.pixels)
    assert (summary.counts[DONE], summary.progress.done_now, told) == (4, 4, {})
    assert [row.uncertainty for row in rows.values()] == sorted(
        (row.uncertainty for row in rows.values()), reverse=True
    )

    again, rows, _ = do(photos, tmp_path / "out")
    assert (again.counts[DONE], again.progress.done_now) == (4, 0)
    assert {row.attempts for row in rows.values()} == {1}


def test_every_bad_file_is_named_and_every_good_one_done(photos, tmp_path):
    for name in ("crash", "hang", "swell"):
        (photos / f"{name}.png").write_text(name)
    (photos / "zero.jpg").touch()
    (photos / "text.jpg").write_text("<svg>")
    (photos / "cut.png").write_bytes((photos / "a.png").read_bytes()[:60])
    draw(photos / "unlucky.png", 5, size=(13, 7))
    os.mkfifo(photos / "pipe.jpg")
    (photos / "deep/loop").symlink_to(photos)
    (photos / "self.jpg").symlink_to("self.jpg")
    good = [os.fsdecode(b"new\nline.png"), os.fsdecode(b"not\xffutf8.png")]
    for number, name in enumerate(good):
        draw(photos / name, number)
    summary, rows, told = do(photos, tmp_path / "out", seconds=8.0, workers=2)
    bad = {"crash.png", "hang.png", "swell.png", "zero.jpg", "text.jpg", "cut.png", "unlucky.png"}
    bad |= {"pipe.jpg", "deep/loop", "self.jpg"}
    assert {path for path, row in rows.items() if row.state == FAILED} == bad
    assert summary.counts == {QUEUED: 0, "running": 0, DONE: 5, FAILED: 10}
    assert set(files(tmp_path / "out")) == {"a.png", "b.png", "deep/c.png", *good}
    for path in bad:
        assert display_name(path).split("/")[-1] in rows[path].error
    assert "SIGABRT" in rows["crash.png"].error and "within 8 s" in rows["hang.png"].error
    assert "not enough memory" in rows["swell.png"].error
    assert "empty file" in rows["zero.jpg"].error and "a pipe" in rows["pipe.jpg"].error
    assert "leads back to itself" in rows["deep/loop"].error

    stays, _, _ = do(photos, tmp_path / "out")
    assert (stays.counts[FAILED], stays.progress.failed_now) == (10, 0)
    (photos / "hang.png").unlink()
    again, _, _ = do(photos, tmp_path / "out", retry_failed=True)
    assert (again.counts[FAILED], again.progress.failed_now, again.counts[DONE]) == (9, 6, 5)


def test_a_photo_or_a_setting_that_changed_is_done_again(photos, tmp_path):
    out = tmp_path / "out"
    do(photos, out)
    before = files(out)
    os.utime(photos / "a.png", (1, 1))  # looks changed, is not
    draw(photos / "b.png", 9)
    summary, rows, _ = do(photos, out)
    assert summary.progress.done_now == 2
    changed = {name for name, content in files(out).items() if content != before[name]}
    assert changed == {"b.png"}
    assert rows["a.png"].outputs and rows["a.png"].uncertainty is not None

    _, _, told = do(photos, out, operation=Inverting(version=2))
    assert set(told) == {"a.png", "b.png", "deep/c.png"}
    assert "exists already; allow replacing it with --overwrite" in told["a.png"]
    summary, _, told = do(photos, out, operation=Inverting(version=2), overwrite=True)
    assert (summary.counts[DONE], told) == (3, {})


def test_other_settings_that_were_refused_change_nothing_for_the_former_ones(photos, tmp_path):
    out = tmp_path / "out"
    do(photos, out)
    (out / "b.png").write_bytes(b"retouched")
    before, other = files(out), Inverting(version=2)
    for _ in range(2):
        _, _, told = do(photos, out, operation=other)
        assert set(told) == {"a.png", "b.png", "deep/c.png"}
    summary, rows, told = do(photos, out)
    assert (summary.counts[DONE], summary.progress.done_now, told) == (3, 0, {})
    assert rows["a.png"].attempts == 1 and rows["a.png"].seconds is not None

    do(photos, out, operation=other)
    (out / "a.png").unlink()
    summary, _, told = do(photos, out)
    assert (summary.progress.done_now, told, files(out)) == (1, {}, before)

    draw(photos / "a.png", 9)
    do(photos, out, operation=other)
    summary, _, told = do(photos, out)
    assert (summary.progress.done_now, told) == (1, {}) and files(out)["a.png"] != before["a.png"]


def test_what_other_settings_have_replaced_is_not_taken_for_that_of_the_former_ones(
    photos, tmp_path
):
    out = tmp_path / "out"
    do(photos, out)
    do(photos, out, operation=Inverting(version=2), overwrite=True)
    summary, _, told = do(photos, out)
    assert summary.counts[DONE] == 0 and "exists already" in told["a.png"]
    summary, _, _ = do(photos, out, operation=Inverting(version=2))
    assert (summary.counts[DONE], summary.progress.done_now) == (3, 0)


def test_results_of_several_settings_that_share_no_name_are_all_remembered(photos, tmp_path):
    out = tmp_path / "out"
    for operation, done_now in ((Inverting(), 3), (Texting(), 3), (Inverting(), 0), (Texting(), 0)):
        summary, _, told = do(photos, out, operation=operation)
        assert (summary.counts[DONE], summary.progress.done_now, told) == (3, done_now, {})


def test_a_result_that_somebody_has_retouched_is_not_replaced(photos, tmp_path):
    out = tmp_path / "out"
    do(photos, out)
    (out / "a.png").write_bytes(b"retouched")
    draw(photos / "a.png", 9)
    _, _, told = do(photos, out)
    assert "was changed since" in told["a.png"]
    assert (out / "a.png").read_bytes() == b"retouched"


def test_a_file_that_was_there_before_is_not_replaced(photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"mine")
    for scope in ({}, {"retry_failed": True}):
        summary, _, told = do(photos, out, **scope)
        assert set(told) == {"a.png"}
        assert (out / "a.png").read_bytes() == b"mine"
    assert summary.counts[DONE] == 2
    (out / "a.png").unlink()
    summary, _, told = do(photos, out)
    assert (summary.counts[DONE], summary.progress.done_now, told) == (3, 1, {})


@pytest.mark.parametrize("size", [None, (13, 7)], ids=["decoding", "inferring"])
@pytest.mark.parametrize("is_repaired", [True, False])
def test_a_file_that_came_after_a_failure_is_not_replaced(photos, tmp_path, size, is_repaired):
    out = tmp_path / "out"
    if size is None:
        (photos / "a.png").write_text("text")
    else:
        draw(photos / "a.png", 0, size=size)
    _, rows, _ = do(photos, out)
    assert rows["a.png"].state == FAILED and not rows["a.png"].is_ours
    (out / "a.png").write_bytes(b"mine")
    if is_repaired:
        draw(photos / "a.png", 0)
    _, _, told = do(photos, out, retry_failed=not is_repaired)
    assert "exists already" in told["a.png"]
    assert (out / "a.png").read_bytes() == b"mine"


def test_a_result_retouched_after_a_failure_is_not_replaced(photos, tmp_path):
    out, photo = tmp_path / "out", (photos / "a.png").read_bytes()
    do(photos, out)
    (photos / "a.png").write_text("text")
    _, rows, _ = do(photos, out)
    assert rows["a.png"].state == FAILED
    (out / "a.png").write_bytes(b"retouched")
    (photos / "a.png").write_bytes(photo)
    for scope in ({}, {"retry_failed": True}):
        _, _, told = do(photos, out, **scope)
        assert "was changed since" in told["a.png"]
        assert (out / "a.png").read_bytes() == b"retouched"
    _, _, told = do(photos, out, overwrite=True)
    assert told == {} and (out / "a.png").read_bytes() != b"retouched"


def test_a_result_that_nobody_touched_is_replaced_after_a_failure(photos, tmp_path):
    out = tmp_path / "out"
    do(photos, out)
    before = files(out)
    (photos / "a.png").write_text("text")
    do(photos, out)
    assert files(out) == before
    draw(photos / "a.png", 9)
    _, _, told = do(photos, out)
    assert told == {} and files(out)["a.png"] != before["a.png"]


def test_a_file_that_came_after_a_kill_and_a_failure_is_not_replaced(photos, tmp_path):
    out, photo = tmp_path / "out", (photos / "a.png").read_bytes()
    job = Job(Inverting(), LocalPlace(str(photos)), LocalPlace(str(out)))
    with open_manifest(job, Scope()) as manifest:
        manifest.scan([Entry("a.png", "a")], is_there=lambda row: False)
        manifest.start("a.png")
    (photos / "a.png").write_text("text")
    do(photos, out)
    (out / "a.png").write_bytes(b"mine")
    (photos / "a.png").write_bytes(photo)
    _, _, told = do(photos, out)
    assert "exists already" in told["a.png"]
    assert (out / "a.png").read_bytes() == b"mine"


def test_of_results_half_written_only_what_was_written_is_replaced(photos, tmp_path):
    class Halfway:
        """Does half of each task."""

        def outcomes(self, tasks):
            for task in tasks:
                (tmp_path / f"out/{task.stem}.txt").mkdir(parents=True)  # in the way
                written = encode_item(job, task, np.zeros((2, 3, 3), np.uint8))
                yield Outcome(task, outputs=written.outputs, problem=written.problem)

        def close(self):
            pass

    out = tmp_path / "out"
    job = Job(Twofold(), LocalPlace(str(photos)), LocalPlace(str(out)))
    with open_manifest(job, Scope()) as manifest:
        run_batch(job, manifest, Scope(), engine=Halfway)
        row = next(manifest.worst_first())
        assert row.state == FAILED and "a.txt: expected the name of a file" in row.error
        assert list(row.outputs) == ["a.png"]
    for name in ("a", "b", "deep/c"):
        (out / f"{name}.txt").rmdir()
    (out / "a.txt").write_bytes(b"mine")
    (out / "b.png").write_bytes(b"retouched")
    _, rows, told = do(photos, out, operation=Twofold(), retry_failed=True)
    assert "a.txt: exists already" in told["a.png"] and "was changed since" in told["b.png"]
    assert sorted(rows["deep/c.png"].outputs) == ["deep/c.png", "deep/c.txt"]
    assert (out / "a.txt").read_bytes() == b"mine"
    assert (out / "b.png").read_bytes() == b"retouched"


def test_a_result_that_a_lost_machine_wrote_is_no_problem_but_another_file_is(photos, tmp_path):
    job = Job(Twofold(), LocalPlace(str(photos)), LocalPlace(str(tmp_path / "out")))
    task, pixels = Task("a.png", "a"), np.zeros((2, 3, 3), np.uint8)
    first, second = (encode_item(job, task, pixels) for _ in range(2))
    assert first.outputs == second.outputs and first.problem is second.problem is None
    (tmp_path / "out/a.txt").write_bytes(b"mine")
    third = encode_item(job, task, pixels)
    assert list(third.outputs) == ["a.png"] and "a.txt: exists already" in third.problem.text
    assert (tmp_path / "out/a.txt").read_bytes() == b"mine"


def test_a_file_about_all_photos_is_written_once_and_kept_while_it_says_the_same(photos, tmp_path):
    out, words = tmp_path / "out", tmp_path / "out/words.txt"
    do(photos, out, operation=Texting(), shard=(1, 2))
    do(photos, out, operation=Texting(), shard=(2, 2))
    assert list(files(out)) == ["texts/a.txt", "texts/b.txt", "texts/deep/c.txt", "words.txt"]
    assert words.read_bytes() == b"dark light"

    words.write_bytes(b"dark\nlight\n")  # somebody's own, which says the same
    draw(photos / "a.png", 9)
    for scope in ({}, {"overwrite": True}):
        do(photos, out, operation=Texting(), **scope)
        assert words.read_bytes() == b"dark\nlight\n"

    before = files(out)
    with pytest.raises(OutputError, match=r"words.txt: expected what these weights.*--overwrite"):
        do(photos, out, operation=Texting(words="black white"))
    assert files(out) == before
    summary, _, _ = do(photos, out, operation=Texting(words="black white"), overwrite=True)
    assert summary.counts[DONE] == 3 and words.read_bytes() == b"black white"
    assert {content for name, content in files(out).items() if name != "words.txt"} <= {
        b"black",
        b"white",
    }


def test_whoever_is_first_writes_the_file_about_all_photos(tmp_path):
    class Late(LocalPlace):
        """A folder in which another run is quicker."""

        def publish(self, files, *, overwrite):
            super().publish(dict.fromkeys(files, quicker), overwrite=False)
            return super().publish(files, overwrite=overwrite)

    job = Job(Texting(), LocalPlace(str(tmp_path)), Late(str(tmp_path / "out")))
    quicker = b"dark  light"
    publish_shared(job, overwrite=False)
    assert (tmp_path / "out/words.txt").read_bytes() == quicker
    (tmp_path / "out/words.txt").unlink()
    quicker = b"black white"
    with pytest.raises(OutputError, match="got something else; choose another -o"):
        publish_shared(job, overwrite=False)


def test_a_file_about_all_photos_that_cannot_be_written_is_named(photos, tmp_path):
    (tmp_path / "out/words.txt").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"words.txt: expected the name of a file, got a folder"):
        do(photos, tmp_path / "out", operation=Texting())
    assert list(files(tmp_path / "out")) == []


def test_no_result_has_the_name_of_a_folder_whatever_it_ends_with(photos, tmp_path):
    draw(photos / "a.txt/d.png", 4)
    _, _, told = do(photos, tmp_path / "out", operation=Texting())
    names = ["texts/a.png.txt", "texts/a.txt/d.txt", "texts/b.txt", "texts/deep/c.txt"]
    assert (list(files(tmp_path / "out")), told) == ([*names, "words.txt"], {})


def test_what_a_killed_run_left_is_removed_where_results_go(photos, tmp_path):
    job = Job(Texting(), LocalPlace(str(photos)), LocalPlace(str(tmp_path / "out")))
    with open_manifest(job, Scope()) as manifest:
        manifest.scan([Entry("deep/c.png", "deep/c")], is_there=lambda row: False)
        manifest.start("deep/c.png")
        left = tmp_path / f"out/texts/deep/.maskwright.{manifest.owner}.0123456789abcdef.part"
    left.parent.mkdir(parents=True)
    left.touch()
    open_manifest(job, Scope()).close()
    assert not left.exists()


@pytest.mark.parametrize("owner", ["second", ""], ids=["shard", "app"])
def test_a_shard_that_starts_again_lets_others_finish_what_they_write(
    photos, tmp_path, monkeypatch, owner
):
    job = Job(Inverting(), LocalPlace(str(photos)), LocalPlace(str(tmp_path / "out")))
    first, second = Scope(shard=(1, 2)), Scope(shard=(2, 2))
    with open_manifest(job, second) as manifest:
        owner = owner and manifest.owner
    with open_manifest(job, first) as manifest:
        manifest.scan([Entry("a.png", "a")], is_there=lambda row: False)
        manifest.start("a.png")
    synced = os.fsync

    def meanwhile(descriptor):
        monkeypatch.setattr(os, "fsync", synced)
        assert list((tmp_path / "out").glob(".*.part"))
        open_manifest(job, first).close()

    monkeypatch.setattr(os, "fsync", meanwhile)
    job.sink.publish({"b.png": b"whole"}, overwrite=False, owner=owner)
    assert (tmp_path / "out/b.png").read_bytes() == b"whole"


def test_codecs_write_in_the_name_of_their_run(photos, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, f"{HERE}/inverting.py", photos, out, "Stalling"])
    deadline = time.monotonic() + 60
    while not (left := list(out.rglob(".*.part"))) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    job = Job(Inverting(), LocalPlace(str(photos)), LocalPlace(str(out)))
    assert left
    open_manifest(job, Scope()).close()
    assert not list(out.rglob(".*.part"))


def test_shards_share_the_photos_whoever_does_them(tmp_path):
    names = [f"{n}.png" for n in range(60)]
    parts = [{name for name in names if Scope(shard=(k, 3)).holds(name)} for k in (1, 2, 3)]
    assert set.union(*parts) == set(names)
    assert sum(map(len, parts)) == 60 and min(map(len, parts)) > 10


def test_a_stop_finishes_what_is_begun_and_leaves_the_rest_queued(tmp_path):
    photos = tmp_path / "photos"
    for number in range(12):
        draw(photos / f"{number}.png", number)
    stop = threading.Event()
    threading.Timer(0.0, stop.set).start()
    operation = Inverting(pause=0.05)
    summary, rows, _ = do(photos, tmp_path / "out", operation=operation, stop=stop)
    assert summary.was_stopped and summary.counts["running"] == 0
    assert summary.counts[DONE] == len(files(tmp_path / "out")) <= 3
    summary, rows, _ = do(photos, tmp_path / "out", operation=operation)
    assert summary.counts[DONE] == 12 and {row.attempts for row in rows.values()} == {1}


def test_a_watched_folder_goes_on_with_what_comes(photos, tmp_path):
    stop, out = threading.Event(), tmp_path / "out"

    def bring():
        deadline = time.monotonic() + 60
        while not (out / "deep/c.png").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        draw(photos / "late.png", 7)
        while not (out / "late.png").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        stop.set()

    thread = threading.Thread(target=bring)
    thread.start()
    summary, _, _ = do(photos, out, stop=stop, watch=True)
    thread.join()
    assert (out / "late.png").exists() and summary.counts[DONE] == 4


def test_in_a_watched_folder_what_is_in_the_way_is_told_once(photos, tmp_path):
    class Looking(threading.Event):
        """Stops after three looks at the folder."""

        looks = 0

        def wait(self, timeout=None):
            self.looks += 1
            return self.looks == 3

    out, told = tmp_path / "out", []
    out.mkdir()
    (out / "a.png").write_bytes(b"mine")
    job, scope = Job(Inverting(), LocalPlace(str(photos)), LocalPlace(str(out))), Scope(watch=True)
    with open_manifest(job, scope) as manifest:
        summary = run_batch(
            job,
            manifest,
            scope,
            engine=lambda: LocalEngine(job, workers=1),
            tell=lambda path, problem, progress: told.append(path),
            stop=Looking(),
        )
    assert sorted(told) == ["a.png", "b.png", "deep/c.png"] and summary.counts[FAILED] == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_stops_cleanly_and_the_run_goes_on_later(tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    for number in range(6):
        draw(photos / f"{number}.png", number, size=(160, 160))  # 75 KiB each as PNG
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", out]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        summary, _, told = do(photos, out)
        assert "No space left" in summary.problem and "free some space" in summary.problem
        assert told == {} and summary.counts[FAILED] == 0 and summary.counts[QUEUED] > 0
        for name in files(out):
            read_photo(out / name)
        subprocess.run(["mount", "-o", "remount,size=4m", out], check=True)
        summary, _, _ = do(photos, out)
        assert summary.counts[DONE] == 6
    finally:
        subprocess.run(["umount", out], check=True)


def test_an_unreadable_photo_or_folder_is_named(photos, tmp_path):
    draw(photos / "closed/d.png", 1)
    (photos / "b.png").chmod(0)
    (photos / "closed").chmod(0)
    program = [sys.executable, f"{HERE}/inverting.py", photos, tmp_path / "out"]
    drop = "-dac_override,-dac_read_search"  # root reads everything otherwise
    if os.geteuid() == 0:
        program = ["setpriv", "--bounding-set", drop, *program]
    try:
        if subprocess.run(program, check=False, capture_output=True).returncode:
            pytest.skip("this system cannot take root's right to read everything")
        with Manifest(
            tmp_path / "out" / STATE / "manifest.sqlite", settings="", weights=""
        ) as found:
            rows = {row.path: row for row in found.worst_first()}
    finally:
        (photos / "closed").chmod(0o700)
    assert {path for path, row in rows.items() if row.state == FAILED} == {"b.png", "closed"}
    assert "Permission denied" in rows["b.png"].error
    assert "a folder that cannot be read" in rows["closed"].error


def test_kill_9_at_any_moment_costs_at_most_what_was_begun(tmp_path):
    photos, out, count, kills = tmp_path / "photos", tmp_path / "out", 40, 3
    for number in range(count):
        draw(photos / f"{number}.png", number)
    program = [sys.executable, f"{HERE}/inverting.py", photos, out]
    rng = random.Random(1)
    for kill in range(1, kills + 1):
        process = subprocess.Popen(program)
        wanted = kill * count // (kills + 1)
        while len(list(out.glob("*.png"))) < wanted and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.random() / 50)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(list(out.glob("*.png"))) < count
    subprocess.run(program, check=True)
    do(photos, tmp_path / "whole", operation=Inverting(pause=0.0))
    assert files(out) == files(tmp_path / "whole")
    rows = remembered(out)
    assert {row.state for row in rows} == {DONE} and len(rows) == count
    assert sum(row.attempts for row in rows) - count <= kills * (2 + 2)


def test_the_report_has_the_worst_first_and_says_what_uncertainty_is(photos, tmp_path):
    (photos / "zero.jpg").touch()
    summary, _, _ = do(photos, tmp_path / "out")
    with Manifest(tmp_path / "out" / STATE / "manifest.sqlite", settings="", weights="") as found:
        write_report(tmp_path / "report.json", found, summary, "brightness")
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["done"], report["failed"], report["uncertainty"]) == (3, 1, "brightness")
    assert report["items"][0]["photo"] == "zero.jpg" and "empty" in report["items"][0]["error"]
    values = [item["uncertainty"] for item in report["items"][1:]]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("output", [".", "photos", "photos/../photos", "photos/a.png"])
def test_results_may_not_get_between_the_photos(photos, tmp_path, output):
    with pytest.raises(UsageError):
        do(photos, tmp_path / output)


def test_results_in_a_folder_of_the_photos_are_no_photos(photos):
    do(photos, photos / "out")
    summary, _, _ = do(photos, photos / "out")
    assert summary.counts[DONE] == 3


def test_a_second_run_at_the_same_time_is_refused(photos, tmp_path):
    file = tmp_path / "out" / STATE / "manifest.sqlite"
    with (
        Manifest(file, settings="", weights=""),
        pytest.raises(OutputError, match="another run is at work"),
    ):
        do(photos, tmp_path / "out")


def test_an_empty_folder_is_wrong_use(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(UsageError, match="there are no photos"):
        do(tmp_path / "photos", tmp_path / "out")
    with pytest.raises(UsageError, match="expected a folder of photos"):
        do(tmp_path / "none", tmp_path / "out")
