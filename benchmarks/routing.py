"""What a routed network keeps, what that costs in quality, and how it does on large pictures.

python -m benchmarks.routing --model mematte-mini [--beside a2u-mini] [--sizes 1:32 12:8]

Held-out composites (see `benchmarks/composites.py`), a number of them at each size, given in
megapixels; above 4 megapixels every network works within `--max-memory`, which is asked of this
whole process. "All tokens" is the same network with routers that keep everything. Writes
benchmarks/results/routing.md.
"""

import argparse
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from benchmarks.composites import LONG_SIDE_PX, Case, Composites
from benchmarks.record import RESULTS, provenance
from maskwright.inference.explain import Routing
from maskwright.inference.matte import Matter
from maskwright.metrics.matting import mse, sad
from maskwright.models.mematte.encoder import RoutedBlock

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
    matters: Mapping[str, Matter], cases: list[Case], kept: Kept
) -> dict[str, tuple[float, float]]:
    """Return mean SAD and MSE of each network; the first one's decisions are counted."""
    totals = dict.fromkeys(matters, np.zeros(2))
    for case in cases:
        for index, (name, matter) in enumerate(matters.items()):
            if index == 0:
                matte, routing = matter.explain(case.image, case.trimap)
                kept.add(routing)
            else:
                matte = matter.matte(case.image, case.trimap)
            alpha = matte.alpha
            alpha = np.where(case.trimap == 128, np.rint(alpha * 255), case.trimap) / 255
            scores = sad(alpha, case.alpha, case.trimap), mse(alpha, case.alpha, case.trimap)
            totals[name] = totals[name] + np.array(scores) / len(cases)
        print(case.name, flush=True)
    return {name: (float(total[0]), float(total[1])) for name, total in totals.items()}


def all_tokens(matter: Matter) -> Matter:
    """Return a matter whose network keeps every token."""
    for block in matter.model.modules():
        if isinstance(block, RoutedBlock):
            block.router = KeepAll()
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
        cases = [enlarged.case(number) for number in range(int(count))]
        routed = Matter.load(options.model, device="cpu", max_memory=budget)
        matters = {Path(options.model).name: routed}
        if budget is None:
            every = all_tokens(Matter.load(options.model, device="cpu"))
            matters["the same, all tokens"] = every
        matters[options.beside] = Matter.load(options.beside, device="cpu", max_memory=budget)
        routers = sum(isinstance(block, RoutedBlock) for block in routed.model.modules())
        kept = Kept.none(routers)
        scores = scored(matters, cases, kept)
        within = f", within {budget}" if budget else ""
        page += ["", f"## {megapixels:g} megapixels ({len(cases)}){within}", ""]
        page += ["| network | SAD | MSE · 10³ | SAD of the last |", "|---|--:|--:|--:|"]
        last = scores[options.beside][0]
        page += [
            f"| {name} | {found[0]:.2f} | {1000 * found[1]:.2f} | {found[0] / last:.3f} |"
            for name, found in scores.items()
        ]
        page += ["", "| router | kept | of tokens with unknown pixels | of the others |"]
        page += ["|---|--:|--:|--:|", *kept.rows()]
        print("\n".join(page))
    (RESULTS / "routing.md").write_text("\n".join([*page, ""]))


if __name__ == "__main__":
    main()
