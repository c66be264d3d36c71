"""What Mask2Former's losses cost: masks compared at points, and in full.

python -m benchmarks.loss_memory [--outputs 10] [--targets 20] [--batch 2] [--side 1024]

Each form runs in a process of its own on random predictions at a quarter of the size; peaks are of
resident memory, above what the predictions themselves take. Writes benchmarks/results/
loss_memory.md.
"""

import argparse
import json
import subprocess
import sys
import time

import torch

from benchmarks.matte import forget_peak, peak_bytes
from benchmarks.record import RESULTS, provenance
from maskwright.models.mask2former.decoder import Prediction
from maskwright.models.mask2former.loss import Sampling, Target, segment_losses
from maskwright.models.mask2former.model import Segments

QUERIES, CLASSES = 100, 133
FORMS = {"points": "12,544 points of each mask", "full": "whole masks"}


def measure(form: str, given: argparse.Namespace) -> dict[str, float]:
    """Return MB above the predictions, after the losses and at most, and seconds."""
    torch.manual_seed(0)
    quarter = given.side // 4
    predictions = [
        Prediction(
            torch.randn(given.batch, QUERIES, CLASSES + 1, requires_grad=True),
            torch.randn(given.batch, QUERIES, quarter, quarter, requires_grad=True),
        )
        for _ in range(given.outputs)
    ]
    targets = [
        Target(
            torch.randint(0, CLASSES, (given.targets,)),
            torch.rand(given.targets, given.side, given.side) > 0.5,
        )
        for _ in range(given.batch)
    ]
    first, *others = predictions
    before, started = forget_peak(), time.perf_counter()
    losses = segment_losses(
        Segments(*first, tuple(others)), targets, sampling=Sampling() if form == "points" else None
    )
    forward = peak_bytes() - before
    torch.stack(list(losses)).sum().backward()
    seconds = time.perf_counter() - started
    return {"forward": forward / 1e6, "most": (peak_bytes() - before) / 1e6, "seconds": seconds}


def main() -> None:
    """Measure both forms, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--outputs", type=int, default=10)
    parser.add_argument("--targets", type=int, default=20)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--form", choices=FORMS, help="one form in this process, as JSON")
    given = parser.parse_args()
    if given.form:
        print(json.dumps(measure(given.form, given)))
        return
    found = {}
    for form in FORMS:
        command = [sys.executable, "-m", "benchmarks.loss_memory", "--form", form, *sys.argv[1:]]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        found[form] = json.loads(answer.stdout.splitlines()[-1])
    about = provenance("loss_memory")
    lines = ["# Memory of the losses", "", *(f"- {key}: `{value}`" for key, value in about.items())]
    lines += [
        "",
        f"{given.outputs} outputs of {QUERIES} queries, {given.targets} targets in each of"
        f" {given.batch} images of {given.side} x {given.side}.",
        "",
        "| masks compared at | MB after the losses' forward pass | MB at most | seconds |",
        "|---|--:|--:|--:|",
    ]
    for form, row in found.items():
        cells = [f"{row['forward']:,.0f}", f"{row['most']:,.0f}", f"{row['seconds']:.1f}"]
        lines.append(f"| {FORMS[form]} | {' | '.join(cells)} |")
    share = found["full"]["most"] / found["points"]["most"]
    lines += ["", f"Whole masks take {share:.1f} times as much memory at most.", ""]
    print("\n".join(lines))
    (RESULTS / "loss_memory.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
