"""How many clicks a network takes on held-out objects, beside GrabCut and random walker.

python -m benchmarks.click_quality DATA [--model interformer-mini] [--objects N] [--recorded]

All get the same simulated clicks on the same objects (`maskwright.data.embedded_objects`). The
classical methods' curves are those that `benchmarks.click_baselines` keeps under runs/benchmarks;
what is missing is made first, which takes an hour or two; or, with `--recorded`, their scores are
those of the last run on as many objects, which only a change of them or of the user's clicks could
alter. The network is used as users use it, and its curves are kept too, by the hash of its weights.
Writes benchmarks/results/click_quality.md and adds to the .csv.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.click_baselines import (
    CACHE,
    METHODS,
    Setting,
    curves,
    curves_of,
    kept_file,
    spread,
)
from benchmarks.record import RESULTS, append_csv, provenance
from maskwright.data.clicks import PROTOCOLS, Answer
from maskwright.data.embedded_objects import HeldOutObject, ObjectSources
from maskwright.evaluation.clicking import Answering
from maskwright.inference.click import Clicker
from maskwright.inference.features import ImageFeatures
from maskwright.metrics.interactive import mean_curve, noc, nof

AFTER_CLICKS = (1, 3, 5)
TARGETS = (0.85, 0.9)
# At most this share of the better classical method's clicks, and so much more IoU after three.
GOAL_SHARES, GOAL_AHEAD = {0.85: 0.6, 0.9: 0.7}, 0.2
EVERYTHING = "all"
NOTE = """{objects} objects of {photos} photos that the embedded network was not trained on, each at
least 1 % of its photo (`maskwright.data.embedded_objects`). Protocol `{protocol}`, at most {limit}
clicks; a dialogue ends at an IoU of {target}, and its last IoU holds on in the columns IoU. NoC:
mean number of clicks to reach 85 or 90 %, an object that never does counting as {limit}; NoF: how
many never do. GrabCut (OpenCV) and random walker (scikit-image) see photos shrunk to a long side of
{long_side} pixels; every mask is compared at full size. Share: NoC divided by that of the classical
method with fewer clicks; ahead: points of IoU after three clicks above the better one.
"""

Curves = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Row:
    """What a method reached on a data set.

    Attributes:
        method: Its name.
        noc: Mean clicks by target.
        nof: Failures by target.
        ious: Mean IoU by number of clicks.
    """

    method: str
    noc: Mapping[float, float]
    nof: Mapping[float, int]
    ious: Mapping[int, float]

    @classmethod
    def of(cls, method: str, found: Curves, *, limit: int) -> "Row":
        """Return the scores of a method's curves."""
        means = mean_curve(found, limit=limit)
        return cls(
            method,
            {target: noc(found, target, limit=limit) for target in TARGETS},
            {target: nof(found, target, limit=limit) for target in TARGETS},
            {n: float(means[n - 1]) for n in AFTER_CLICKS},
        )

    @classmethod
    def recorded(cls, cells: Mapping[str, str]) -> "Row":
        """Return the scores that a line of the CSV file has, see `csv_rows`."""
        return cls(
            cells["method"],
            {target: float(cells[f"noc{100 * target:.0f}"]) for target in TARGETS},
            {target: int(cells[f"nof{100 * target:.0f}"]) for target in TARGETS},
            {n: float(cells[f"iou{n}"]) for n in AFTER_CLICKS},
        )


@dataclass(frozen=True)
class Comparison:
    """A network beside classical methods: shares of the better one's clicks, points ahead of it."""

    shares: Mapping[float, float]
    ahead: float

    @classmethod
    def of(cls, network: Row, others: Sequence[Row]) -> "Comparison":
        """Compare with the better of the others, which may be another one in each column."""
        return cls(
            {t: network.noc[t] / min(row.noc[t] for row in others) for t in TARGETS},
            network.ious[3] - max(row.ious[3] for row in others),
        )

    @property
    def meets_goal(self) -> bool:
        """Whether few enough clicks are needed and the IoU is far enough ahead."""
        few = all(self.shares[target] <= share for target, share in GOAL_SHARES.items())
        return few and self.ahead >= GOAL_AHEAD


@dataclass(frozen=True)
class Block:
    """A data set, or all of them: how many objects, the network's row, those of the others."""

    title: str
    objects: int
    network: Row
    others: tuple[Row, ...]

    @property
    def comparison(self) -> Comparison:
        """The network beside the better of the others."""
        return Comparison.of(self.network, self.others)


class Network:
    """Answers clicks on objects with a network; a photo is encoded once for its objects."""

    def __init__(self, name: str, setting: Setting, *, device: str) -> None:
        self.clicker = Clicker.load(name, device=device)
        self.threshold = PROTOCOLS[setting.protocol].threshold
        fields = [self.clicker.weights, setting.protocol, setting.target, setting.limit]
        self.kept = CACHE.with_name("click_quality") / f"{'-'.join(map(str, fields))}.jsonl"
        self._last: tuple[Path, ImageFeatures] | None = None

    def __call__(self, found: HeldOutObject) -> Answer:
        """Return what answers the clicks on an object."""
        if self._last is None or self._last[0] != found.image:
            self._last = found.image, self.clicker.encode(found.image)
        return Answering(self.clicker, self._last[1], threshold=self.threshold)


def data_set(found: HeldOutObject) -> str:
    """Return which set an object is of."""
    return found.name.partition("/")[0]


def blocks(
    objects: Sequence[HeldOutObject],
    found: Mapping[str, Curves],
    *,
    limit: int,
    lines: Sequence[Mapping[str, str]] = (),
) -> list[Block]:
    """Return everything, then each data set in the order of the objects.

    Args:
        objects: What was clicked on.
        found: The curves of each method, the network first, an object after the other.
        limit: The most clicks.
        lines: Of the CSV file, for the methods that have no curves.
    """
    sets = [data_set(one) for one in objects]
    made = []
    for title in (EVERYTHING, *dict.fromkeys(sets)):
        chosen = [i for i, name in enumerate(sets) if title in (EVERYTHING, name)]
        network, *others = (
            Row.of(method, [all_curves[i] for i in chosen], limit=limit)
            for method, all_curves in found.items()
        )
        for method in METHODS:
            if lines and method not in found:
                others.append(recorded_row(lines, method, title, objects=len(chosen)))
        made.append(Block(title, len(chosen), network, tuple(others)))
    return made


def recorded_row(
    lines: Sequence[Mapping[str, str]], method: str, title: str, *, objects: int
) -> Row:
    """Return the scores of a method in its last run on as many objects of a set.

    Raises:
        SystemExit: If there was none.
    """
    wanted = (method, title, str(objects))
    for cells in reversed(lines):
        if (cells["method"], cells["set"], cells["objects"]) == wanted:
            return Row.recorded(cells)
    raise SystemExit(f"no run of {method} on {objects} objects of {title} is recorded")


def note(objects: Sequence[HeldOutObject], setting: Setting) -> str:
    """Return what a reader of the tables should know."""
    return NOTE.format(
        objects=len(objects),
        photos=len({one.image for one in objects}),
        protocol=setting.protocol,
        limit=setting.limit,
        target=f"{setting.target:.0%}",
        long_side=setting.long_side_px,
    )


def page(made: Sequence[Block], about: str, run: Mapping[str, str]) -> str:
    """Return the tables in Markdown."""
    lines = ["# Click quality", "", *(f"- {key}: `{value}`" for key, value in run.items()), ""]
    lines += [about.rstrip(), ""]
    shown = ["set", "method", "objects", "NoC@85", "NoC@90", "NoF@85", "NoF@90"]
    shown += [f"IoU after {n}" for n in AFTER_CLICKS]
    lines += [f"| {' | '.join(shown)} |", "|---|---|" + "--:|" * (len(shown) - 2)]
    for block in made:
        for row in (block.network, *block.others):
            cells = [block.title, row.method, str(block.objects)]
            cells += [f"{row.noc[target]:.2f}" for target in TARGETS]
            cells += [f"{row.nof[target]}" for target in TARGETS]
            cells += [f"{100 * value:.1f}" for value in row.ious.values()]
            lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| set | objects | share @85 | share @90 | ahead after 3 |",
        "|---|--:|--:|--:|--:|",
    ]
    for block in made:
        found = block.comparison
        cells = [f"{100 * found.shares[target]:.0f} %" for target in TARGETS]
        lines.append(
            f"| {block.title} | {block.objects} | {' | '.join(cells)} | {100 * found.ahead:+.1f} |"
        )
    shares = " and ".join(f"{share:.0%} at {target:.0%}" for target, share in GOAL_SHARES.items())
    verdict = "met" if made[0].comparison.meets_goal else "missed"
    lines += [
        "",
        f"Goal: shares of at most {shares}, {100 * GOAL_AHEAD:.0f} points ahead: {verdict}.",
    ]
    return "\n".join([*lines, ""])


def csv_rows(block: Block) -> list[dict[str, object]]:
    """Return the numbers of a block as lines of the CSV file have them."""
    rows: list[dict[str, object]] = []
    for row in (block.network, *block.others):
        is_network = row is block.network
        found = block.comparison
        shares = [f"{found.shares[target]:.4f}" if is_network else "" for target in TARGETS]
        rows.append({
            "set": block.title,
            "method": row.method,
            "objects": block.objects,
            **{f"noc{100 * target:.0f}": f"{row.noc[target]:.4f}" for target in TARGETS},
            **{f"nof{100 * target:.0f}": row.nof[target] for target in TARGETS},
            **{f"iou{n}": f"{value:.4f}" for n, value in row.ious.items()},
            **{f"share{100 * t:.0f}": s for t, s in zip(TARGETS, shares, strict=True)},
            "ahead3": f"{found.ahead:.4f}" if is_network else "",
        })
    return rows


def main() -> None:
    """Click on the objects with the network and both methods; write the page and the CSV lines."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("data")
    parser.add_argument("--model", default="interformer-mini", help="name or file")
    parser.add_argument("--objects", type=int, help="fewer, evenly over all sets")
    parser.add_argument("--recorded", action="store_true", help="the classical methods' scores")
    parser.add_argument("--device", default="cpu", help="for the network")
    given = parser.parse_args()
    setting, run = Setting(), provenance("click_quality", device=given.device)
    objects = spread(ObjectSources(given.data).held_out(), given.objects)
    network = Network(given.model, setting, device=given.device)
    found: dict[str, Curves] = {
        Path(given.model).stem: counted(
            "network", curves_of(network, objects, setting, network.kept), len(objects)
        )
    }
    lines = list[dict[str, str]]()
    if given.recorded:
        with (RESULTS / "click_quality.csv").open(newline="") as file:
            lines = list(csv.DictReader(file))
    else:
        for method in METHODS:
            kept = curves(method, objects, setting, kept_file(method, setting))
            found[method] = counted(method, kept, len(objects))
    made = blocks(objects, found, limit=setting.limit, lines=lines)
    for block in made:
        for row in csv_rows(block):
            append_csv(RESULTS / "click_quality.csv", {**row, **run})
    text = page(made, note(objects, setting), run)
    (RESULTS / "click_quality.md").write_text(text)
    print(text)


def counted(name: str, found: Iterator[list[float]], total: int) -> Curves:
    """Return all curves, saying on standard error how many there are already."""
    every = []
    for curve in found:
        every.append(curve)
        print(f"\r{name} {len(every)}/{total}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return every


if __name__ == "__main__":
    main()
