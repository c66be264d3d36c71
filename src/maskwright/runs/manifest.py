"""The manifest of a run: what became of each item, in one SQLite file.

An item is known by its path below the folder. What was made of it counts for one content of its
files and one work, a set of settings and weights; where any of them has changed it is made anew.
What each work made is remembered for as long as no other one may have replaced it. A state is on
the disk before the next step: queued, running before anything is written, done once all results
have their names, failed with a line that says why. What a killed run left running may have written
any of its results.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from maskwright.errors import OutputError
from maskwright.image.source import display_name

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"
STATES = (QUEUED, RUNNING, DONE, FAILED)
VERSION = 2
_PAGE = 500  # rows at once
_SCHEMA = """
CREATE TABLE IF NOT EXISTS works (
    id INTEGER PRIMARY KEY,
    settings TEXT NOT NULL,
    weights TEXT NOT NULL,
    UNIQUE (settings, weights)
);
CREATE TABLE IF NOT EXISTS items (
    path BLOB NOT NULL,
    work INTEGER NOT NULL,
    stem BLOB NOT NULL,
    hint BLOB,
    signature TEXT NOT NULL,
    input TEXT,
    state TEXT NOT NULL,
    is_ours INTEGER NOT NULL DEFAULT 0,
    is_refused INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    seconds REAL,
    uncertainty REAL,
    outputs TEXT NOT NULL DEFAULT '{}',
    scan INTEGER NOT NULL,
    PRIMARY KEY (path, work)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_state ON items (scan, state, path);
CREATE TABLE IF NOT EXISTS owner (token TEXT NOT NULL);
INSERT INTO owner SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT * FROM owner);
"""
_KEPT = (
    "stem, hint, signature, input, state, is_ours, attempts, error, seconds, uncertainty, outputs,"
    " scan"
)
_UPGRADE = f"""
BEGIN;
ALTER TABLE items RENAME TO former;
DROP INDEX by_state;
{_SCHEMA}
INSERT INTO works (settings, weights) SELECT DISTINCT settings, weights FROM former;
INSERT INTO items (path, work, {_KEPT})
    SELECT path, id, {_KEPT} FROM former JOIN works USING (settings, weights);
DROP TABLE former;
PRAGMA user_version={VERSION};
COMMIT;
"""  # from version 1, which knew one work for each item


@dataclass(frozen=True)
class Entry:
    """An item as it lies there.

    Attributes:
        path: Below the folder, "/" between its parts; other bytes than UTF-8 as `os.fsdecode`.
        stem: Of its results.
        signature: Changes when its files change; cheap, such as size and time.
        hint: The file that says where its object is.
        problem: Why it cannot be an item at all.
    """

    path: str
    stem: str
    signature: str = ""
    hint: str | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Row:
    """What the manifest knows of an item.

    Attributes:
        path: As in `Entry`.
        stem: Of its results.
        hint: As in `Entry`.
        state: One of `STATES`.
        input: SHA-256 of what was read, once it was.
        is_ours: Whether files of its results' names were written by this run or one before it of
            the same work: those in `outputs`, or nobody knows which if that is empty.
        attempts: How often it was begun.
        error: Why it failed.
        seconds: What it took.
        uncertainty: In [0, 1]; None where there is no measure.
        outputs: SHA-256 of each result.
    """

    path: str
    stem: str
    hint: str | None
    state: str
    input: str | None = None
    is_ours: bool = False
    attempts: int = 0
    error: str | None = None
    seconds: float | None = None
    uncertainty: float | None = None
    outputs: dict[str, str] = field(default_factory=dict)


_COLUMNS = "path, stem, hint, state, input, is_ours, attempts, error, seconds, uncertainty, outputs"


class Manifest:
    """An open manifest; one process at a time has it.

    Args:
        file: Its path; made with its folders if there is none.
        settings: Hash of what decides the results.
        weights: Hash of the networks.

    Attributes:
        owner: Says whose an unfinished file is; no other manifest has the same.

    Raises:
        OutputError: If another process is at work with it, or it is damaged or of a newer version.
    """

    def __init__(self, file: Path, *, settings: str, weights: str) -> None:
        self.file = file
        name = display_name(file)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            # isolation_level None: a statement alone is a transaction, on the disk when it returns.
            self._base = sqlite3.connect(file, timeout=1, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise OutputError(f"{name}: expected a place for the manifest, got: {error}") from error
        try:
            self._prepare(name, (settings, weights))
        except BaseException:
            self.close()
            raise
        find = "SELECT id FROM works WHERE settings = ? AND weights = ?"
        self._work = int(self._one(find, settings, weights))
        self.owner = str(self._one("SELECT token FROM owner"))
        self._scan = int(self._one("SELECT coalesce(max(scan), 0) FROM items"))

    def _prepare(self, name: str, work: tuple[str, str]) -> None:
        try:
            self._base.execute("PRAGMA locking_mode=EXCLUSIVE")  # a killed process lets go of it
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.execute("BEGIN EXCLUSIVE")
            version = int(self._one("PRAGMA user_version"))
            if version not in (0, 1, VERSION):
                raise OutputError(
                    f"{name}: expected a manifest of version {VERSION}, got {version};"
                    " use the version of maskwright that wrote it"
                )
            if version == 0:
                self._base.execute(f"PRAGMA user_version={VERSION}")
            self._base.execute("COMMIT")
            self._base.executescript(_UPGRADE if version == 1 else _SCHEMA)
            self._base.execute(
                "INSERT OR IGNORE INTO works (settings, weights) VALUES (?, ?)", work
            )
        except sqlite3.OperationalError as error:
            problem = f"expected a place for the manifest, got: {error}"
            if "locked" in str(error):
                problem = (
                    "expected to be alone, another run is at work with this manifest; wait for it,"
                    " or share the work with --shard"
                )
            raise OutputError(f"{name}: {problem}") from error
        except sqlite3.DatabaseError as error:
            raise OutputError(
                f"{name}: expected a manifest, got a file that is none ({error}); move it away"
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def scan(
        self,
        entries: Iterable[Entry],
        *,
        is_there: Callable[[Row], bool],
        retry_failed: bool = False,
        retry_refused: bool = True,
    ) -> None:
        """Take in what lies there now; from here on only these items count.

        What this work has done, and what is unchanged since, stays done.

        Args:
            entries: Each path once.
            is_there: Says whether all results of a row exist still.
            retry_failed: Queue what failed before; else it stays failed until its files change.
            retry_refused: The same for what was refused.
        """
        self._scan += 1
        self._base.execute(
            "UPDATE items SET is_ours = 1, outputs = '{}' WHERE state = ?", (RUNNING,)
        )
        rest = iter(entries)
        while page := tuple(islice(rest, _PAGE)):
            self._base.execute("BEGIN")
            for entry in page:
                self._take_in(
                    entry, is_there, retry_failed=retry_failed, retry_refused=retry_refused
                )
            self._base.execute("COMMIT")

    def _take_in(
        self,
        entry: Entry,
        is_there: Callable[[Row], bool],
        *,
        retry_failed: bool,
        retry_refused: bool,
    ) -> None:
        path = os.fsencode(entry.path)
        found = self._base.execute(
            f"SELECT {_COLUMNS}, signature, is_refused FROM items WHERE path = ? AND work = ?",
            (path, self._work),
        ).fetchone()
        state, error, stem = QUEUED, None, entry.stem
        if found is not None:
            row, is_same = _row(found[:-2]), found[-2] == entry.signature
            may_retry = retry_refused if found[-1] else retry_failed
            if is_same and row.state == DONE and is_there(row):
                state, stem = DONE, row.stem
            elif is_same and row.state == FAILED and not may_retry:
                state, error = FAILED, row.error
            elif row.is_ours:
                stem = row.stem  # what was begun keeps its name, whatever has come beside it since
        if entry.problem is not None:
            state, error = FAILED, entry.problem
        hint = None if entry.hint is None else os.fsencode(entry.hint)
        self._base.execute(
            "INSERT INTO items (path, work, stem, hint, signature, state, error, scan)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path, work) DO UPDATE SET"
            " stem = excluded.stem, hint = excluded.hint, signature = excluded.signature,"
            " state = excluded.state, error = excluded.error, scan = excluded.scan",
            (
                *(path, self._work, os.fsencode(stem), hint),
                *(entry.signature, state, error, self._scan),
            ),
        )

    def interrupted(self) -> Iterator[Row]:
        """Yield what was begun and not ended, by a run that was killed."""
        columns = f"SELECT {_COLUMNS} FROM items WHERE state = ?"
        yield from map(_row, self._base.execute(columns, (RUNNING,)).fetchall())

    def waiting(self) -> Iterator[Row]:
        """Yield what is queued, by path; rows may change while this goes on."""
        last = b""
        while rows := self._base.execute(
            f"SELECT {_COLUMNS} FROM items WHERE scan = ? AND state = ? AND path > ?"
            f" ORDER BY path LIMIT {_PAGE}",
            (self._scan, QUEUED, last),
        ).fetchall():
            yield from map(_row, rows)
            last = rows[-1][0]

    def start(self, path: str, results: Collection[str] | None = None) -> None:
        """Note that an item is begun: should nothing follow, any of its results may be ours.

        What another work made under these names is forgotten, for it may be replaced.

        Args:
            path: Of the item.
            results: Their names; None if they may be any.
        """
        others = self._base.execute(
            "SELECT work, outputs FROM items WHERE path = ? AND work != ? AND is_ours",
            (os.fsencode(path), self._work),
        ).fetchall()
        for work, outputs in others:
            names = json.loads(outputs)  # none if nobody knows
            if results is None or not names or not names.keys().isdisjoint(results):
                self._base.execute(
                    "DELETE FROM items WHERE path = ? AND work = ?", (os.fsencode(path), work)
                )
        self._set(path, "state = ?, input = NULL, attempts = attempts + 1", RUNNING)

    def finish(
        self,
        path: str,
        *,
        input: str,
        outputs: dict[str, str],
        seconds: float,
        uncertainty: float | None,
    ) -> None:
        """Note that all results of an item have their names."""
        self._set(
            path,
            "state = ?, error = NULL, is_ours = 1, input = ?, outputs = ?, seconds = ?,"
            " uncertainty = ?",
            *(DONE, input, json.dumps(outputs), seconds, uncertainty),
        )

    def fail(
        self,
        path: str,
        error: str,
        *,
        seconds: float | None = None,
        outputs: dict[str, str] | None = None,
    ) -> None:
        """Note why an item failed, and which of its results are ours; None if nobody knows."""
        change = "state = ?, is_refused = 0, is_ours = ?, outputs = ?, error = ?, seconds = ?"
        self._set(path, change, FAILED, *_ours(outputs), error, seconds)

    def refuse(self, path: str, error: str) -> None:
        """Note why an item was not begun; what is known of its results stays."""
        self._set(path, "state = ?, is_refused = 1, error = ?", FAILED, error)

    def put_back(self, path: str, *, outputs: dict[str, str] | None = None) -> None:
        """Queue an item again, it was not its fault; `outputs` as for `fail`."""
        self._set(path, "state = ?, is_ours = ?, outputs = ?", QUEUED, *_ours(outputs))

    def counts(self) -> dict[str, int]:
        """Return how many items are in each state."""
        found = self._base.execute(
            "SELECT state, count(*) FROM items WHERE scan = ? GROUP BY state", (self._scan,)
        )
        return dict.fromkeys(STATES, 0) | dict(found.fetchall())

    def worst_first(self) -> Iterator[Row]:
        """Yield all items: those that failed, then the least certain, then by path."""
        with closing(self._base.cursor()) as cursor:
            cursor.execute(
                f"SELECT {_COLUMNS} FROM items WHERE scan = ?"
                " ORDER BY state != ?, uncertainty IS NULL, uncertainty DESC, path",
                (self._scan, FAILED),
            )
            yield from map(_row, cursor)

    def _set(self, path: str, change: str, *values: Any) -> None:
        self._base.execute(
            f"UPDATE items SET {change} WHERE path = ? AND work = ?",
            (*values, os.fsencode(path), self._work),
        )

    def _one(self, query: str, *values: Any) -> Any:
        return self._base.execute(query, values).fetchone()[0]


def _ours(outputs: dict[str, str] | None) -> tuple[bool, str]:
    """Return the columns `is_ours` and `outputs`."""
    return outputs is None or bool(outputs), json.dumps(outputs or {})


def _row(values: tuple[Any, ...]) -> Row:
    path, stem, hint, state, input, is_ours, attempts, error, seconds, uncertainty, outputs = values
    return Row(
        path=os.fsdecode(path),
        stem=os.fsdecode(stem),
        hint=None if hint is None else os.fsdecode(hint),
        state=state,
        input=input,
        is_ours=bool(is_ours),
        attempts=attempts,
        error=error,
        seconds=seconds,
        uncertainty=uncertainty,
        outputs=json.loads(outputs),
    )
