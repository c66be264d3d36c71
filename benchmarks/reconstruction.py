"""What sampling operators keep of small pictures: all of them, trained alike, in one table.

python -m benchmarks.reconstruction [--images DIR] [--steps 6000] [--operators NAME …]

Each operator runs the recipe `reconstruction` from the same seed: the same first convolutions,
pictures and order. Writes benchmarks/results/reconstruction.md.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate.utils import set_seed

from benchmarks.record import RESULTS, provenance
from maskwright.image.publish import atomic_write
from maskwright.models.a2u.reconstruction import build_reconstruction
from maskwright.models.a2u.samplers import SAMPLERS
from maskwright.training.loop import train
from maskwright.training.recipes.reconstruction import Settings, job, pictures

ON_GPU = torch.cuda.is_available()
NOTE = """Pictures of 32 x 32 pixels are squeezed to 4 x 4 maps of 256 channels and restored without
skip connections (`docs/reconstruction.md`). PSNR and SSIM are relative to a range of 1 and means
over the held-out pictures. Parameters: all, and those of the three samplers. Seconds: {clock} of
the training. SGD, batches of {batch}, learning rate {rate}, a tenth of it after 50, 70 and 85 % of
{steps} steps; {training} pictures {source} to train on, {held_out} held out; seed {seed}.
"""


@dataclass(frozen=True)
class Row:
    """An operator's line of the table."""

    operator: str
    parameters: int
    of_samplers: int
    scores: dict[str, float]
    seconds: float

    def __str__(self) -> str:
        cells = [f"{self.parameters:,}", f"{self.of_samplers:,}"]
        cells += [f"{self.scores['psnr']:.2f}", f"{self.scores['ssim']:.4f}"]
        return f"| {self.operator} | {' | '.join(cells)} | {self.seconds:.0f} |"


def measure(settings: Settings) -> Row:
    """Train one operator and return its scores."""
    set_seed(settings.seed)
    wanted = job(settings)
    clock = time.perf_counter if ON_GPU else time.process_time
    with tempfile.TemporaryDirectory() as folder:
        start = clock()
        train(wanted, folder=Path(folder))
        seconds = clock() - start
        last = (Path(folder) / "scores.jsonl").read_text().splitlines()[-1]
    named = build_reconstruction(settings.operator).named_parameters()
    counts = {name: values.numel() for name, values in named}
    of_samplers = sum(count for name, count in counts.items() if "sampler" in name)
    return Row(settings.operator, sum(counts.values()), of_samplers, json.loads(last), seconds)


def page(rows: list[Row], settings: Settings, *, run: dict[str, str]) -> str:
    """Return the table with what it needs to be made again, `run` being its provenance."""
    training, held_out = pictures(settings)
    note = NOTE.format(
        clock="wall clock" if ON_GPU else "processor time",
        batch=settings.batch,
        rate=settings.learning_rate,
        steps=settings.steps,
        training=len(training),
        held_out=len(held_out),
        source="of a folder" if settings.images else "drawn",
        seed=settings.seed,
    )
    lines = ["# Sampling operators on image reconstruction", ""]
    lines += [*(f"- {key}: `{value}`" for key, value in run.items()), "", note]
    lines += ["| operator | parameters | of samplers | PSNR, dB | SSIM | seconds |"]
    lines += ["|---|--:|--:|--:|--:|--:|", *map(str, rows), ""]
    return "\n".join(lines)


def main() -> None:
    """Train every operator in turn; print its line, and write the page when all are done."""
    default = Settings()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", default="", help="a folder of small pictures; else drawn")
    parser.add_argument("--drawn", type=int, default=default.drawn, help="pictures to draw")
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument("--batch", type=int, default=default.batch)
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--operators", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "reconstruction.md")
    options = parser.parse_args()

    settings = replace(
        default,
        images=options.images,
        drawn=options.drawn,
        steps=options.steps,
        batch=options.batch,
        seed=options.seed,
    )
    run = provenance("reconstruction", device="cuda" if ON_GPU else "cpu")
    rows = []
    for operator in options.operators:
        rows.append(measure(replace(settings, operator=operator)))
        print(rows[-1], flush=True)
    with atomic_write(options.output, overwrite=True) as file:
        file.write(page(rows, settings, run=run).encode())


if __name__ == "__main__":
    main()
