"""The journal: every action on every photo of a folder, appended before it is answered.

One SQLite file, `FOLDER/.maskwright/journal.sqlite`, written ahead (WAL) and synced at each
action: what was answered is there after a power cut. An entry holds the action, and what it
changed, so that reopening asks no network. Undo and redo are entries too; nothing is ever removed.
"""

import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwright.app.document import UNTOUCHED, Document, Json, changed
from maskwright.app.refusals import StaleError
from maskwright.errors import DataError, OutputError, UsageError
from maskwright.image.source import display_name
from maskwright.weights.download import cache_folder

FILE = "journal.sqlite"
HIDDEN = ".maskwright"
DO, UNDO, REDO = "do", "undo", "redo"
_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS photos (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    height INTEGER NOT NULL,
    width INTEGER NOT NULL,
    state TEXT NOT NULL,
    objects INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS entries (
    photo TEXT NOT NULL REFERENCES photos (id),
    revision INTEGER NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('do', 'undo', 'redo')),
    action TEXT NOT NULL,
    change TEXT NOT NULL,
    milliseconds REAL NOT NULL,
    made REAL NOT NULL,
    PRIMARY KEY (photo, revision),
    UNIQUE (photo, key)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True)
class PhotoRow:
    """A photo that was worked on.

    Attributes:
        id: `photo_id` of its name.
        name: Its path below the folder, with "/" between its parts.
        size: Height and width, upright.
        state: "untouched", "in work" or "done".
        objects: How many there are.
    """

    id: str
    name: str
    size: tuple[int, int]
    state: str = UNTOUCHED
    objects: int = 0


@dataclass(frozen=True)
class Entry:
    """One action on a photo.

    Attributes:
        revision: From 1 on, without gaps.
        key: Chosen by the page; the same action sent twice has the same.
        kind: "do", "undo" or "redo".
        action: As the page sent it; empty for undo and redo.
        change: As `document.change_to_json` gives it; empty for undo and redo.
        milliseconds: That its answer took.
    """

    revision: int
    key: str
    kind: str
    action: Mapping[str, Any]
    change: Mapping[str, Any]
    milliseconds: float = 0.0


@dataclass(frozen=True)
class Line:
    """The one line of states a photo went through.

    Attributes:
        past: Documents, the first one untouched, the last one as it stands.
        undone: Those that were undone, the last one undone last.
    """

    past: tuple[Document, ...]
    undone: tuple[Document, ...] = ()

    @property
    def now(self) -> Document:
        """The document as it stands."""
        return self.past[-1]

    def after(self, kind: str, document: Document | None = None) -> "Line":
        """Return the line after an entry; a new document forgets what was undone.

        Raises:
            UsageError: If there is nothing to undo or redo.
        """
        if kind == DO:
            assert document is not None
            return Line((*self.past, document))
        if kind == UNDO:
            if len(self.past) == 1:
                raise UsageError("there is nothing to undo on this photo; do something first")
            return Line(self.past[:-1], (*self.undone, self.past[-1]))
        if not self.undone:
            raise UsageError("there is nothing to redo on this photo; undo first")
        return Line((*self.past, self.undone[-1]), self.undone[:-1])


def photo_id(name: str) -> str:
    """Return the 12 hexadecimal digits that stand for a photo's path below its folder."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def line_after(entries: list[Entry], size: tuple[int, int]) -> Line:
    """Return the states that entries lead through."""
    line = Line((Document(size),))
    for entry in entries:
        document = changed(line.now, entry.change) if entry.kind == DO else None
        line = line.after(entry.kind, document)
    return line


def journal_folder(folder: str | os.PathLike[str]) -> Path:
    """Return where the journal of a folder lies: in it, or in the cache if it is read-only."""
    root = Path(folder).resolve()
    beside = root / HIDDEN
    if (beside / FILE).exists() or os.access(beside if beside.exists() else root, os.W_OK):
        return beside
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return cache_folder() / "projects" / name


def open_journal(folder: str | os.PathLike[str], *, create: bool = False) -> "Journal":
    """Return the journal of a folder of photos.

    Args:
        folder: Of the photos.
        create: Begin one where there is none.

    Raises:
        DataError: If there is none, or it is damaged or of a later version.
        OutputError: If it cannot be written.
    """
    path = journal_folder(folder) / FILE
    if not create and not path.is_file():
        raise DataError(
            f"{display_name(folder)}: expected a folder that was worked on, there is no journal"
            f" in it; work on it with `maskwright serve` first"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{display_name(path.parent)}: expected a place for the journal, got an error:"
            f" {error.strerror}; set MASKWRIGHT_HOME to a folder that can be written"
        ) from error
    return Journal(path)


class Journal:
    """The actions on the photos of a folder; used from any thread.

    Args:
        path: Of the SQLite file.

    Raises:
        DataError: If the file is damaged, foreign or of a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        with self._reading():
            self._database = sqlite3.connect(path, timeout=10, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise DataError(
                    f"{display_name(path)}: expected a journal of version {_VERSION}, got"
                    f" {version}; use a newer Maskwright"
                )
            if version == 0:
                self._database.executescript(_TABLES + f"PRAGMA user_version = {_VERSION};")

    def close(self) -> None:
        """Close the file; what was appended is in it."""
        with self._lock:
            self._database.close()

    def photos(self) -> list[PhotoRow]:
        """Return the photos that were worked on, by name."""
        rows = self._all("SELECT id, name, height, width, state, objects FROM photos ORDER BY name")
        return [PhotoRow(row[0], row[1], (row[2], row[3]), *row[4:]) for row in rows]

    def document(self, photo: str) -> Document:
        """Return a photo's document as it stands.

        Raises:
            UsageError: If it was never worked on.
        """
        return self.line(photo).now

    def line(self, photo: str) -> Line:
        """Return the states that a photo went through.

        Raises:
            UsageError: If it was never worked on.
        """
        size = self.size(photo)
        if size is None:
            raise UsageError(f"expected a photo that was worked on, got {photo!r}")
        return line_after(self.entries(photo), size)

    def size(self, photo: str) -> tuple[int, int] | None:
        """Return the size of a photo when it was worked on first, or None if it never was."""
        rows = self._all("SELECT height, width FROM photos WHERE id = ?", photo)
        return (rows[0][0], rows[0][1]) if rows else None

    def entries(self, photo: str, *, until_key: str | None = None) -> list[Entry]:
        """Return the entries of a photo in their order.

        Args:
            photo: Its id.
            until_key: Of the last entry wanted; None is all.
        """
        limit = "(SELECT revision FROM entries WHERE photo = ?1 AND key = ?2)"
        rows = self._all(
            "SELECT revision, key, kind, action, change, milliseconds FROM entries"
            f" WHERE photo = ?1 AND (?2 IS NULL OR revision <= {limit}) ORDER BY revision",
            photo,
            until_key,
        )
        return [_entry(row) for row in rows]

    def append(self, photo: PhotoRow, *entries: Entry) -> None:
        """Add entries, all or none of them; they are on the disk when this returns.

        Args:
            photo: As it stands after them.
            entries: What was done.

        Raises:
            StaleError: If a revision or key is taken: another process has gone on.
            OutputError: If they cannot be written.
        """
        with self._lock, self._writing():
            self._database.execute(
                "INSERT INTO photos VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id)"
                " DO UPDATE SET state = excluded.state, objects = excluded.objects",
                (photo.id, photo.name, *photo.size, photo.state, photo.objects),
            )
            self._database.executemany(
                "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(photo.id, entry.revision, entry.key, entry.kind),
                        *(json.dumps(entry.action), json.dumps(entry.change)),
                        *(entry.milliseconds, time.time()),
                    )
                    for entry in entries
                ],
            )

    def _all(self, query: str, *values: Any) -> list[Any]:
        with self._lock, self._reading(), closing(self._database.execute(query, values)) as rows:
            return rows.fetchall()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DataError(
                f"{display_name(self.path)}: expected a journal, got one that cannot be read"
                f" ({error}); put it aside to begin anew, nothing in it was changed"
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Commit what is done inside, or nothing of it."""
        try:
            with self._database:
                yield
        except sqlite3.IntegrityError as error:
            raise StaleError(
                "expected the newest revision of this photo, another window or program has gone"
                " on with it; open it again"
            ) from error
        except sqlite3.Error as error:
            raise OutputError(
                f"{display_name(self.path)}: expected to be able to write the journal, got an"
                f" error ({error}); make room on the disk, then go on"
            ) from error


def _entry(row: tuple[Any, ...]) -> Entry:
    revision, key, kind, action, change, milliseconds = row
    loaded: list[Json] = [json.loads(action), json.loads(change)]
    return Entry(revision, key, kind, loaded[0], loaded[1], milliseconds)
