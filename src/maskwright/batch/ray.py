"""The engine of many machines: the pipeline of `local.py` as actors of Ray Data.

Each actor has the networks, on a GPU or on the cores it was given, and codec processes around them:
photos are read and written where they are inferred, and only names and outcomes travel. Ray Data
starts as many actors as the cluster has room for, feeds them, and replaces those that are lost.

Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications", OSDI 2018,
arXiv:1712.05889.
"""

import base64
import logging
import os
import pickle
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy, DataContext

from maskwright.batch.codec import Limits
from maskwright.batch.local import usable_cores
from maskwright.batch.pipeline import Outcome, Pipeline
from maskwright.batch.places import LocalPlace, Place
from maskwright.batch.steps import Job, Task
from maskwright.errors import MaskwrightError

TOGETHER = 16  # items that an actor is given at once
ROUND = 32_768  # items that Ray knows of at once
_CALLS = 2  # groups of items in an actor: the next one begins before the last one ends
_RETRIES = 4  # of an actor that is lost, and of the items it had
_STORE_BYTES = 128 << 20  # of Ray's own memory here: only names go through it
_TASK, _OUTCOME = "task", "outcome"
Rows = dict[str, Any]


@dataclass(frozen=True)
class Share:
    """What one actor gets of a machine.

    Attributes:
        cpus: Cores.
        gpus: 1 or 0.
        threads: That the networks compute with.
    """

    cpus: int
    gpus: int
    threads: int


class RayEngine:
    """Does tasks wherever Ray has room.

    Args:
        job: What is done; places on disks must be the same on all machines.
        workers: Codec processes beside each actor.
        limits: Of their steps.
        address: Of a cluster; None starts one on this machine, and ends it afterwards.
        stop: Once set, what Ray has not done yet is left to a later run.
    """

    def __init__(
        self,
        job: Job,
        *,
        workers: int,
        limits: Limits,
        address: str | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._stop = stop or threading.Event()
        self._is_own = not ray.is_initialized()
        if self._is_own:
            _connect(address)
        self.share = _share(workers, _wants_gpu(job))
        self._actor = Absolute(job).job, workers, limits, self.share.threads
        context = DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        # An actor that is lost again and again costs its items, which stay queued, not the run.
        context.max_errored_blocks = -1

    def outcomes(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Yield what became of each task, as `Engine` says; those that were lost are left out.

        Raises:
            MaskwrightError: If something is wrong that would meet every item.
        """
        while group := list(islice(tasks, ROUND)):
            for row in self._rows(group):
                outcome = _unpacked(row[_OUTCOME])
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
                if self._stop.is_set():
                    return

    def close(self) -> None:
        """Let go of the cluster; end it if it was started here."""
        if self._is_own:
            ray.shutdown()

    def _rows(self, group: list[Task]) -> Iterator[Rows]:
        blocks = -(-len(group) // TOGETHER)
        names = ray.data.from_items(
            [{_TASK: _packed(task)} for task in group], override_num_blocks=blocks
        )
        with warnings.catch_warnings():
            # Without the last two, which have no other place before Ray 2.64, an item that kills
            # its actor would do so for ever.
            warnings.simplefilter("ignore", DeprecationWarning)
            done = names.map_batches(
                Actor,
                fn_constructor_args=self._actor,
                batch_size=None,
                batch_format="numpy",
                compute=ActorPoolStrategy(
                    min_size=1,
                    max_tasks_in_flight_per_actor=2 * _CALLS,
                    max_concurrent_calls_per_actor=_CALLS,
                    enable_true_multi_threading=True,
                ),
                num_cpus=self.share.cpus,
                num_gpus=self.share.gpus or None,
                max_restarts=_RETRIES,
                max_task_retries=_RETRIES,
            )
        return iter(done.iter_rows())


class Actor:
    """The pipeline of a job, on whichever machine Ray puts it.

    Args:
        job: What is done.
        workers: Codec processes.
        limits: Of their steps.
        threads: That the networks compute with; Ray alone would say 1.
    """

    def __init__(self, job: Job, workers: int, limits: Limits, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._pipeline = Pipeline(job, workers=workers, limits=limits)

    def __call__(self, rows: Rows) -> Rows:
        """Return an outcome for each task, or what is wrong with all."""
        tasks = [_unpacked(text) for text in rows[_TASK]]
        try:
            results: list[Any] = list(self._pipeline.outcomes(iter(tasks)))
        except Exception as error:  # raised again where it can be told
            results = [_told(error)]
        return {_OUTCOME: np.array([_packed(result) for result in results], dtype=object)}


@dataclass(frozen=True, eq=False)
class Absolute:
    """A job whose folders are the same from any working folder.

    Attributes:
        given: The job as it was given.
    """

    given: Job

    @property
    def job(self) -> Job:
        """The same job."""
        hints = None if self.given.hints is None else _absolute(self.given.hints)
        source, sink = _absolute(self.given.source), _absolute(self.given.sink)
        return replace(self.given, source=source, sink=sink, hints=hints)


def _absolute(place: Place) -> Place:
    return LocalPlace(str(Path(place.root).resolve())) if isinstance(place, LocalPlace) else place


def _connect(address: str | None) -> None:
    # Ray reports its use to its makers unless told not to; nothing here uses the network unasked.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what fails is told by us
    try:
        if address is not None:
            ray.init(address, logging_level=logging.ERROR, log_to_driver=False)
            return
        ray.init(
            num_cpus=usable_cores(),
            include_dashboard=False,
            object_store_memory=_STORE_BYTES,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    except Exception as error:  # Ray raises plain ones
        raise MaskwrightError(
            f"expected a Ray cluster at {address or 'this machine'}, got an error: {error};"
            " check --ray-address, or leave it out to start one here"
        ) from error


def _wants_gpu(job: Job) -> bool:
    network = getattr(job.operation, "network", None)
    device = getattr(network, "device", "cpu")
    has_one = any(node["Resources"].get("GPU", 0) >= 1 for node in _machines())
    return device.startswith("cuda") or (device == "auto" and has_one)


def _machines() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"]]


def _share(workers: int, wants_gpu: bool) -> Share:
    """Return what an actor gets: a GPU and cores for its codecs, or all cores of a machine."""
    cores = [int(node["Resources"].get("CPU", 0)) for node in _machines()]
    smallest = min((count for count in cores if count), default=1)
    if wants_gpu:
        return Share(min(workers, smallest), 1, threads=min(workers, smallest))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = min(int(asked), smallest) if asked.isdigit() and int(asked) else smallest
    return Share(threads, 0, threads)


def _told(error: Exception) -> Exception:
    """Return an error that can travel."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return MaskwrightError(str(error))
    return error


def _packed(value: Any) -> str:
    """Return a value as text: Arrow would cut bytes at zeros, and refuses names not in UTF-8."""
    return base64.b64encode(pickle.dumps(value)).decode("ascii")


def _unpacked(text: str) -> Any:
    """Return what `_packed` was given, by a process of this run."""
    return pickle.loads(base64.b64decode(text))
