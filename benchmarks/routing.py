"""What a routed network keeps, what that costs in quality, and how it does on large pictures.

python -m benchmarks.routing --model mematte-mini [--beside a2u-mini] [--sizes 1:32 12:8]

Held-out composites (see `benchmarks/composites.py`), a number of them at each size, given in
megapixels; above 4 megapixels every network runs as a command of its own, within `--max-memory`.
"All tokens" is the same network with routers that keep everything. Writes
benchmarks/results/routing.md.
"""

import argparse
import math
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from benchmarks.composites import LONG_SIDE_PX, Case, Composites
from benchmarks.record import RESULTS, provenance
from maskwright.image.io import read_grey, write_image
from maskwright.inference.explain import Routing
from maskwright.inference.matte import Matter
from maskwright.metrics.matting import mse, sad
from maskwright.models.mematte.encoder import RoutedBlock

Picture = UInt8[np.ndarray, "h w 3"]
Grey = UInt8[np.ndarray, "h w"]
Alpha = Float[np.ndarray, "h w"]
Method = Callable[[Picture, Grey], Alpha]
SQUARE_MEGAPIXELS = (sum(LONG_SIDE_PX) / 2) ** 2 * 0.75 / 1e6  # of a picture that is not enlarged
LARGE_MEGAPIXELS = 4


class KeepAll(nn.Module):
    """A router that sends every token to global attention."""

    def forward(self, x: Tensor, rows: int | None = None) -> Tensor:
        """Return scores (batch, height, width, 2) that speak for keeping."""
        return x.new_tensor([0.0, -9.0]).expand(*x.shape[:3], 2)


@dataclass
class Kept:
    """Tokens that were kept, and all, of the routers' decisions so far."""

    inside: np.ndarray
    outside: np.ndarray

    @classmethod
    def none(cls, routers: int) -> "Kept":
        """Return zeros: (router, [kept, all])."""
        return cls(np.zeros((routers, 2)), np.zeros((routers, 2)))

    def add(self, routing: Routing) -> None:
        """Count the decisions on a picture."""
        for counts, of in ((self.inside, routing.unknown), (self.outside, ~routing.unknown)):
            counts[:, 0] += routing.kept[:, of].sum(1)
            counts[:, 1] += of.sum()

    def rows(self) -> Iterator[str]:
        """Yield a row of Markdown for each router and one for all."""
        for index in [*range(len(self.inside)), slice(None)]:
            inside, outside = (np.atleast_2d(c[index]).sum(0) for c in (self.inside, self.outside))
            shares = [kept / max(all_, 1) for kept, all_ in (inside + outside, inside, outside)]
            name = "all" if isinstance(index, slice) else str(index + 1)
            yield f"| {name} | " + " | ".join(f"{share:.1%}" for share in shares) + " |"


def scored(
    methods: Mapping[str, Method], cases: Iterator[Case], count: int
) -> dict[str, tuple[float, float]]:
    """Return mean SAD and MSE of each method."""
    totals = dict.fromkeys(methods, np.zeros(2))
    for case in cases:
        for name, method in methods.items():
            alpha = method(case.image, case.trimap)
            alpha = np.where(case.trimap == 128, np.rint(alpha * 255), case.trimap) / 255
            scores = sad(alpha, case.alpha, case.trimap), mse(alpha, case.alpha, case.trimap)
            totals[name] = totals[name] + np.array(scores) / count
        print(case.name, flush=True)
    return {name: (float(total[0]), float(total[1])) for name, total in totals.items()}


def counting(matter: Matter, kept: Kept) -> Method:
    """Return what mattes a picture and counts what the routers decide."""

    def run(image: Picture, trimap: Grey) -> Alpha:
        matte, routing = matter.explain(image, trimap)
        kept.add(routing)
        return matte.alpha

    return run


def by_command(model: str, max_memory: str) -> Method:
    """Return what mattes a picture in a process of its own, within a budget."""

    def run(image: Picture, trimap: Grey) -> Alpha:
        with tempfile.TemporaryDirectory() as folder:
            files = [str(Path(folder) / name) for name in ("photo.png", "trimap.png", "alpha.png")]
            write_image(files[0], image)
            write_image(files[1], trimap)
            command = ["maskwright", "matte", files[0], "--trimap", files[1], "-o", files[2]]
            command += ["--model", model, "--max-memory", max_memory, "--quiet"]
            subprocess.run(command, check=True)
            return read_grey(files[2]) / np.float32(255)

    return run


def all_tokens(matter: Matter) -> Matter:
    """Return a matter whose network keeps every token."""
    for block in matter.model.modules():
        if isinstance(block, RoutedBlock):
            block.add_module("router", KeepAll())
    return matter


def main() -> None:
    """Score and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="a routed network: name or file")
    parser.add_argument("--beside", default="a2u-mini")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sizes", nargs="*", default=["1:32", "12:8"], help="megapixels:pictures")
    parser.add_argument("--max-memory", default="2G", help="for large pictures")
    options = parser.parse_args()
    run = provenance("routing")
    made = Composites.of(options.data)
    page = ["# Routing", "", *(f"- {key}: `{value}`" for key, value in run.items()), ""]
    page.append(made.describe())
    for size in options.sizes:
        megapixels, count = (float(part) for part in size.split(":"))
        budget = options.max_memory if megapixels > LARGE_MEGAPIXELS else None
        enlarged = replace(made, enlarged=math.sqrt(megapixels / SQUARE_MEGAPIXELS))
        cases = map(enlarged.case, range(int(count)))  # one at a time: they count as memory too
        kept = Kept.none(0)
        if budget:
            names = [Path(options.model).name, options.beside]
            methods = {name: by_command(name, budget) for name in names}
        else:
            routed = Matter.load(options.model, device="cpu")
            every = all_tokens(Matter.load(options.model, device="cpu"))
            blocks = routed.model.modules()
            kept = Kept.none(sum(isinstance(block, RoutedBlock) for block in blocks))
            beside = Matter.load(options.beside, device="cpu")
            methods = {
                Path(options.model).name: counting(routed, kept),
                "the same, all tokens": lambda *case, of=every: of.matte(*case).alpha,
                options.beside: lambda *case, of=beside: of.matte(*case).alpha,
            }
        scores = scored(methods, cases, int(count))
        within = f", within {budget}" if budget else ""
        page += ["", f"## {megapixels:g} megapixels ({int(count)}){within}", ""]
        page += ["| network | SAD | MSE · 10³ | SAD of the last |", "|---|--:|--:|--:|"]
        last = scores[options.beside][0]
        page += [
            f"| {name} | {found[0]:.2f} | {1000 * found[1]:.2f} | {found[0] / last:.3f} |"
            for name, found in scores.items()
        ]
        if not budget:
            page += ["", "| router | kept | of tokens with unknown pixels | of the others |"]
            page += ["|---|--:|--:|--:|", *kept.rows()]
        print("\n".join(page))
    (RESULTS / "routing.md").write_text("\n".join([*page, ""]))


if __name__ == "__main__":
    main()
