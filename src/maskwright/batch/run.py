"""A run over a folder: what is to do is looked up, done by an engine, and remembered."""

import hashlib
import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from maskwright.batch.hints import absent_hint, find_hint
from maskwright.batch.operations import Operation, Shared
from maskwright.batch.pipeline import Outcome
from maskwright.batch.places import Found, Listing, LocalPlace, Place
from maskwright.batch.steps import Job, Task
from maskwright.errors import OutputError, UsageError
from maskwright.runs.manifest import DONE, FAILED, Entry, Manifest, Row
from maskwright.runs.names import output_names
from maskwright.runs.outcome import Problem
from maskwright.runs.publish import sweep
from maskwright.weights.download import cache_folder
from maskwright.weights.identity import identity

STATE = ".maskwright"  # the folder of manifest and report in a folder of results
_POLL_SECONDS = 2.0
_POLL_SHARE = 0.2  # of the time, at most, is spent looking for new photos


@runtime_checkable
class Engine(Protocol):
    """Does tasks, in any order and several at a time."""

    def outcomes(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Yield what became of each task; tasks are taken as there is room for them."""

    def close(self) -> None:
        """Let go of processes and machines."""


@dataclass(frozen=True)
class Scope:
    """Which items a run is about.

    Attributes:
        shard: (k, n): every photo belongs to one of n shards by its path; this run does the k-th.
        recursive: Look in folders within the folder.
        overwrite: Replace results that are there already.
        retry_failed: Try again what failed before.
        watch: Go on with what comes into the folder, until stopped.
    """

    shard: tuple[int, int] = (1, 1)
    recursive: bool = True
    overwrite: bool = False
    retry_failed: bool = False
    watch: bool = False

    def __post_init__(self) -> None:
        k, n = self.shard
        if not 1 <= k <= n:
            raise UsageError(f"a shard must be k/n with k from 1 to n, got {k}/{n}")

    def holds(self, name: str) -> bool:
        """Say whether a path belongs to this shard, here and on any other machine."""
        k, n = self.shard
        return zlib.crc32(name.encode("utf-8", "surrogateescape")) % n == k - 1


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        total: Items in all.
        done: Of them, with those of earlier runs.
        failed: Of them, with those of earlier runs.
        done_now: Done by this run.
        failed_now: Failed in this run.
        started: When the first item of this run was asked for, by `time.perf_counter`.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    done_now: int = 0
    failed_now: int = 0
    started: float = field(default_factory=time.perf_counter)

    @property
    def per_second(self) -> float:
        """Items of this run per second."""
        passed = time.perf_counter() - self.started
        return (self.done_now + self.failed_now) / passed if passed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the rate so far; None before the first item."""
        rate = self.per_second
        return (self.total - self.done - self.failed) / rate if rate > 0 else None


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    Attributes:
        counts: Items by state.
        progress: At the end.
        problem: Why it stopped before its end; None if it did not, or was asked to.
        was_stopped: Whether it was asked to stop.
    """

    counts: dict[str, int]
    progress: Progress
    problem: str | None = None
    was_stopped: bool = False


def state_folder(job: Job) -> Path:
    """Return the folder of manifest and report: in that of the results, or for a URL the cache."""
    if isinstance(job.sink, LocalPlace):
        return Path(job.sink.root, STATE)
    name = hashlib.sha256(job.sink.label("").encode()).hexdigest()[:16]
    return cache_folder() / "runs" / name


def state_file(job: Job, scope: Scope, name: str) -> Path:
    """Return a file of this shard's state: `manifest.sqlite`, or `manifest-2-of-8.sqlite`."""
    k, n = scope.shard
    path = state_folder(job) / name
    return path if n == 1 else path.with_stem(f"{path.stem}-{k}-of-{n}")


def open_manifest(job: Job, scope: Scope, *, offline: bool = False) -> Manifest:
    """Return the manifest of a job's results.

    Raises:
        OutputError: If another run is at work with it, or it is damaged.
        UsageError: If source and sink lie within each other, or there is no such source.
        WeightsError: If weights cannot be had.
    """
    check_places(job)
    settings = json.dumps(job.operation.settings(), sort_keys=True)
    weights = identity(job.operation.networks(), offline=offline)
    manifest = Manifest(
        state_file(job, scope, "manifest.sqlite"),
        settings=hashlib.sha256(settings.encode()).hexdigest(),
        weights=weights,
    )
    if isinstance(job.sink, LocalPlace):
        root, begun = Path(job.sink.root), [row.stem for row in manifest.interrupted()]
        names = {name for stem in begun for name in job.operation.results(stem)}
        is_addressed = not job.operation.results("")
        folders = {(root / name).parent for name in names}
        there = root.glob("[0-9a-f][0-9a-f]") if is_addressed and begun else folders
        sweep(there, owner=manifest.owner)
    return manifest


def check_places(job: Job) -> None:
    """Refuse folders that results would get mixed up in.

    Raises:
        UsageError: If there is no source, or it is the sink or in it.
    """
    if not isinstance(job.source, LocalPlace):
        return
    source = Path(job.source.root)
    if not source.is_dir():
        raise UsageError(f"expected a folder of photos, got {job.source.label('')}; check the path")
    if isinstance(job.sink, LocalPlace):
        sink = Path(job.sink.root)
        if sink.exists() and not sink.is_dir():
            raise UsageError(f"results need a folder to go to, {job.sink.label('')} is a file")
        if source.resolve().is_relative_to(sink.resolve()):
            raise UsageError(
                "results would get between the photos, or replace them; choose another folder for"
                " -o than that of the photos, or one above it"
            )


def run_batch(
    job: Job,
    manifest: Manifest,
    scope: Scope,
    *,
    engine: Callable[[], Engine],
    tell: Callable[[str, Problem | None, Progress], None] = lambda path, problem, progress: None,
    stop: threading.Event | None = None,
) -> Summary:
    """Do what is to do in a folder, once or as long as photos come.

    Args:
        job: What is done, from where to where.
        manifest: Of the job, opened.
        scope: Which items.
        engine: Makes what does the work; not called if there is nothing to do.
        tell: Called with each item's path, why it failed, and how far the run is.
        stop: Once set, nothing new is begun; what is begun is finished.

    Raises:
        MaskwrightError: If something is wrong that would meet every item.
        OutputError: If the manifest cannot be written.
    """
    run = _Run(job, manifest, scope, stop or threading.Event(), tell)
    working: Engine | None = None
    try:
        for _ in run.rounds():
            if run.is_work():
                if working is None:
                    publish_shared(job, overwrite=scope.overwrite)
                    working = engine()
                for outcome in working.outcomes(run.tasks()):
                    run.note(outcome)
                run.put_back()
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"{manifest.file}: expected to note what is done, got an error: {error}; free some"
            " space, and run the same command again to go on"
        ) from error
    finally:
        if working is not None:
            working.close()
    return Summary(manifest.counts(), run.progress, run.problem, run.stop.is_set())


def publish_shared(job: Job, *, overwrite: bool) -> None:
    """Write what the results of all photos need beside them, unless it is there already.

    Shards, and runs at the same time, write the same; whoever is first does it.

    Raises:
        OutputError: If a file is there that says something else and may not be replaced, or it
            cannot be written.
        WeightsError: If the weights it is about cannot be read.
    """
    shared, sink = job.operation.shared(), job.sink
    if shared is None or _says_same(sink, shared):
        return
    try:
        sink.publish({shared.name: shared.content}, overwrite=overwrite)
    except OutputError as error:
        if overwrite or sink.signature(shared.name) is None:
            raise
        if not _says_same(sink, shared):
            raise OutputError(
                f"{sink.label(shared.name)}: expected what these weights and settings need, got"
                " something else; choose another -o, or allow replacing it with --overwrite"
            ) from error


def _says_same(sink: Place, shared: Shared) -> bool:
    is_there = sink.signature(shared.name) is not None
    return is_there and shared.agrees(sink.read(shared.name))


@dataclass
class _Run:
    """A run at work.

    Attributes:
        job: As for `run_batch`.
        manifest: As for `run_batch`.
        scope: As for `run_batch`.
        stop: As for `run_batch`.
        tell: As for `run_batch`.
        progress: So far.
        problem: Why it has to stop.
        begun: Rows of items on their way, by path.
        seen: Signatures at the last look at a watched folder.
    """

    job: Job
    manifest: Manifest
    scope: Scope
    stop: threading.Event
    tell: Callable[[str, Problem | None, Progress], None]
    progress: Progress = field(default_factory=Progress)
    problem: str | None = None
    begun: dict[str, Row] = field(default_factory=dict)
    seen: dict[str, str] | None = None

    def rounds(self) -> Iterator[None]:
        """Look at the folder, once or again and again."""
        while True:
            started = time.perf_counter()
            self._look()
            took = time.perf_counter() - started
            yield
            if not self.scope.watch or self.stop.wait(max(_POLL_SECONDS, took / _POLL_SHARE)):
                return

    def _look(self) -> None:
        again = self.scope.retry_failed or self.scope.overwrite  # what was in the way may go now
        is_first = self.seen is None
        self.manifest.scan(
            self._entries(),
            is_there=self._is_there,
            retry_failed=again and is_first,
            retry_refused=is_first,
        )
        counts = self.manifest.counts()
        self.progress.total = sum(counts.values())
        self.progress.done, self.progress.failed = counts[DONE], counts[FAILED]
        if not self.progress.total and not self.scope.watch:
            shard = "" if self.scope.shard == (1, 1) else " of this shard"
            raise UsageError(f"there are no photos{shard} in {self.job.source.label('')}")

    def is_work(self) -> bool:
        """Say whether anything waits."""
        return next(self.manifest.waiting(), None) is not None

    def tasks(self) -> Iterator[Task]:
        """Yield what waits, each noted as running first."""
        for row in self.manifest.waiting():
            if self.stop.is_set():
                return
            try:
                task = self._task(row)
            except OutputError as error:
                problem = self._named(row, Problem(str(error)))
                self.manifest.refuse(row.path, problem.text)
                self._tell_failed(row, problem)
                continue
            self.begun[row.path] = row
            self.manifest.start(row.path, self.job.operation.results(row.stem))
            yield task

    def _task(self, row: Row) -> Task:
        """Return what is to do for a row.

        Raises:
            OutputError: If its results may not be written.
        """
        sink, names = self.job.sink, self.job.operation.results(row.stem)
        there = {name: sink.sha256(name) for name in row.outputs} if row.is_ours else {}
        may_replace = self.scope.overwrite or row.is_ours or not names
        if not self.scope.overwrite and names:
            for name, found in there.items():
                if found not in (None, row.outputs[name]):
                    raise OutputError(
                        f"{sink.label(name)}: expected the file that was written here, got one that"
                        " was changed since; move it away, or allow replacing it with --overwrite"
                    )
            if there or not row.is_ours:
                for name in names:
                    if name not in there:
                        sink.check_free(name)
        is_whole = bool(there) and there == row.outputs
        return Task(
            row.path,
            row.stem,
            row.hint,
            known=row.input if is_whole else None,
            may_replace=may_replace,
            owner=self.manifest.owner,
        )

    def note(self, outcome: Outcome) -> None:
        """Remember what became of an item."""
        path = outcome.task.path
        row, written = self.begun.pop(path), outcome.outputs or {}
        if outcome.problem is not None and outcome.problem.is_full:
            self.manifest.put_back(path, outputs=self._ours(row, written))
            self.stop.set()
            self.problem = (
                f"{outcome.problem.text}; nothing is half-written: free some space, and run the"
                " same command again to go on"
            )
        elif outcome.problem is not None:
            self._fail(row, outcome.problem, outcome.seconds, written)
        else:
            is_new = outcome.outputs is not None
            self.manifest.finish(
                path,
                input=outcome.input,
                outputs=outcome.outputs if outcome.outputs is not None else row.outputs,
                seconds=outcome.seconds if is_new else row.seconds or 0.0,
                uncertainty=outcome.uncertainty if is_new else row.uncertainty,
            )
            self.progress.done += 1
            self.progress.done_now += 1
            self.tell(path, None, self.progress)

    def put_back(self) -> None:
        """Queue what an engine has taken and lost, as with a machine."""
        for path in self.begun:
            self.manifest.put_back(path)
        self.begun.clear()

    def _fail(self, row: Row, problem: Problem, seconds: float, written: Mapping[str, str]) -> None:
        problem, ours = self._named(row, problem), self._ours(row, written)
        self.manifest.fail(row.path, problem.text, seconds=seconds, outputs=ours)
        self._tell_failed(row, problem)

    def _named(self, row: Row, problem: Problem) -> Problem:
        label = self.job.source.label(row.path)
        if PurePosixPath(label).name in problem.text:
            return problem
        return replace(problem, text=f"{label}: {problem.text}")

    def _tell_failed(self, row: Row, problem: Problem) -> None:
        self.progress.failed += 1
        self.progress.failed_now += 1
        self.tell(row.path, problem, self.progress)

    def _ours(self, row: Row, written: Mapping[str, str]) -> dict[str, str]:
        """Return the results that are ours, though not all of them were written."""
        if not row.is_ours:
            return {**written}
        if row.outputs:
            return {**row.outputs, **written}
        sink, names = self.job.sink, self.job.operation.results(row.stem)
        found = {name: sink.sha256(name) for name in names}  # a killed run's, or written just now
        return {name: digest for name, digest in found.items() if digest is not None}

    def _is_there(self, row: Row) -> bool:
        return all(self.job.sink.signature(name) is not None for name in row.outputs)

    def _entries(self) -> Iterator[Entry]:
        """Yield the photos of this shard; in a watched folder, only those that stopped growing."""
        before, now = self.seen, dict[str, str]()
        sink, source = self.job.sink, self.job.source
        is_same_kind = type(sink) is type(source)
        suffix = _suffix(self.job.operation)
        for listing in source.listings(getattr(sink, "root", None) if is_same_kind else None):
            for found, stem in _with_stems(listing, suffix):
                if not self.scope.holds(found.name):
                    continue
                if self.scope.watch:
                    now[found.name] = found.signature
                    if before is not None and before.get(found.name) != found.signature:
                        continue
                yield self._entry(found, stem)
            if not self.scope.recursive:
                break
        self.seen = now if self.scope.watch else {}

    def _entry(self, found: Found, stem: str) -> Entry:
        hints = self.job.hints
        if hints is None or found.problem is not None:
            return Entry(found.name, stem, found.signature, problem=found.problem)
        hint = find_hint(hints, found.name)
        if hint is None:
            problem = f"{self.job.source.label(found.name)}: {absent_hint(hints, found.name)}"
            return Entry(found.name, stem, found.signature, problem=problem)
        return Entry(found.name, stem, f"{found.signature} {hint[1]}", hint[0])


def _suffix(operation: Operation) -> str:
    """Return how the first result of a photo ends, ".png" if its content decides that."""
    names = operation.results("a")
    return PurePosixPath(names[0]).suffix if names else ".png"


def _with_stems(listing: Listing, suffix: str) -> Iterator[tuple[Found, str]]:
    names = [PurePosixPath(found.name) for found in listing.photos]
    results = output_names(names, suffix, taken=listing.folders)
    for found, result in zip(listing.photos, results, strict=True):
        yield found, str(result).removesuffix(suffix)
