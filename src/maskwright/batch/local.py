"""The engine of one machine: codec processes around the networks of this one."""

import os
from collections.abc import Iterator
from contextlib import suppress

from maskwright.batch.codec import Limits
from maskwright.batch.pipeline import Outcome, Pipeline
from maskwright.batch.steps import Job, Task

_LEAST_BYTES = 2 << 30
_SHARE = 0.5  # of the machine's memory, for all codecs together


class LocalEngine:
    """Does tasks here.

    Args:
        job: What is done.
        workers: Codec processes; 0 chooses by the number of cores.
        limits: Of their steps; None takes the defaults.
    """

    def __init__(self, job: Job, *, workers: int = 0, limits: Limits | None = None) -> None:
        count = workers or default_workers()
        # Threads of the networks that wait for each other leave the core to a codec, instead of
        # spinning; read by OpenMP when torch is loaded.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._pipeline = Pipeline(job, workers=count, limits=limits or default_limits(count))

    def outcomes(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Yield what became of each task."""
        return self._pipeline.outcomes(tasks)

    def close(self) -> None:
        """End the codec processes."""
        self._pipeline.close()


def usable_cores() -> int:
    """Return how many cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def default_workers(cores: int = 0) -> int:
    """Return how many codecs keep the networks of one machine busy: half its cores.

    Args:
        cores: Of the machine; 0 is this one.
    """
    return max(1, (cores or usable_cores()) // 2)


def default_limits(workers: int, *, seconds: float | None = None) -> Limits:
    """Return limits: so much memory for each codec that all together have half the machine's."""
    total = 0
    with suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    each = max(_LEAST_BYTES, int(total * _SHARE) // workers) if total else None
    return Limits(bytes=each) if seconds is None else Limits(seconds, each)
