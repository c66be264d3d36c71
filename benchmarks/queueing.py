"""A line of stages that work on one photo after another: how fast it goes, by rule and by trial.

The rule is the bottleneck law: no line is faster than its slowest stage, nor than all its work
spread over all cores (Denning and Buzen, "The Operational Analysis of Queueing Network Models",
ACM Computing Surveys 10 (3), 1978). The trial draws each photo's times from measured ones and lets
it wait where a queue is full or no core is free.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy


@dataclass(frozen=True)
class Stage:
    """What is done to every photo.

    Attributes:
        name: Of the stage.
        seconds: Measured times of single photos.
        workers: How many photos it works on at once.
        cores: How many it keeps busy for each of them.
        queue: How many photos may wait before it.
    """

    name: str
    seconds: Sequence[float]
    workers: int = 1
    cores: int = 1
    queue: int = 4

    @property
    def mean(self) -> float:
        """Mean time of a photo, in seconds."""
        return float(np.mean(self.seconds))


@dataclass(frozen=True)
class Trial:
    """What a simulated run came to.

    Attributes:
        seconds: From the first photo's start to the last one's end.
        rate: Photos per second.
        busy: Share of the time that each stage's workers worked, by name.
        wait: Mean time of a photo from its first stage's start to its end, in seconds.
    """

    seconds: float
    rate: float
    busy: dict[str, float]
    wait: float


def highest_rate(stages: Sequence[Stage], *, cores: int) -> float:
    """Return the photos per second that no order of work can exceed.

    Args:
        stages: In their order.
        cores: Of the machine, shared by all stages.
    """
    slowest = min(stage.workers / stage.mean for stage in stages)
    return min(slowest, cores / sum(stage.mean * stage.cores for stage in stages))


def simulate(stages: Sequence[Stage], *, photos: int, cores: int, seed: int = 0) -> Trial:
    """Return what a run of many photos comes to on one machine.

    Args:
        stages: In their order; photos wait before the first without a limit.
        photos: How many.
        cores: Of the machine; a stage that finds too few of them free waits, in order of asking.
        seed: Of the times that are drawn.
    """
    world = simpy.Environment()
    line = _Line(world, stages, cores, np.random.default_rng(seed))
    for photo in range(photos):
        line.queues[0].put(photo)
    for place, stage in enumerate(stages):
        for _ in range(stage.workers):
            world.process(line.work(place))
    world.run(until=line.last_of(photos))
    total = float(world.now)
    busy = {
        stage.name: line.worked[place] / (stage.workers * total)
        for place, stage in enumerate(stages)
    }
    return Trial(total, photos / total, busy, float(np.mean(line.waits)))


class _Line:
    """The state of a simulated run."""

    def __init__(
        self,
        world: simpy.Environment,
        stages: Sequence[Stage],
        cores: int,
        rng: np.random.Generator,
    ) -> None:
        self.world, self.stages, self.rng = world, stages, rng
        self.cores = simpy.Container(world, capacity=cores, init=cores)
        first, *others = stages
        self.queues = [simpy.Store(world)]
        self.queues += [simpy.Store(world, capacity=stage.queue) for stage in others]
        self.done = simpy.Store(world)
        self.worked = [0.0] * len(stages)
        self.begun: dict[int, float] = {}
        self.waits: list[float] = []

    def work(self, place: int) -> Generator[simpy.Event, Any, None]:
        """Take photos one by one, hold cores while working, and hand them on."""
        stage = self.stages[place]
        following = [*self.queues[1:], self.done][place]
        while True:
            photo = yield self.queues[place].get()
            yield self.cores.get(stage.cores)
            self.begun.setdefault(photo, self.world.now)
            seconds = float(self.rng.choice(np.asarray(stage.seconds)))
            yield self.world.timeout(seconds)
            self.worked[place] += seconds
            yield self.cores.put(stage.cores)
            yield following.put(photo)

    def last_of(self, photos: int) -> simpy.Process:
        """Return what ends when so many photos are through."""

        def count() -> Generator[simpy.Event, Any, None]:
            for _ in range(photos):
                photo = yield self.done.get()
                self.waits.append(self.world.now - self.begun[photo])

        return self.world.process(count())
