"""The two steps of an item that run in codec processes: reading it, and writing its results."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from maskwright.batch.operations import Operation, Source
from maskwright.batch.places import Place
from maskwright.errors import OutputError
from maskwright.runs.outcome import Problem, problem_of


@dataclass(frozen=True, eq=False)
class Job:
    """What is done, from where to where.

    Attributes:
        operation: Done to each photo.
        source: Where the photos lie.
        sink: Where the results go.
        hints: Where the trimaps or masks lie, if there are any.
    """

    operation: Operation
    source: Place
    sink: Place
    hints: Place | None = None


@dataclass(frozen=True)
class Task:
    """One item to do.

    Attributes:
        path: Of the photo.
        stem: Of its results.
        hint: Path of its trimap or mask.
        known: SHA-256 of the input whose results are there already.
        may_replace: Whether files of its results' names may be replaced.
        owner: Whose its unfinished files are.
    """

    path: str
    stem: str
    hint: str | None = None
    known: str | None = None
    may_replace: bool = False
    owner: str = ""


@dataclass(frozen=True, eq=False)
class Decoded:
    """A photo that has been read.

    Attributes:
        input: SHA-256 of its files' contents.
        content: What the networks need; None if nothing has changed since the results were made.
        seconds: What it took.
    """

    input: str
    content: Any
    seconds: float


@dataclass(frozen=True)
class Written:
    """Results that have their names.

    Attributes:
        outputs: Their SHA-256.
        seconds: What encoding and writing them took.
        problem: Why they are not all.
    """

    outputs: dict[str, str]
    seconds: float
    problem: Problem | None = None


def decode_item(job: Job, task: Task) -> Decoded:
    """Read a photo and what belongs to it."""
    started = time.perf_counter()
    photo = Source(job.source.read(task.path), job.source.label(task.path))
    digest, hint = hashlib.sha256(photo.content), None
    if task.hint is not None and job.hints is not None:
        hint = Source(job.hints.read(task.hint), job.hints.label(task.hint))
        digest.update(hashlib.sha256(hint.content).digest())
    input = digest.hexdigest()
    content = None if input == task.known else job.operation.decode(photo, hint)
    return Decoded(input, content, time.perf_counter() - started)


def encode_item(job: Job, task: Task, content: Any) -> Written:
    """Encode what was inferred, and publish it."""
    started = time.perf_counter()
    files = job.operation.encode(content, name=task.path, stem=task.stem)
    outputs, problem = dict[str, str](), None
    for name, file in files.items():
        try:
            outputs |= job.sink.publish({name: file}, overwrite=task.may_replace, owner=task.owner)
        except OutputError as error:
            digest = hashlib.sha256(file).hexdigest()
            if task.may_replace or job.sink.sha256(name) != digest:
                problem = problem_of(error)
                break
            outputs[name] = digest  # by a machine that was lost before it could say so
    return Written(outputs, time.perf_counter() - started, problem)


Step = Callable[..., Any]
"""`decode_item` or `encode_item`, as a codec process is asked for it."""
