"""Whether two processes train as one does: each recipe for 20 steps, started as users do.

python -m benchmarks.processes [--data DIR] [--only RECIPE…] [--precision fp32|fp64]
                               [--launch torchrun|accelerate]

The small recipes learn from the real data of `--data`, or from drawn data without; the papers', on
few small crops, from noise: `mask2former` from noise whose norms have seen photos, as those of a
classifier have. A row compares the sums of the losses: the largest difference of any step of two
processes to that of one, relative to the latter, and that of the means of all steps. In fp32 that
is what users see; with the network in fp64, what is left once rounding hardly matters. How much
rounding matters to a recipe by itself is seen in one process whose start is moved by as much: each
weight by one unit in its last place, up or down. Where norms are frozen, one process that computes
its batch in two parts (`accumulate=2`) adds up as two processes do, which leaves no rounding to
differ by. Appends to benchmarks/results/processes.csv and
writes processes.md from each recipe's last rows there.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import set_seed
from numpy.typing import ArrayLike, NDArray
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import Dataset

from benchmarks.record import RESULTS, append_csv, provenance
from maskwright.cli.train import parse_settings
from maskwright.data.loader import Key
from maskwright.image.io import write_image
from maskwright.layers.norm import FrozenBatchNorm
from maskwright.models import mask2former, mematte
from maskwright.models.mask2former.config import R50
from maskwright.models.mematte.config import MINI, SMALL
from maskwright.training.inputs import DEVIATION, MEAN
from maskwright.training.loop import train
from maskwright.training.recipe import Batch, find_recipe, with_overrides
from maskwright.weights.load import save_model

ROOT = Path(__file__).parents[1]
STEPS = 20
ALLOWED = 1e-4
LAUNCHERS = {
    "torchrun": ["torch.distributed.run", "--standalone", "--nproc_per_node=2"],
    "accelerate": ["accelerate.commands.launch", "--multi_gpu", "--num_processes=2"],
}
# The small recipes read `{data}`, all others what is drawn here.
RECIPES = {
    "a2u": "epochs=1 steps_per_epoch=20 batch=2 workers=1",
    "a2u_mini": "{data} batch=4 side_px=128 procedural=8",
    "camvid": "data={real} validated=1",
    "interformer": "folder={drawn}/train layout=plain batch=4 side_px=64",
    "interformer_mini": "{data} batch=4 side_px=128 procedural=8 validated=1",
    "mask2former": "data={drawn} layout=folder classes={drawn}/classes.txt batch=4"
    " start={drawn}/r50.safetensors short_side_px=128 validated=1 precision=no",
    "mask2former_mini": "{data} batch=4 side_px=160 procedural=8 validated=1",
    "mematte": "teacher={drawn}/s.safetensors batch=4 side_px=96 validated=1 precision=no",
    "mematte_mini": "{data} batch=4 side_px=128 procedural=8 validated=1",
    "mematte_mini student": "stage=student teacher={drawn}/mini.safetensors {data} batch=4"
    " side_px=128 procedural=8 validated=1",
    "reconstruction": "drawn=700 batch=100",
}
FROZEN = ("camvid", "mask2former", "mask2former_mini")  # norms, so that parts are exact
HEADER = [
    *("recipe", "precision", "settings", "first_loss", "last_loss", "largest_difference"),
    *("start_moved", "difference_of_mean", "one_in_parts"),
]
WAYS = ("users", "double", "moved")


class InDouble(Dataset[Batch]):
    """Samples of a data set with their numbers in fp64."""

    def __init__(self, samples: Dataset[Batch]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)  # type: ignore[arg-type]

    def __getitem__(self, key: Key) -> Batch:
        sample = self.samples[key]
        return {n: x.double() if x.is_floating_point() else x for n, x in sample.items()}


def train_as(way: str, recipe: str, overrides: Mapping[str, str]) -> None:
    """Train as `maskwright train` does, but for one thing.

    Args:
        way: "double": the network is in fp64; "moved": its start is rounded otherwise.
        recipe: Its name.
        overrides: Its settings.
    """
    if way == "double":
        torch.set_default_dtype(torch.float64)
    name, module = find_recipe(recipe)
    settings = with_overrides(module.Settings(), overrides)
    set_seed(settings.seed)
    job = module.job(settings)
    if way == "double":
        job.model.double()
        job = replace(job, dataset=InDouble(job.dataset), workers=0)
    else:
        move(job.model)
    train(replace(job, validate=None, paper=None), folder=Path("runs") / name)


def move(model: nn.Module) -> None:
    """Move each weight by one unit in its last place, up or down."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            up = torch.randint(2, weight.shape, generator=draw) * 2 - 1
            weight.copy_(torch.nextafter(weight, weight + up))


def draw_data(folder: Path) -> None:
    """Write photos of rectangles with labels and masks, starts and teachers of random weights."""
    rng, photos = np.random.default_rng(0), []
    for name in map(str, range(8)):
        photo = rng.integers(0, 128, (144, 192, 3), np.uint8)
        top, left = rng.integers(0, 80, 2)
        labels = np.zeros((144, 192), np.uint8)
        labels[top : top + 60, left : left + 70] = 1
        photo[labels == 1] += 100
        photos.append(photo)
        write_image(folder / "train" / "images" / f"{name}.png", photo)
        write_image(folder / "train" / "labels" / f"{name}.png", labels)
        write_image(folder / "train" / "masks" / f"{name}.png", labels * 255)
    (folder / "classes.txt").write_text("ground\nthing\n")
    torch.manual_seed(0)
    start_on_photos(folder / "r50.safetensors", photos)
    for size, config in (("s", SMALL), ("mini", MINI)):
        whole = replace(config, routed=False)
        save_model(
            folder / f"{size}.safetensors",
            mematte.build(whole).state_dict(),
            paper="mematte",
            config=whole,
            source="drawn",
        )


def start_on_photos(path: Path, photos: Sequence[NDArray[np.uint8]]) -> None:
    """Write a network on ResNet-50 of random weights, whose norms have these photos' statistics.

    Norms of noise would let its maps grow from block to block.
    """
    network = mask2former.build(R50)
    batch = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).float() / 255

    def measure(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(norm, FrozenBatchNorm)
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)

    norms = [each for each in network.backbone.modules() if isinstance(each, FrozenBatchNorm)]
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    with torch.no_grad():
        network.backbone((batch - MEAN) / DEVIATION)
    for hook in hooks:
        hook.remove()
    save_model(path, network.state_dict(), paper="mask2former", config=R50, source="drawn")


def losses_of(
    recipe: str, settings: Sequence[str], folder: Path, *, launcher: str, way: str = WAYS[0]
) -> list[float]:
    """Return the sum of the losses of each step of a run.

    Args:
        recipe: Its name.
        settings: Each "key=value".
        folder: Where it runs, empty.
        launcher: A key of `LAUNCHERS`, or empty for one process.
        way: One of `WAYS`.
    """
    folder.mkdir(parents=True)
    start = [sys.executable, *(["-m", *LAUNCHERS[launcher]] if launcher else [])]
    command = [*start, "-m", "maskwright", "train", recipe, *(f"--set={x}" for x in settings)]
    if way != WAYS[0]:
        command = [*start, "-m", "benchmarks.processes", "--as", way, recipe, *settings]
    environment = {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{recipe} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    (events,) = folder.glob("runs/*/events")
    found = EventAccumulator(str(events))
    found.Reload()
    names = [name for name in found.Tags()["scalars"] if name.startswith("train/")]
    values = [[e.value for e in found.Scalars(n)] for n in names if n != "train/rate"]
    return np.sum(values, axis=0).tolist()


def compare(
    recipe: str,
    places: Mapping[str, str],
    folder: Path,
    *,
    launcher: str,
    precision: str = "fp32",
) -> dict[str, object]:
    """Return the row of a recipe.

    Args:
        recipe: A key of `RECIPES`.
        places: What stands for the names in braces.
        folder: Where both runs leave their state.
        launcher: A key of `LAUNCHERS`.
        precision: "fp32" or "fp64".
    """
    settings = RECIPES[recipe].format_map(places).split()
    name = recipe.split()[0]
    if "steps" not in RECIPES[recipe]:
        settings.append(f"steps={STEPS}")
    way = "double" if precision == "fp64" else WAYS[0]
    runs = {"1": ("", way, settings), "2": (launcher, way, settings)}
    if precision == "fp32":
        runs["moved"] = "", "moved", settings
    if name in FROZEN:
        runs["parts"] = "", way, [*settings, "accumulate=2"]
    losses = {
        place: losses_of(name, given, folder / recipe / place, launcher=start, way=how)
        for place, (start, how, given) in runs.items()
    }
    if {len(each) for each in losses.values()} != {STEPS}:
        raise SystemExit(f"{recipe}: expected {STEPS} steps, got {[*map(len, losses.values())]}")
    one, two = losses["1"], losses["2"]
    shown = RECIPES[recipe].replace("{data}", "data=DIR" if places["data"] else "")
    values = [
        *(recipe, precision, shown.strip(), f"{one[0]:.5g}", f"{one[-1]:.5g}"),
        largest_difference(two, one),
        largest_difference(losses["moved"], one) if "moved" in losses else "",
        largest_difference([np.mean(two)], [np.mean(one)]),
        largest_difference(losses["parts"], two) if "parts" in losses else "",
    ]
    return dict(zip(HEADER, values, strict=True))


def largest_difference(losses: ArrayLike, to: ArrayLike) -> str:
    """Return the largest relative difference of any step, as it is shown."""
    return f"{np.max(np.abs(np.subtract(losses, to)) / np.abs(to)):.1e}"


def write_table(file: Path) -> str:
    """Write and return the table of each recipe's last row in a CSV file."""
    with file.open(newline="") as lines:
        rows = {(row["recipe"], row["precision"]): row for row in csv.DictReader(lines)}
    page = [
        "# One process and two",
        "",
        f"{STEPS} steps at equal global batch; the largest relative difference of the sum of the"
        " losses of any step, and that of the mean of all steps. In parts: two processes, and one"
        " that computes each batch in two parts. The last column has nothing to do with processes:"
        " one process, each weight of its start moved by one unit in the last place. Settings,"
        " dates and commits are in `processes.csv`.",
        "",
        "| recipe | first loss | last loss | any step | mean | in parts |"
        " with the network in fp64 | start moved |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in RECIPES:
        if (name, "fp32") in rows:
            row = rows[name, "fp32"]
            cells = [row[key] for key in HEADER[3:6]]
            cells += [row.get(key) or "" for key in HEADER[-2:]]
            cells.append(rows.get((name, "fp64"), {}).get("largest_difference", ""))
            cells.append(row.get("start_moved") or "")
            page.append(f"| {name} | {' | '.join(cells)} |")
    text = "\n".join([*page, ""])
    file.with_suffix(".md").write_text(text)
    return text


def main() -> None:
    """Compare recipes one by one, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", default="", help="the folder of real data")
    parser.add_argument("--only", nargs="*", choices=RECIPES, help="some recipes")
    parser.add_argument("--launch", choices=LAUNCHERS, default="torchrun")
    parser.add_argument("--precision", choices=("fp32", "fp64"), default="fp32")
    parser.add_argument("--as", nargs="+", dest="told", metavar="WORD", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.told:
        way, recipe, *words = given.told
        train_as(way, recipe, parse_settings(words))
        return
    about, file = provenance("processes"), RESULTS / "processes.csv"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        draw_data(folder / "drawn")
        real = str(Path(given.data).resolve()) if given.data else ""
        places = {
            "data": f"data={real}" if real else "",
            "real": real,
            "drawn": str(folder / "drawn"),
        }
        for recipe in given.only or RECIPES:
            if "{real}" in RECIPES[recipe] and not real:
                print(f"{recipe} needs --data", file=sys.stderr)
                continue
            row = compare(recipe, places, folder, launcher=given.launch, precision=given.precision)
            print(f"{recipe}: {row['largest_difference']}", file=sys.stderr)
            append_csv(file, {**about, "launcher": given.launch, **row})
    print(write_table(file))


if __name__ == "__main__":
    main()
