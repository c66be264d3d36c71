"""How fast the A2U networks of the paper run, against their straightforward form.

python -m benchmarks.a2u [--side 512] [--threads 2] [--rounds 9]

Both forms take turns in one run, on the same weights and input; the ratio of their medians counts.
The baseline, `a2u_baseline.py`, was written first and is left alone.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import a2u_baseline
from benchmarks.record import RESULTS, append_csv, provenance
from maskwright.layers.conv import folded
from maskwright.models import a2u

KEYS = Path(__file__).parents[1] / "tests" / "parity" / "keys"


def official_state(variant: str) -> dict[str, Tensor]:
    """Return random weights under the official names; "shared" or "unshared"."""
    torch.manual_seed(0)
    state = {}
    for line in (KEYS / f"a2u_{variant}.txt").read_text().splitlines():
        name, text = line.split(" ", 1)
        shape = json.loads(text)
        if len(shape) == 1:
            state[name] = torch.rand(shape) + 0.5
        else:
            state[name] = torch.randn(shape) / math.sqrt(math.prod(shape[1:]))
    return state


def medians(forms: dict[str, Callable[[], Tensor]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each form, run in turns after a warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for number in range(rounds + 1):
        for name, form in forms.items():
            start = time.perf_counter()
            form()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def measure(variant: str, x: Tensor, rounds: int) -> dict[str, str]:
    """Return the times of both forms, their ratio, and how much their alphas differ."""
    state = official_state(variant)
    model = a2u.build(a2u.infer_config(state))
    model.load_state_dict(a2u.convert(state))
    fast = folded(model)
    with torch.inference_mode():
        expected = a2u_baseline.forward(state, x)
        difference = ((fast(x) - expected).abs().max() / expected.abs().max()).item()
        forms = {"baseline": lambda: a2u_baseline.forward(state, x), "fast": lambda: fast(x)}
        seconds = medians(forms, rounds)
    return {
        "variant": variant,
        "baseline_s": f"{seconds['baseline']:.3f}",
        "fast_s": f"{seconds['fast']:.3f}",
        "ratio": f"{seconds['baseline'] / seconds['fast']:.2f}",
        "relative_difference": f"{difference:.0e}",
    }


def main() -> None:
    """Print the times of both variants; add them to results/a2u.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    run = provenance("a2u")
    x = torch.randn(1, 4, options.side, options.side)
    for variant in ("shared", "unshared"):
        row = measure(variant, x, options.rounds)
        print("  ".join(f"{key} {value}" for key, value in row.items()))
        size = {"side_px": options.side, "threads": options.threads}
        append_csv(RESULTS / "a2u.csv", {**row, **size, **run})


if __name__ == "__main__":
    main()
