import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from maskwright.errors import OutputError
from maskwright.runs.manifest import DONE, FAILED, QUEUED, Entry, Manifest

BYTES = os.fsdecode(b"n\xff\n.jpg")  # not UTF-8, and with a newline
PHOTOS = [Entry(name, name[:-4], "1") for name in ("a.jpg", "deep/b.jpg", BYTES)]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "deep" / "manifest.sqlite"


def opened(file, entries=PHOTOS, *, settings="s", weights="w", is_there=True, **flags):
    manifest = Manifest(file, settings=settings, weights=weights)
    manifest.scan(entries, is_there=lambda row: is_there, **flags)
    return manifest


def do(manifest, path):
    manifest.start(path)
    manifest.finish(path, input="i", outputs={"o.png": "sum"}, seconds=2.5, uncertainty=0.25)


def waiting(manifest):
    return [row.path for row in manifest.waiting()]


def test_what_is_done_stays_done_and_the_rest_waits(file):
    with opened(file) as manifest:
        assert waiting(manifest) == ["a.jpg", "deep/b.jpg", BYTES]
        do(manifest, "a.jpg")
        manifest.start(BYTES)
    with Manifest(file, settings="s", weights="w") as manifest:
        assert [row.path for row in manifest.interrupted()] == [BYTES]
    with opened(file) as manifest:
        rows = {row.path: row for row in manifest.waiting()}
        assert list(rows) == ["deep/b.jpg", BYTES]
        assert (rows[BYTES].attempts, rows[BYTES].is_ours) == (1, True)
        assert not rows["deep/b.jpg"].is_ours
        assert manifest.counts() == {QUEUED: 2, "running": 0, DONE: 1, FAILED: 0}


@pytest.mark.parametrize(
    "change, is_ours",
    [
        ({"settings": "other"}, False),
        ({"weights": "other"}, False),
        ({"entries": [Entry("a.jpg", "a", "2")]}, True),
        ({"is_there": False}, True),
    ],
)
def test_what_has_changed_is_queued_again(file, change, is_ours):
    """Results of other settings may not be replaced without being asked; they count as foreign."""
    with opened(file, PHOTOS[:1]) as manifest:
        do(manifest, "a.jpg")
    with opened(file, **{"entries": PHOTOS[:1]} | change) as manifest:
        row = next(manifest.waiting())
        assert row.is_ours is is_ours
        assert row.input == ("i" if is_ours else None)


def test_what_each_work_made_is_known_until_another_may_have_replaced_it(file):
    with opened(file, PHOTOS[:2]) as manifest:
        do(manifest, "a.jpg")
        do(manifest, "deep/b.jpg")
    with opened(file, PHOTOS[:2], settings="other") as manifest:
        manifest.refuse("a.jpg", "o.png: exists already")
        manifest.start("deep/b.jpg", ["o.txt"])
        assert manifest.counts()[DONE] == 0
    with opened(file, PHOTOS[:2]) as manifest:
        assert manifest.counts()[DONE] == 2
        assert next(manifest.worst_first()).outputs == {"o.png": "sum"}
    with opened(file, PHOTOS[:2], weights="other") as manifest:
        manifest.start("a.jpg", ["o.png", "o.txt"])
        manifest.start("deep/b.jpg")
    with opened(file, PHOTOS[:2]) as manifest:
        assert [(row.is_ours, row.outputs) for row in manifest.waiting()] == [(False, {})] * 2


def test_what_was_killed_is_forgotten_once_another_work_begins_the_item(file):
    """Nobody knows which names it wrote; they may be the other's by now."""
    with opened(file, PHOTOS[:1]) as manifest:
        manifest.start("a.jpg", ["o.png"])
    with opened(file, PHOTOS[:1], settings="other") as manifest:
        manifest.start("a.jpg", ["o.txt"])
    with opened(file, PHOTOS[:1]) as manifest:
        assert not next(manifest.waiting()).is_ours


def test_failures_stay_until_asked_for_or_changed(file):
    with opened(file, PHOTOS[:1]) as manifest:
        manifest.start("a.jpg")
        manifest.fail("a.jpg", "a.jpg: damaged")
    with opened(file, PHOTOS[:1]) as manifest:
        assert waiting(manifest) == []
        assert next(manifest.worst_first()).error == "a.jpg: damaged"
    with opened(file, PHOTOS[:1], retry_failed=True) as manifest:
        assert waiting(manifest) == ["a.jpg"]
    with opened(file, [Entry("a.jpg", "a", "2")]) as manifest:
        assert waiting(manifest) == ["a.jpg"]


def test_what_was_refused_is_queued_again_unless_told_otherwise(file):
    with opened(file, PHOTOS[:1]) as manifest:
        manifest.refuse("a.jpg", "o.png: exists already")
        assert manifest.counts()[FAILED] == 1
        manifest.scan(PHOTOS[:1], is_there=lambda row: True, retry_refused=False)
        assert next(manifest.worst_first()).error == "o.png: exists already"
    with opened(file, PHOTOS[:1]) as manifest:
        assert waiting(manifest) == ["a.jpg"]
        manifest.start("a.jpg")
        manifest.fail("a.jpg", "a.jpg: damaged")
    with opened(file, PHOTOS[:1]) as manifest:
        assert waiting(manifest) == []


@pytest.mark.parametrize("outputs", [None, {}, {"o.png": "sum"}])
def test_what_did_not_end_well_says_which_results_are_ours(file, outputs):
    with opened(file, PHOTOS[:2]) as manifest:
        do(manifest, "a.jpg")
        for path in ("a.jpg", "deep/b.jpg"):
            manifest.start(path)
        manifest.fail("a.jpg", "damaged", outputs=outputs)
        manifest.put_back("deep/b.jpg", outputs=outputs)
        for row in manifest.worst_first():
            assert (row.is_ours, row.outputs) == (outputs != {}, outputs or {})
            assert row.input is None  # else a part could pass for all


def test_of_what_was_killed_any_result_may_be_ours(file):
    with opened(file, PHOTOS[:1]) as manifest:
        do(manifest, "a.jpg")
        manifest.start("a.jpg")
    with opened(file, PHOTOS[:1]) as manifest:
        row = next(manifest.waiting())
        assert (row.is_ours, row.outputs) == (True, {})


def test_each_manifest_has_an_owner_of_its_own_that_stays(file):
    with opened(file) as first, opened(file.with_name("other.sqlite")) as second:
        owner = first.owner
        assert owner != second.owner
    with opened(file) as again:
        assert again.owner == owner


def test_what_cannot_be_an_item_has_failed_at_once(file):
    with opened(file, [Entry("pipe.jpg", "pipe", problem="pipe.jpg: a pipe")]) as manifest:
        assert waiting(manifest) == []
        assert manifest.counts()[FAILED] == 1


def test_what_is_gone_does_not_count(file):
    opened(file).close()
    with opened(file, PHOTOS[:1]) as manifest:
        assert sum(manifest.counts().values()) == 1


def test_what_was_begun_keeps_its_name(file):
    """Beside a.jpg, whose result is a.png, comes a.tif: a new plan would say a.jpg.png."""
    with opened(file, PHOTOS[:1]) as manifest:
        do(manifest, "a.jpg")
    both = [Entry("a.jpg", "a.jpg", "1"), Entry("a.tif", "a.tif", "1")]
    with opened(file, both) as manifest:
        assert [row.stem for row in manifest.worst_first()] == ["a", "a.tif"]


def test_the_worst_come_first(file):
    names = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    with opened(file, [Entry(name, name[:-4]) for name in names]) as manifest:
        for name, uncertainty in zip(names, (0.1, None, 0.5), strict=False):
            manifest.finish(name, input="", outputs={}, seconds=1.0, uncertainty=uncertainty)
        manifest.fail("d.jpg", "no")
        assert [row.path for row in manifest.worst_first()] == ["d.jpg", "c.jpg", "a.jpg", "b.jpg"]


def test_rows_may_change_while_the_waiting_ones_are_read(file):
    entries = [Entry(f"{n:04}.jpg", f"{n:04}") for n in range(1201)]
    with opened(file, entries) as manifest:
        seen = [row.path for row in manifest.waiting() if manifest.start(row.path) is None]
    assert seen == [entry.path for entry in entries]


def test_one_process_at_a_time(file):
    with opened(file), pytest.raises(OutputError, match="another run is at work"):
        opened(file)


def test_a_file_of_another_kind_or_version_is_refused(file):
    opened(file).close()
    base = sqlite3.connect(file)
    base.execute("PRAGMA user_version=99")
    base.close()
    with pytest.raises(OutputError, match="version 2, got 99"):
        opened(file)
    file.write_bytes(b"no data base at all, but a long enough text" * 9)
    with pytest.raises(OutputError, match="got a file that is none"):
        opened(file)


def test_a_manifest_of_the_version_before_is_taken_over(file):
    file.parent.mkdir()
    base = sqlite3.connect(file)
    base.executescript(
        "CREATE TABLE items (path BLOB PRIMARY KEY, stem BLOB NOT NULL, hint BLOB,"
        " signature TEXT NOT NULL, input TEXT, settings TEXT NOT NULL, weights TEXT NOT NULL,"
        " state TEXT NOT NULL, is_ours INTEGER NOT NULL DEFAULT 0,"
        " attempts INTEGER NOT NULL DEFAULT 0, error TEXT, seconds REAL, uncertainty REAL,"
        " outputs TEXT NOT NULL DEFAULT '{}', scan INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE INDEX by_state ON items (scan, state, path);"
        """INSERT INTO items VALUES (CAST('a.jpg' AS BLOB), CAST('a' AS BLOB), NULL, '1', 'i',"""
        """ 's', 'w', 'done', 1, 3, NULL, 2.5, 0.25, '{"o.png": "sum"}', 7);"""
        "PRAGMA user_version=1;"
    )
    base.close()
    for _ in range(2):
        with opened(file, PHOTOS[:2]) as manifest:
            assert manifest.counts() == {QUEUED: 1, "running": 0, DONE: 1, FAILED: 0}
            row = next(manifest.worst_first())
            assert (row.path, row.input, row.attempts, row.uncertainty) == ("a.jpg", "i", 3, 0.25)
            assert (row.is_ours, row.outputs) == (True, {"o.png": "sum"})


def test_a_killed_process_lets_go_and_loses_nothing_it_noted(file):
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from maskwright.runs.manifest import Entry, Manifest\n"
        "m = Manifest(Path(sys.argv[1]), settings='s', weights='w')\n"
        "m.scan([Entry('a.jpg', 'a', '1')], is_there=lambda row: True); m.start('a.jpg')\n"
        "m.finish('a.jpg', input='i', outputs={}, seconds=1.0, uncertainty=None)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = subprocess.run([sys.executable, "-c", program, file], check=False)
    assert result.returncode == -signal.SIGKILL
    with opened(file, PHOTOS[:1]) as manifest:
        assert manifest.counts()[DONE] == 1
