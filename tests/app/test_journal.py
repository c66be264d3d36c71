import os
import sqlite3

import pytest

from maskwright.app import journal as module
from maskwright.app.document import Document, Object, change_to_json
from maskwright.app.journal import (
    DO,
    REDO,
    UNDO,
    Entry,
    Line,
    PhotoRow,
    journal_folder,
    open_journal,
    photo_id,
)
from maskwright.app.refusals import StaleError
from maskwright.errors import DataError, UsageError

SIZE = (5, 7)
ROW = PhotoRow(photo_id("a.png"), "a.png", SIZE, "in work", 1)
EMPTY = Document(SIZE)
ONE = EMPTY.with_object(Object(1, "dog", "#ff0000"))
TWO = ONE.with_object(Object(2, "cat", "#00ff00"))


def entry(revision, before=EMPTY, after=ONE, **more):
    change = change_to_json(before, after)
    return Entry(revision, f"key{revision}", DO, {"type": "add"}, change, **more)


def step(revision, kind):
    return Entry(revision, f"key{revision}", kind, {}, {})


@pytest.fixture
def journal(tmp_path):
    journal = open_journal(tmp_path, create=True)
    yield journal
    journal.close()


def test_what_was_appended_is_there_after_reopening(tmp_path, journal):
    for one in (entry(1), entry(2, ONE, TWO), step(3, UNDO)):
        journal.append(ROW, one)
    again = open_journal(tmp_path)
    assert again.photos() == [ROW]
    assert again.document(ROW.id) == ONE
    assert again.line(ROW.id) == Line((EMPTY, ONE), (TWO,))
    assert [one.kind for one in again.entries(ROW.id)] == [DO, DO, UNDO]
    assert [one.revision for one in again.entries(ROW.id, until_key="key2")] == [1, 2]
    again.close()


def test_it_is_synced_at_each_entry_and_written_ahead(journal):
    database = journal._database
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_revision_or_key_that_is_taken_changes_nothing(journal):
    journal.append(ROW, entry(1))
    with pytest.raises(StaleError, match="another window or program"):
        journal.append(PhotoRow(ROW.id, "a.png", SIZE, "done", 5), entry(1, EMPTY, TWO))
    with pytest.raises(StaleError):
        journal.append(ROW, Entry(2, "key1", DO, {}, {}))
    assert journal.document(ROW.id) == ONE and journal.photos() == [ROW]


def test_undo_and_redo_walk_along_one_line():
    line = Line((EMPTY,)).after(DO, ONE).after(DO, TWO).after(UNDO).after(UNDO)
    assert line.now == EMPTY and line.undone == (TWO, ONE)
    assert line.after(REDO).after(REDO).now == TWO
    assert line.after(REDO).after(DO, EMPTY).undone == ()
    with pytest.raises(UsageError, match="nothing to undo"):
        line.after(UNDO)
    with pytest.raises(UsageError, match="nothing to redo"):
        Line((EMPTY,)).after(REDO)


def test_photos_do_not_share_revisions_and_keys(journal):
    other = PhotoRow(photo_id("b.png"), "b.png", SIZE)
    journal.append(ROW, entry(1))
    journal.append(other, entry(1, EMPTY, TWO))
    assert journal.document(ROW.id) == ONE and journal.document(other.id) == TWO


def test_a_folder_that_was_never_worked_on_is_said_so(tmp_path, journal):
    with pytest.raises(DataError, match="there is no journal in it; work on it with"):
        open_journal(tmp_path / "none")
    with pytest.raises(UsageError, match="that was worked on"):
        journal.document("0" * 12)
    assert journal.size("0" * 12) is None


@pytest.mark.parametrize("content", [b"no database" * 500, None])
def test_a_damaged_or_later_journal_is_refused_and_left_alone(tmp_path, content):
    file = tmp_path / ".maskwright" / "journal.sqlite"
    file.parent.mkdir()
    if content is None:
        with sqlite3.connect(file) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
        match = "of version 1, got 99"
    else:
        file.write_bytes(content)
        match = "cannot be read"
    before = file.read_bytes()
    with pytest.raises(DataError, match=match):
        open_journal(tmp_path, create=True)
    assert content is None or file.read_bytes() == before


def test_where_the_folder_cannot_be_written_it_lies_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path / "home"))
    assert journal_folder(tmp_path) == tmp_path.resolve() / ".maskwright"
    monkeypatch.setattr(module.os, "access", lambda *_: False)
    elsewhere = journal_folder(tmp_path)
    assert elsewhere.is_relative_to(tmp_path / "home" / "projects")
    assert elsewhere != journal_folder(tmp_path.parent)


def test_any_file_name_has_an_id():
    odd = os.fsdecode(b"\xff.png")
    assert len({photo_id(odd), photo_id("a.png"), photo_id("b.png")}) == 3
    assert all(len(photo_id(name)) == 12 for name in (odd, "a.png"))
