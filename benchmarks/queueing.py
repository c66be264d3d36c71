"""A line of stages that work on one photo after another: how fast it goes, by rule and by trial.

The rule is the bottleneck law: no line is faster than its slowest crew, nor than all its work
spread over all cores (Denning and Buzen, "The Operational Analysis of Queueing Network Models",
ACM Computing Surveys 10 (3), 1978). The trial draws each photo's times from measured ones and lets
it wait where its crew is at work or no core is free.
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
        crew: Who does it; stages may share a crew.
        cores: How many it keeps busy.
    """

    name: str
    seconds: Sequence[float]
    crew: str
    cores: int = 1

    @property
    def mean(self) -> float:
        """Mean time of a photo, in seconds."""
        return float(np.mean(self.seconds))


@dataclass(frozen=True)
class Machine:
    """What stages run on.

    Attributes:
        cores: Shared by all crews.
        crews: How many photos each works on at once, by name.
        window: Photos between their first stage's start and their last one's end.
    """

    cores: int
    crews: dict[str, int]
    window: int


@dataclass(frozen=True)
class Trial:
    """What a simulated run came to.

    Attributes:
        seconds: Of the whole run.
        rate: Photos per second.
        busy: Share of the time that each stage was at work; above 1 if on several photos at once.
        latency: Mean time of a photo from its first stage's start to its end, in seconds.
    """

    seconds: float
    rate: float
    busy: dict[str, float]
    latency: float


def highest_rate(stages: Sequence[Stage], machine: Machine) -> float:
    """Return the photos per second that no order of work can exceed."""
    work = {
        crew: sum(stage.mean for stage in stages if stage.crew == crew) for crew in machine.crews
    }
    slowest = min(count / work[crew] for crew, count in machine.crews.items() if work[crew])
    return min(slowest, machine.cores / sum(stage.mean * stage.cores for stage in stages))


def simulate(stages: Sequence[Stage], machine: Machine, *, photos: int, seed: int = 0) -> Trial:
    """Return what a run of many photos comes to on one machine.

    Args:
        stages: In their order; what is nearly done goes first.
        machine: Whose cores and crews are waited for, in order of asking.
        photos: How many.
        seed: Of the times that are drawn.
    """
    world, rng = simpy.Environment(), np.random.default_rng(seed)
    window = simpy.Resource(world, machine.window)
    cores = simpy.Container(world, capacity=machine.cores, init=machine.cores)
    crews = {name: simpy.PriorityResource(world, count) for name, count in machine.crews.items()}
    busy, latencies = dict.fromkeys((stage.name for stage in stages), 0.0), list[float]()

    def photo() -> Generator[simpy.Event, Any, None]:
        with window.request() as place:
            yield place
            begun = world.now
            for number, stage in enumerate(stages):
                with crews[stage.crew].request(priority=-number) as turn:
                    yield turn
                    yield cores.get(stage.cores)
                    seconds = float(rng.choice(np.asarray(stage.seconds)))
                    yield world.timeout(seconds)
                    yield cores.put(stage.cores)
                    busy[stage.name] += seconds
            latencies.append(world.now - begun)

    for _ in range(photos):
        world.process(photo())
    world.run()
    total = float(world.now)
    shares = {name: seconds / total for name, seconds in busy.items()}
    return Trial(total, photos / total, shares, float(np.mean(latencies)))
