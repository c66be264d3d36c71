"""Photos a second of `batch cutout`: locally, on Ray, and by a plain loop in one process.

python -m benchmarks.throughput FOLDER [--count 360] [--size 640x640] [--warm 50] [--workers 1]

FOLDER keeps what `synthesize` makes. The loop decodes, mattes, estimates colours and encodes one
photo after the other, each result written whole as the batch does. Times begin after the first
`--warm` photos; what it took until then is start-up, printed apart. The memory is the peak over all
processes of a way, sampled, over the first and the last third of the time: flat means equal. Writes
benchmarks/results/throughput.md.
"""

import argparse
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.record import RESULTS, provenance

WAYS = ("loop", "local", "ray")
SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Timed:
    """What one way took.

    Attributes:
        start_up: Seconds until the first photos were done.
        per_second: Photos, after these.
        first_mib: Peak resident memory in the first third of the steady time.
        last_mib: The same in the last third.
    """

    start_up: float
    per_second: float
    first_mib: float
    last_mib: float


def main() -> None:
    """Measure all ways and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=360)
    parser.add_argument("--size", default="640x640")
    parser.add_argument("--warm", type=int, default=50)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--model", default="a2u-mini")
    parser.add_argument("--ways", nargs="*", default=WAYS, choices=WAYS)
    parser.add_argument("--do", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    data, out = options.folder / "data", options.folder / "out"
    if options.do:
        do(options.do, data, out, workers=options.workers, model=options.model)
        return
    synthesize = ["synthesize", "matting", "-o", str(data), "--count", str(options.count)]
    kinds = ["--kinds", "hair,fur", "--size", options.size]
    subprocess.run([sys.executable, "-m", "maskwright", *synthesize, *kinds], check=True)
    run = provenance("throughput")
    page = ["# Throughput", "", *(f"- {key}: `{value}`" for key, value in run.items()), ""]
    page += ["| way | start-up, s | photos/s | of the loop | MiB at first | MiB at last |"]
    page += ["|---|--:|--:|--:|--:|--:|"]
    loop = 0.0
    for way in options.ways:
        shutil.rmtree(out, ignore_errors=True)
        timed = measure(way, options)
        loop = loop or timed.per_second
        page.append(
            f"| {way} | {timed.start_up:.1f} | {timed.per_second:.3f} |"
            f" {timed.per_second / loop:.0%} | {timed.first_mib:.0f} | {timed.last_mib:.0f} |"
        )
        print(page[-1], flush=True)
    (RESULTS / "throughput.md").write_text("\n".join([*page, ""]))


def measure(way: str, options: argparse.Namespace) -> Timed:
    """Return what a way takes in a process of its own, by when its results got their names."""
    words = [sys.executable, "-m", "benchmarks.throughput", str(options.folder), "--do", way]
    words += ["--workers", str(options.workers), "--model", options.model]
    started = time.time()
    process = subprocess.Popen(words)
    samples: list[tuple[float, float]] = []
    while process.poll() is None:
        samples.append((time.time(), memory_mib(process.pid)))
        time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise SystemExit(f"{way} ended with {process.returncode}")
    times = sorted(path.stat().st_mtime for path in (options.folder / "out").glob("*.png"))
    warm = min(options.warm, len(times) // 2)
    begin, end = times[warm - 1], times[-1]
    thirds = begin + (end - begin) / 3, end - (end - begin) / 3
    first = [mib for at, mib in samples if begin <= at <= thirds[0]]
    last = [mib for at, mib in samples if thirds[1] <= at <= end]
    rate = (len(times) - warm) / (end - begin)
    return Timed(begin - started, rate, max(first, default=0.0), max(last, default=0.0))


def memory_mib(number: int) -> float:
    """Return what a process and its descendants hold; pages they share count once each."""
    total = 0
    try:
        root = psutil.Process(number)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total / 2**20


def do(way: str, data: Path, out: Path, *, workers: int, model: str) -> None:
    """Do all photos in one way."""
    if way == "loop":
        loop(data, out, model=model)
        return
    from maskwright.batch.local import LocalEngine, default_limits, default_workers
    from maskwright.batch.operations import Cut, Matting, Network
    from maskwright.batch.places import LocalPlace
    from maskwright.batch.run import Engine, Scope, open_manifest, run_batch
    from maskwright.batch.steps import Job

    places = (LocalPlace(str(folder)) for folder in (data / "image", out, data / "trimap"))
    job = Job(Matting(Network(model), hint="trimap", cut=Cut()), *places)
    count = workers or default_workers()
    limits = default_limits(count)

    def engine() -> Engine:
        if way == "local":
            return LocalEngine(job, workers=count, limits=limits)
        from maskwright.batch.ray import RayEngine

        return RayEngine(job, workers=count, limits=limits)

    with open_manifest(job, Scope()) as manifest:
        run_batch(job, manifest, Scope(), engine=engine)


def loop(data: Path, out: Path, *, model: str) -> None:
    """Do the photos one after the other."""
    from maskwright.errors import TrimapError
    from maskwright.image.io import read_photo, write_image
    from maskwright.image.trimap import read_trimap
    from maskwright.inference.cutout import cut_out
    from maskwright.inference.matte import Matter

    matter = Matter.load(model)
    for path in sorted((data / "image").iterdir()):
        photo = read_photo(path)
        try:
            trimap = read_trimap(data / "trimap" / path.name, photo.size)
        except TrimapError:  # a few that are drawn lack a kind of pixel; none of the ways does them
            continue
        cut = cut_out(photo, matter.matte(photo, trimap))
        write_image(out / path.name, cut.rgba, like=cut)


if __name__ == "__main__":
    main()
