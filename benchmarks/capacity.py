"""What many photos take: times of each stage measured here, the arithmetic, a check by simulation.

python -m benchmarks.capacity [--photos 24] [--megapixels 12]

Photos are three of scikit-image's, enlarged, as JPEG. Each operation of `maskwright batch` is timed
on every photo, stage by stage, on one thread as its crews have it; a simulated run with the
measured times shows how near to the arithmetic a real order of work comes. Writes
benchmarks/results/capacity.md.
"""

import argparse
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO

import cv2
import numpy as np
import torch
from skimage import data

from benchmarks.queueing import Machine, Stage, highest_rate, simulate
from benchmarks.record import RESULTS, provenance
from maskwright.batch.local import default_workers
from maskwright.batch.operations import (
    Cut,
    Embedding,
    Matting,
    Network,
    Operation,
    Segmenting,
    Source,
    Subjects,
)
from maskwright.batch.pipeline import WAITING
from maskwright.image.write import write_image

COUNTS = (10**4, 10**6, 10**8)
SIMULATED = 5_000
DAY, GIB = 86_400, 2**30
STEPS = ("decode", "infer", "encode")
OPERATIONS: dict[str, Operation] = {
    "embed": Embedding(Network("interformer-mini")),
    "segment": Segmenting(Network("mask2former-mini")),
    "cutout": Matting(
        Network("a2u-mini"), subjects=Subjects(Network("mask2former-mini")), cut=Cut()
    ),
}


@dataclass(frozen=True)
class Measured:
    """What an operation took.

    Attributes:
        seconds: Of each stage, photo by photo.
        bytes_in: Of a photo's file, on average.
        bytes_out: Of its results.
        failed: Photos of which nothing came, such as those without a subject.
    """

    seconds: Mapping[str, Sequence[float]]
    bytes_in: float
    bytes_out: float
    failed: int = field(default=0)

    def stages(self) -> list[Stage]:
        """Return the stages with the crews of `maskwright.batch.local`."""
        crews = {"decode": "codecs", "infer": "networks", "encode": "codecs"}
        return [Stage(name, self.seconds[name], crews[name]) for name in STEPS]


def machine(cores: int) -> Machine:
    """Return a machine as `maskwright batch` uses it: a codec process for every second core."""
    codecs = default_workers(cores)
    return Machine(cores, {"codecs": codecs, "networks": 1}, window=codecs + WAITING)


def make_photos(count: int, megapixels: float) -> list[Source]:
    """Return JPEG files: scikit-image's photos enlarged, each time a little narrower."""
    shown = [getattr(data, name)() for name in ("astronaut", "chelsea", "coffee")]
    sources = []
    for number in range(count):
        image = shown[number % len(shown)]
        image = image[:, number // len(shown) :]
        scale = math.sqrt(megapixels * 1e6 / (image.shape[0] * image.shape[1]))
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        file = BytesIO()
        write_image(file, image, format="JPEG")
        sources.append(Source(file.getvalue(), f"{number}.jpg"))
    return sources


def measure(operation: Operation, photos: Sequence[Source]) -> Measured:
    """Return what an operation takes on photos, one after another."""
    lane = operation.load()
    lane.infer(operation.decode(photos[0], None))  # memory and kernels are made ready
    seconds: dict[str, list[float]] = {name: [] for name in STEPS}
    written, failed = [], 0
    for photo in photos:
        times = [time.perf_counter()]
        decoded = operation.decode(photo, None)
        times.append(time.perf_counter())
        try:
            content = lane.infer(decoded).content
        except Exception as error:
            print(f"{photo.name}: {error}")
            failed += 1
            continue
        times.append(time.perf_counter())
        files = operation.encode(content, name=photo.name, stem="x")
        times.append(time.perf_counter())
        written.append(sum(map(len, files.values())))
        for name, taken in zip(STEPS, np.diff(times).tolist(), strict=True):
            seconds[name].append(taken)
    read = float(np.mean([len(photo.content) for photo in photos]))
    return Measured(seconds, read, float(np.mean(written)), failed)


def table(found: Mapping[str, Measured], *, cores: int) -> str:
    """Return measured times, highest rates, and those of simulated runs."""
    lines = [
        "| operation | decode, ms | infer, ms | encode, ms | read, MB | written, MB |"
        " most a second | simulated | of it |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, one in found.items():
        stages = one.stages()
        most = highest_rate(stages, machine(cores))
        rate = simulate(stages, machine(cores), photos=SIMULATED).rate
        times = " | ".join(f"{stage.mean * 1000:.0f}" for stage in stages)
        lines.append(
            f"| {name} | {times} | {one.bytes_in / 1e6:.2f} | {one.bytes_out / 1e6:.2f} |"
            f" {most:.2f} | {rate:.2f} | {rate / most:.0%} |"
        )
    return "\n".join(lines)


def plan(found: Mapping[str, Measured], *, cores: int) -> str:
    """Return what 10^4, 10^6 and 10^8 photos take, by the simulated rate."""
    lines = [
        "| operation | photos | one such machine | machines for a day | results |"
        " these machines read | and write |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, one in found.items():
        rate = simulate(one.stages(), machine(cores), photos=SIMULATED).rate
        for count in COUNTS:
            needed = math.ceil(count / rate / DAY)
            lines.append(
                f"| {name} | {count:,} | {_duration(count / rate)} | {needed} |"
                f" {_size(count * one.bytes_out)} | {_flow(rate * needed * one.bytes_in)} |"
                f" {_flow(rate * needed * one.bytes_out)} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure, reckon, simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    options = parser.parse_args()
    run = provenance("capacity")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    photos = make_photos(options.photos, options.megapixels)
    found = {name: measure(operation, photos) for name, operation in OPERATIONS.items()}
    text = "\n".join([
        "# Capacity",
        "",
        *(f"- {key}: `{value}`" for key, value in run.items()),
        f"- photos: {len(photos)} of scikit-image's at {options.megapixels:g} megapixels;"
        f" without a result: { {name: one.failed for name, one in found.items()} }",
        "",
        f"Times on one thread; rates of a machine with {options.cores} cores, a codec process for"
        f" every second core and one network process; {SIMULATED} photos simulated.",
        "",
        table(found, cores=options.cores),
        "",
        plan(found, cores=options.cores),
        "",
    ])
    print(text)
    (RESULTS / "capacity.md").write_text(text)


def _duration(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:,.0f} days"


def _size(count: float) -> str:
    return f"{count / GIB:,.1f} GiB" if count < 1024 * GIB else f"{count / GIB / 1024:,.1f} TiB"


def _flow(bytes_a_second: float) -> str:
    return f"{bytes_a_second * 8 / 1e6:,.1f} Mbit/s"


if __name__ == "__main__":
    main()
