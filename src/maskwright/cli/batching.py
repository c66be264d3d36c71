"""What the batch verbs share: their flags, Ctrl-C, and how a run is told."""

import json
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskwright.cli import flags
from maskwright.cli.progress import DONE, FAILED
from maskwright.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from maskwright.batch.codec import Limits
    from maskwright.batch.operations import Operation
    from maskwright.batch.run import Engine as BatchEngine
    from maskwright.batch.run import Progress, Summary
    from maskwright.batch.steps import Job
    from maskwright.runs.outcome import Problem

INTERRUPTED = 130
_TOLD_SECONDS = 10.0  # between lines about the progress, where there is no bar


def _shard(text: str | None) -> str | None:
    if text is not None:
        parse_shard(text)
    return text


def parse_shard(text: str) -> tuple[int, int]:
    """Return (2, 8) for "2/8".

    Raises:
        UsageError: If it is no k/n with k from 1 to n.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard must be k/n with k from 1 to n, got {text!r}")
    return int(match[1]), int(match[2])


Folder = Annotated[
    str, typer.Argument(metavar="FOLDER", help="Photos, with folders in it; or a URL of fsspec.")
]
Out = Annotated[
    str,
    typer.Option("--output", "-o", metavar="DIR", help="A folder, or a URL; paths are kept."),
]
Engine = Annotated[
    str,
    typer.Option(
        metavar="local|ray",
        callback=flags.one_of("--engine", "local|ray", "local or ray"),
        help="This machine alone, or all that Ray connects.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(metavar="A", help="Of a Ray cluster; one is started here unless given."),
]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="k/n", callback=_shard, help="Do the k-th of n parts; other machines do theirs."
    ),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try failed photos again.")]
Watch = Annotated[
    bool, typer.Option("--watch", help="Go on with photos that come later, until Ctrl-C.")
]
Workers = Annotated[
    int,
    typer.Option(metavar="N", min=0, help="Processes that decode and encode; 0 is half the cores."),
]
TimeLimit = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=1.0, help="For decoding or encoding one photo."),
]
CodecMemory = Annotated[
    str | None,
    typer.Option(metavar="2G", help="For each of these processes; else their share of half."),
]
Recursive = Annotated[
    bool, typer.Option("--recursive/--no-recursive", help="Look in folders within folders.")
]


@dataclass(frozen=True)
class Options:
    """The flags that all batch verbs share.

    Attributes:
        folder: Of the photos.
        output: Of the results.
        hints: Of trimaps or masks.
        engine: "local" or "ray".
        ray_address: Of a cluster.
        shard: Like "2/8".
        retry_failed: Whether failed photos are tried again.
        watch: Whether to go on with what comes later.
        workers: Codec processes; 0 for the default.
        time_limit: Of a codec's step, in seconds.
        codec_memory: Of a codec, like "2G".
        recursive: Whether to look in folders within the folder.
        overwrite: Whether results may be replaced.
        as_json: Whether to print the report.
        offline: Whether weights may not be downloaded.
        quiet: Whether only errors are told.
    """

    folder: str
    output: str
    hints: str | None = None
    engine: str = "local"
    ray_address: str | None = None
    shard: str | None = None
    retry_failed: bool = False
    watch: bool = False
    workers: int = 0
    time_limit: float | int = 300.0
    codec_memory: str | None = None
    recursive: bool = True
    overwrite: bool = False
    as_json: bool = False
    offline: bool = False
    quiet: bool = False


def do_batch(operation: "Operation", options: Options) -> int:
    """Do an operation to a folder; returns the exit code.

    Raises:
        MaskwrightError: If something is wrong that would meet every photo.
    """
    _check_engine(options)
    from maskwright.batch.places import open_place
    from maskwright.batch.report import headline, item, table, write_report
    from maskwright.batch.run import Scope, open_manifest, run_batch, state_file
    from maskwright.batch.steps import Job

    job = Job(
        operation,
        open_place(options.folder),
        open_place(options.output),
        None if options.hints is None else open_place(options.hints),
    )
    scope = Scope(
        shard=parse_shard(options.shard) if options.shard else (1, 1),
        recursive=options.recursive,
        overwrite=options.overwrite,
        retry_failed=options.retry_failed,
        watch=options.watch,
    )
    with open_manifest(job, scope, offline=options.offline) as manifest, _stopping() as stop:
        engine = _engine(job, options, stop)
        with _telling(quiet=options.quiet) as tell:
            summary = run_batch(job, manifest, scope, engine=engine, tell=tell, stop=stop)
        report, measure = state_file(job, scope, "report.json"), operation.measure()
        if summary.problem is None:
            write_report(report, manifest, summary, measure)
        if options.as_json:
            rows = [item(row) for row in manifest.worst_first()]
            print(json.dumps(headline(summary, measure) | {"items": rows}, indent=1))
        if options.quiet:
            _tell_untold(summary, report)
        else:
            _conclude(summary, list(table(manifest, job.source)), measure, report)
    return _code(summary)


def _engine(job: "Job", options: Options, stop: threading.Event) -> "Callable[[], BatchEngine]":
    from maskwright.batch.local import LocalEngine, default_workers

    workers = options.workers or default_workers()
    limits = _limits(workers, options)
    if options.engine == "local":
        return lambda: LocalEngine(job, workers=workers, limits=limits)
    from maskwright.batch.ray import RayEngine

    return lambda: RayEngine(
        job, workers=workers, limits=limits, address=options.ray_address, stop=stop
    )


def _check_engine(options: Options) -> None:
    if options.engine == "local" and options.ray_address is not None:
        raise UsageError("--ray-address is about --engine ray; add that, or leave it out")
    from importlib.util import find_spec

    if options.engine == "ray" and find_spec("ray") is None:
        raise MissingExtraError("--engine ray needs Ray; pip install 'maskwright[cluster]'")


def _limits(workers: int, options: Options) -> "Limits":
    from maskwright.batch.codec import Limits
    from maskwright.batch.local import default_limits
    from maskwright.inference.memory import parse_bytes

    seconds = float(options.time_limit)
    if options.codec_memory is None:
        return default_limits(workers, seconds=seconds)
    return Limits(seconds, parse_bytes(options.codec_memory))


def _code(summary: "Summary") -> int:
    if summary.problem is not None:
        return FAILED
    if summary.was_stopped:
        return INTERRUPTED
    return FAILED if summary.counts["failed"] or summary.counts["queued"] else DONE


def _conclude(summary: "Summary", worst: list[str], measure: str | None, report: Path) -> None:
    counts = summary.counts
    left = counts["queued"] + counts["running"]
    told = f"{counts['done']} done, {counts['failed']} failed"
    rest = f", {left} left; the same command goes on" if left else ""
    if summary.problem is not None:
        print(f"stopped: {summary.problem}", file=sys.stderr)
    elif worst:
        meaning = f"; uncertainty is the {measure}" if measure else ""
        print(f"worst first{meaning}", file=sys.stderr)
        for line in worst:
            print(f"  {line}", file=sys.stderr)
    print(f"{told}{rest}; {report}", file=sys.stderr)


def _tell_untold(summary: "Summary", report: Path) -> None:
    """Tell what makes the exit code other than 0, but for the failures that were told."""
    if summary.problem is not None:
        print(f"stopped: {summary.problem}", file=sys.stderr)
        return
    counts = summary.counts
    untold = counts["failed"] - summary.progress.failed_now
    if counts["queued"] and not summary.was_stopped:
        print(f"{counts['queued']} left; the same command goes on", file=sys.stderr)
    if untold > 0:
        told = f"{untold} failed and not tried now; {report} says why, --retry-failed tries again"
        print(told, file=sys.stderr)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Yield what the first Ctrl-C sets, so that items begun are finished; the second one ends all.

    A request to terminate counts as Ctrl-C.
    """
    stop = threading.Event()

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print("finishing what is begun; Ctrl-C again drops it", file=sys.stderr, flush=True)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def in_words(progress: "Progress") -> str:
    """Return count, rate and time left on one line."""
    at = progress.done + progress.failed
    text = f"{at} of {progress.total}, {progress.failed} failed, {progress.per_second:.2f}/s"
    left = progress.seconds_left
    return text if left is None else f"{text}, {in_time(left)} left"


def in_time(seconds: float) -> str:
    """Return "3 h 20 min", "12 min" or "40 s"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


@contextmanager
def _telling(*, quiet: bool) -> "Iterator[Callable[[str, Problem | None, Progress], None]]":
    """Yield what tells of an item: failures always; the progress on a bar, or now and then."""
    if quiet or not sys.stderr.isatty():
        last = time.perf_counter()

        def tell(path: str, problem: "Problem | None", progress: "Progress") -> None:
            nonlocal last
            if problem is not None:
                print(problem.text, file=sys.stderr, flush=True)
            if not quiet and time.perf_counter() - last > _TOLD_SECONDS:
                last = time.perf_counter()
                print(in_words(progress), file=sys.stderr, flush=True)

        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with Bar(BarColumn(), TextColumn("{task.description}"), console=console) as bar:
        task = bar.add_task("looking for photos", total=None)

        def draw(path: str, problem: "Problem | None", progress: "Progress") -> None:
            if problem is not None:
                console.print(problem.text, markup=False)
            at = progress.done + progress.failed
            bar.update(task, completed=at, total=progress.total, description=in_words(progress))

        yield draw
