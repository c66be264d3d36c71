"""Decoding, inference and encoding of many items at once.

Codec processes decode and encode; the thread that iterates over the outcomes infers. There are
never more items between their start and their end than codecs and two: one for the networks, and
one that waits for them. So nothing piles up, and a kill costs no more than these.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from maskwright.batch.codec import Codec, Limits
from maskwright.batch.operations import Lane
from maskwright.batch.steps import Decoded, Job, Step, Task, Written, decode_item, encode_item
from maskwright.runs.outcome import Problem, ends_run, problem_of

WAITING = 2  # items beside those that codecs are at work on
_ENCODE, _DECODE, _END = 0, 1, 2  # what is nearly done goes first


@dataclass(frozen=True)
class Outcome:
    """What became of an item.

    Attributes:
        task: The item.
        input: SHA-256 of what was read.
        outputs: SHA-256 of each result that was written; None if nothing had to be.
        problem: Why it failed.
        seconds: What its three steps took together.
        uncertainty: In [0, 1]; None where there is no measure.
    """

    task: Task
    input: str = ""
    outputs: dict[str, str] | None = None
    problem: Problem | None = None
    seconds: float = 0.0
    uncertainty: float | None = None


class Crew:
    """Codec processes, each led by a thread, that share what there is to do.

    Args:
        job: What they work on.
        workers: How many.
        limits: Of each step.
    """

    def __init__(self, job: Job, *, workers: int, limits: Limits) -> None:
        self.size = workers
        self._order = count()
        self._todo: queue.PriorityQueue[tuple[int, int, Any]] = queue.PriorityQueue()
        self._codecs = [Codec(job, limits) for _ in range(workers)]
        self._threads = [
            threading.Thread(target=self._lead, args=(codec,), daemon=True)
            for codec in self._codecs
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, step: Step, arguments: tuple[Any, ...], answer: Callable[[Any], None]) -> None:
        """Have a step done; `answer` is called with its result or problem, from a thread."""
        priority = _ENCODE if step is encode_item else _DECODE
        self._todo.put((priority, next(self._order), (step, arguments, answer)))

    def close(self) -> None:
        """End all processes; what they were at work on is lost."""
        for codec in self._codecs:
            self._todo.put((_END, next(self._order), None))
            codec.close()
        for thread in self._threads:
            thread.join(timeout=10)

    def _lead(self, codec: Codec) -> None:
        while (todo := self._todo.get()[2]) is not None:
            step, arguments, answer = todo
            try:
                result = codec.call(step, *arguments)
            except BaseException as error:
                result = error  # raised where the outcomes are read
            answer(result)
        codec.close()


@dataclass
class _Flight:
    """An item on its way.

    Attributes:
        task: The item.
        decoded: Once it is.
        uncertainty: Once it was inferred.
        seconds: Spent on it so far.
    """

    task: Task
    decoded: Decoded | None = None
    uncertainty: float | None = None
    seconds: float = 0.0


class Pipeline:
    """The three steps of a job.

    Args:
        job: What is done.
        workers: Codec processes, 1 or more.
        limits: Of their steps.
    """

    def __init__(self, job: Job, *, workers: int, limits: Limits) -> None:
        self._job = job
        self._crew = Crew(job, workers=workers, limits=limits)
        self._lane: Lane | None = None
        self._turn = threading.Lock()  # of several threads that read outcomes, to infer

    def outcomes(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Yield what became of each task; a task is taken when there is room for it.

        Several threads may do this at once; they infer in turn.

        Raises:
            MaskwrightError: If something is wrong that would meet every item.
        """
        answers: queue.SimpleQueue[tuple[_Flight, Any]] = queue.SimpleQueue()
        flying, is_more = 0, True
        while True:
            while is_more and flying < self._crew.size + WAITING:
                task = next(tasks, None)
                is_more = task is not None
                if task is not None:
                    flying += 1
                    self._ask(_Flight(task), decode_item, (task,), answers)
            if not flying:
                return
            flight, result = answers.get()
            outcome = self._go_on(flight, result, answers)
            if outcome is not None:
                flying -= 1
                yield outcome

    def close(self) -> None:
        """End the codec processes."""
        self._crew.close()

    def _ask(
        self,
        flight: _Flight,
        step: Step,
        arguments: tuple[Any, ...],
        answers: "queue.SimpleQueue[tuple[_Flight, Any]]",
    ) -> None:
        self._crew.ask(step, arguments, lambda result: answers.put((flight, result)))

    def _go_on(
        self, flight: _Flight, result: Any, answers: "queue.SimpleQueue[tuple[_Flight, Any]]"
    ) -> Outcome | None:
        """Take an item from a step to the next; return its outcome if that was the last."""
        if isinstance(result, BaseException):
            raise result
        if isinstance(result, Decoded):
            flight.seconds += result.seconds
            if result.content is None:
                return Outcome(flight.task, result.input, seconds=flight.seconds)
            flight.decoded = Decoded(result.input, None, result.seconds)
            result = self._infer(flight, result.content)
            if not isinstance(result, Problem):
                self._ask(flight, encode_item, (flight.task, result), answers)
                return None
        if isinstance(result, Problem):
            return Outcome(flight.task, problem=result, seconds=flight.seconds)
        assert isinstance(result, Written) and flight.decoded is not None
        return Outcome(
            flight.task,
            input=flight.decoded.input,
            outputs=result.outputs,
            problem=result.problem,
            seconds=flight.seconds + result.seconds,
            uncertainty=flight.uncertainty,
        )

    def _infer(self, flight: _Flight, content: Any) -> Any:
        with self._turn:
            if self._lane is None:
                self._lane = self._job.operation.load()
            started = time.perf_counter()
            try:
                inferred = self._lane.infer(content)
            except Exception as error:
                if ends_run(error):
                    raise
                return problem_of(error)
            flight.seconds += time.perf_counter() - started
        flight.uncertainty = inferred.uncertainty
        return inferred.content
