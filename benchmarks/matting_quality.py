"""How good and how fast the mattes are, beside two classical methods on the same trimaps.

python -m benchmarks.matting_quality --model a2u-mini [--model FILE] [--timing 8]

Scores held-out composites (see `benchmarks/composites.py`) and, in a block of its own, a photo
that no weights here were trained on. Every alpha is rounded to 8 bits and takes the
known pixels from the trimap, whatever the method. Closed form and KNN are pymatting's. Their
alphas are kept under runs/benchmarks, by content of picture and trimap, so that a second run
waits for the models only; times are never kept: `--timing N` measures all methods in turn, picture
by picture, in this run. Writes benchmarks/results/matting_quality.md and adds to the .csv.
"""

import argparse
import hashlib
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pymatting
from jaxtyping import Float, UInt8

from benchmarks.composites import Case, Composites, lemur
from benchmarks.record import RESULTS, append_csv, provenance
from maskwright.metrics.matting import connectivity_error, gradient_error, mse, sad

Alpha = Float[np.ndarray, "h w"]
Method = Callable[[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]], Alpha]
SCORES = {"sad": sad, "mse": mse, "grad": gradient_error, "conn": connectivity_error}
PAUSE_S = 1.0
CACHE = Path("runs/benchmarks/matting_quality")
LEMUR_NOTE = (
    "A real photo with its own trimap. Its alpha was made by closed-form matting (measured here:"
    " within 2/255 everywhere), so these rows say how far a method is from closed form."
)


def closed_form(image: UInt8[np.ndarray, "h w 3"], trimap: UInt8[np.ndarray, "h w"]) -> Alpha:
    """Return the alpha of Levin et al., "A Closed-Form Solution to Natural Image Matting"."""
    return pymatting.estimate_alpha_cf(image / 255, _unit_trimap(trimap))


def knn(image: UInt8[np.ndarray, "h w 3"], trimap: UInt8[np.ndarray, "h w"]) -> Alpha:
    """Return the alpha of Chen et al., "KNN Matting"."""
    return pymatting.estimate_alpha_knn(image / 255, _unit_trimap(trimap))


CLASSICAL: Mapping[str, Method] = {"closed form": closed_form, "KNN": knn}


def _unit_trimap(trimap: UInt8[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    return np.where(trimap == 128, 0.5, trimap / 255)


def load_model(name: str, device: str) -> Method:
    """Return the model as a function; known names and checkpoint files are taken."""
    from maskwright.inference.matte import Matter

    matter = Matter.load(name, device=device)
    return lambda image, trimap: matter.matte(image, trimap).alpha


def tidied(alpha: Alpha, trimap: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Return the alpha in 8 bits, with the trimap's word on known pixels."""
    return np.where(trimap == 128, np.rint(alpha * 255), trimap).astype(np.uint8)


def kept(name: str, case: Case) -> UInt8[np.ndarray, "h w"]:
    """Return a classical method's alpha from the cache, which is filled first if need be."""
    digest = hashlib.sha256(case.image.tobytes() + case.trimap.tobytes()).hexdigest()[:24]
    method = f"{name.replace(' ', '_')}-{pymatting.__version__}"
    file = CACHE / method / f"{digest}-{case.trimap.shape[0]}x{case.trimap.shape[1]}.npy"
    if not file.exists():
        print(f"{name}: {case.name}", file=sys.stderr)
        file.parent.mkdir(parents=True, exist_ok=True)
        alpha = tidied(CLASSICAL[name](case.image, case.trimap), case.trimap)
        unfinished = file.with_suffix(".part.npy")
        np.save(unfinished, alpha)
        unfinished.replace(file)
    return np.load(file)


@dataclass(frozen=True)
class Block:
    """Pictures that are averaged, and what a reader should know of them."""

    title: str
    note: str
    cases: list[Case]


@dataclass(frozen=True)
class Row:
    """What one method reached on a block; `seconds` is the median, or None."""

    method: str
    scores: Mapping[str, float]
    seconds: float | None


def score(block: Block, methods: Mapping[str, Method], *, timing: int) -> list[Row]:
    """Return a row for each method: the averages over the block."""
    seconds = measure(block.cases[:timing], methods)
    rows = []
    for name, method in methods.items():
        totals = dict.fromkeys(SCORES, 0.0)
        for case in block.cases:
            if name in CLASSICAL:
                alpha = kept(name, case) / 255
            else:
                alpha = tidied(method(case.image, case.trimap), case.trimap) / 255
            for key, metric in SCORES.items():
                totals[key] += metric(alpha, case.alpha, case.trimap) / len(block.cases)
        rows.append(Row(name, totals, seconds.get(name)))
    return rows


def measure(cases: list[Case], methods: Mapping[str, Method]) -> dict[str, float]:
    """Return each method's median seconds for an alpha, the methods taking turns.

    Before each there is a pause: threads of the method before spin on for a while, and would
    take half of the machine from the next.
    """
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for turn, case in enumerate([*cases[:1], *cases]):  # the first turn is to warm up
        for name, method in methods.items():
            time.sleep(PAUSE_S)
            start = time.perf_counter()
            method(case.image, case.trimap)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items() if times}


def table(block: Block, rows: list[Row]) -> str:
    """Return the rows in Markdown, on the scale of the published tables."""
    lines = [f"## {block.title} ({len(block.cases)})", "", block.note, ""]
    lines += ["| method | SAD | MSE · 10³ | Grad | Conn | seconds |", "|---|--:|--:|--:|--:|--:|"]
    for row in rows:
        scores = {**row.scores, "mse": row.scores["mse"] * 1000}
        cells = [f"{scores[key]:.2f}" for key in SCORES]
        cells.append("" if row.seconds is None else f"{row.seconds:.2f}")
        lines.append(f"| {row.method} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def csv_row(block: Block, row: Row) -> dict[str, object]:
    """Return the numbers of a row as a line of the CSV file has them."""
    scores = {key: f"{value:.6g}" for key, value in row.scores.items()}
    seconds = "" if row.seconds is None else f"{row.seconds:.3f}"
    images = len(block.cases)
    return {"block": block.title, "method": row.method, "images": images, **scores, "s": seconds}


def main() -> None:
    """Score the models asked for and both classical methods; write the page and the CSV lines."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", action="append", default=[], help="name or file; repeatable")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--images", type=int, default=64, help="composites to score")
    parser.add_argument("--timing", type=int, default=0, help="pictures to measure the time on")
    parser.add_argument("--device", default="cpu", help="for the models")
    options = parser.parse_args()

    run = provenance("matting_quality", device=options.device)
    models = {Path(name).name: load_model(name, options.device) for name in options.model}
    made = Composites.of(options.data)
    composites = [made.case(number) for number in range(options.images)]
    page = ["# Matting quality", "", *(f"- {key}: `{value}`" for key, value in run.items()), ""]
    for block in (
        Block("Held-out composites", made.describe(), composites),
        Block("Lemur", LEMUR_NOTE, [lemur(options.data)]),
    ):
        rows = score(block, {**models, **CLASSICAL}, timing=options.timing)
        page.append(table(block, rows))
        for row in rows:
            append_csv(RESULTS / "matting_quality.csv", {**csv_row(block, row), **run})
    (RESULTS / "matting_quality.md").write_text("\n".join(page))
    print("\n".join(page))


if __name__ == "__main__":
    main()
