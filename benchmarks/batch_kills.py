"""`batch cutout` of many photos, killed at random moments and begun again each time.

python -m benchmarks.batch_kills FOLDER [--count 2000] [--size 320x320] [--kills 10] [--workers 1]

Makes the photos with `synthesize` (once), does them without interruption and with kills, and
compares: the final set must be complete and byte-equal, and each kill may cost at most 2 + workers
items done twice. Writes benchmarks/results/batch_kills.md; ends with 1 if anything is not so.
"""

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.record import RESULTS, provenance
from maskwright.batch.run import STATE
from maskwright.runs.manifest import Manifest

MASKWRIGHT = [sys.executable, "-m", "maskwright"]


def main() -> None:
    """Run it all and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--size", default="320x320")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = options.folder / "data"
    synthesize = ["synthesize", "matting", "-o", str(data), "--count", str(options.count)]
    kinds = "hair,fur"
    subprocess.run([*MASKWRIGHT, *synthesize, "--size", options.size, "--kinds", kinds], check=True)
    whole, killed = options.folder / "whole", options.folder / "killed"
    seconds = done_whole(command(data, whole, options.workers))
    count = len(sums(whole))
    twice, costs = done_with_kills(
        command(data, killed, options.workers),
        killed,
        options.kills,
        each=seconds / count,
        count=count,
        seed=options.seed,
    )
    is_equal = sums(whole) == sums(killed)
    worst = 2 + options.workers
    rows = [f"| {number} | {cost} |" for number, cost in enumerate(costs, start=1)]
    run = provenance("batch_kills")
    page = [
        "# Killed and begun again",
        "",
        *(f"- {key}: `{value}`" for key, value in run.items()),
        "",
        f"{count} cut-outs; uninterrupted {seconds:.0f} s. After {options.kills} kills the set is"
        f" {'byte-equal' if is_equal else 'NOT EQUAL'}; {twice} items were done twice, at most"
        f" {worst} a kill are allowed.",
        "",
        "| kill | items begun and not ended |",
        "|--:|--:|",
        *rows,
        "",
    ]
    (RESULTS / "batch_kills.md").write_text("\n".join(page))
    print("\n".join(page))
    sys.exit(not is_equal or twice > worst * options.kills or max(costs, default=0) > worst)


def command(data: Path, output: Path, workers: int) -> list[str]:
    """Return the command of the run."""
    folders = [str(data / "image"), "-o", str(output), "--masks", str(data / "alpha")]
    return [*MASKWRIGHT, "batch", "cutout", *folders, "--workers", str(workers), "-q"]


def done_whole(words: list[str]) -> float:
    """Do it without interruption and return the seconds; 0 failures are not asked for."""
    started = time.perf_counter()
    subprocess.run(words, check=False)
    return time.perf_counter() - started


def done_with_kills(
    words: list[str], output: Path, kills: int, *, each: float, count: int, seed: int
) -> tuple[int, list[int]]:
    """Kill the run at moments drawn over its course, and end it; return what was done twice.

    Args:
        words: The command of the run.
        output: Where its results go.
        kills: How often.
        each: Seconds that one photo takes; a kill comes up to two photos after a number of results.
        count: Of all results.
        seed: Of the moments.
    """
    rng, costs = random.Random(seed), []
    for wanted in sorted(rng.randrange(count) for _ in range(kills)):
        process = subprocess.Popen(words)
        while process.poll() is None and len(list(output.glob("*.png"))) < wanted:
            time.sleep(each / 10)
        time.sleep(rng.uniform(0, 2) * each)
        process.send_signal(signal.SIGKILL)
        process.wait()
        costs.append(interrupted(output))
    subprocess.run(words, check=False)
    with opened(output) as manifest:
        twice = sum(max(0, row.attempts - 1) for row in manifest.worst_first())
    return twice, costs


def interrupted(output: Path) -> int:
    """Return how many items a kill caught on their way."""
    with opened(output) as manifest:
        return sum(1 for _ in manifest.interrupted())


def opened(output: Path) -> Manifest:
    """Return the manifest of a run that has ended."""
    return Manifest(output / STATE / "manifest.sqlite", settings="", weights="")


def sums(folder: Path) -> dict[str, str]:
    """Return the checksum of each result."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.png"))
    }


if __name__ == "__main__":
    main()
