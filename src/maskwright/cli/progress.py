"""Doing one thing to several photos: progress, failures that do not stop the rest, a report."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from maskwright.cli.items import PIPE, Item
from maskwright.errors import RefusedError, UsageError
from maskwright.runs.outcome import ends_run, one_line

DONE, WRONG_USE, FAILED, REFUSED = 0, 1, 2, 3

log = logging.getLogger(__name__)


class Made(NamedTuple):
    """What was made of one photo: on which device, and its files if they are not the target."""

    device: str
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of one photo; `error` is None where all went well."""

    photo: str
    output: str
    seconds: float
    made: Made | None = None
    error: str | None = None
    was_refused: bool = False

    def places(self) -> str:
        """Return where the results are, for people."""
        assert self.made is not None
        if self.output == PIPE:
            return "standard output"
        return ", ".join(self.made.outputs or (self.output,))


def do_items(
    items: Sequence[Item],
    work: Callable[[Item], Made | str],
    *,
    quiet: bool,
    as_json: bool,
    finish: Callable[[], None] | None = None,
) -> int:
    """Do `work` for every item; failures are told and do not stop the rest.

    Args:
        items: What to do.
        work: Does one and returns what it made, or just the device; raises if it cannot.
        quiet: Tell errors only.
        as_json: Print a report on standard output at the end.
        finish: Writes what belongs to all items together; if it cannot, all of them failed.

    Returns:
        The exit code: 0, 2 if any item failed, 3 if some were refused and none failed.
    """
    if as_json and any(item.target == PIPE for item in items):
        raise UsageError("--json and -o - both want standard output; name a file with -o")
    outcomes = []
    with _bar(len(items), quiet=quiet) as (say, advance):
        for item in items:
            outcome = _do(item, work)
            outcomes.append(outcome)
            if outcome.error:
                say(outcome.error)
            elif not quiet:
                assert outcome.made is not None
                say(f"{outcome.places()} ({outcome.seconds:.1f} s on {outcome.made.device})")
            advance()
    if finish:
        outcomes = _finished(outcomes, finish)
    return _conclude(outcomes, quiet=quiet, as_json=as_json)


def _do(item: Item, work: Callable[[Item], Made | str]) -> Outcome:
    start = time.perf_counter()
    made, error, was_refused = None, None, False
    try:
        found = work(item)
        made = Made(found) if isinstance(found, str) else found
    except Exception as problem:
        if ends_run(problem):
            raise
        log.debug("%s", item.source, exc_info=True)
        error, was_refused = one_line(problem), isinstance(problem, RefusedError)
    if error and item.source != PIPE and item.name.name not in error:
        error = f"{item.source}: {error}"
    seconds = time.perf_counter() - start
    return Outcome(item.source, item.target, seconds, made, error, was_refused)


def _finished(outcomes: list[Outcome], finish: Callable[[], None]) -> list[Outcome]:
    """Return what became of the items once `finish` was called."""
    try:
        finish()
    except Exception as problem:
        if ends_run(problem):
            raise
        log.debug("what belongs to all items", exc_info=True)
        error, was_refused = one_line(problem), isinstance(problem, RefusedError)
        print(error, file=sys.stderr, flush=True)
        return [
            outcome if outcome.error else replace(outcome, error=error, was_refused=was_refused)
            for outcome in outcomes
        ]
    return outcomes


def _conclude(outcomes: Sequence[Outcome], *, quiet: bool, as_json: bool) -> int:
    failed = sum(outcome.error is not None for outcome in outcomes)
    refused = sum(outcome.was_refused for outcome in outcomes)
    if as_json:
        rows = [
            {
                "photo": outcome.photo,
                "output": outcome.output,
                "status": "failed" if outcome.error else "done",
                "error": outcome.error,
                "seconds": round(outcome.seconds, 3),
                "device": outcome.made.device if outcome.made else None,
            }
            | ({"outputs": outcome.made.outputs} if outcome.made and outcome.made.outputs else {})
            for outcome in outcomes
        ]
        report = {"done": len(outcomes) - failed, "failed": failed, "items": rows}
        print(json.dumps(report, indent=1))
    if len(outcomes) > 1 and not quiet:
        print(f"{len(outcomes) - failed} done, {failed} failed", file=sys.stderr)
    if failed > refused:
        return FAILED
    return REFUSED if refused else DONE


@contextmanager
def _bar(total: int, *, quiet: bool) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """Yield how to print a line and how to count one item; a bar is drawn on terminals only."""
    if quiet or not sys.stderr.isatty():
        yield (lambda line: print(line, file=sys.stderr, flush=True)), (lambda: None)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) if total > 1 else ()
    shown = (SpinnerColumn(), *columns, TimeElapsedColumn())
    with Progress(*shown, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield (lambda line: console.print(line, markup=False)), (lambda: progress.advance(task))


@contextmanager
def progress_bar(
    name: str, *, quiet: bool, in_bytes: bool = False
) -> Iterator[Callable[[int, int], None]]:
    """Yield what long work calls with how much is done and how much there is in all."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    count = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (TextColumn(name), BarColumn(), count, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
