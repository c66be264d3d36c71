"""How many clicks two classical methods take on the held-out objects: GrabCut and random walker.

python -m benchmarks.click_baselines DATA [--objects N] [--protocol ritm] [--long-side 320]

They get the same simulated clicks as a network does (`maskwright.data.clicks`), on a photo shrunk
to `--long-side`; their mask is enlarged again and compared at full size. DATA holds the sets of
`maskwright.data.embedded_objects`. Curves are kept under runs/benchmarks, an object a line, so that
a run that was stopped goes on, and a table with a network beside them need not wait for them.
Adds rows to benchmarks/results/click_baselines.csv.

GrabCut: Rother et al., SIGGRAPH 2004, as in OpenCV. Random walker: Grady, "Random Walks for Image
Segmentation", TPAMI 2006, as in scikit-image. Neither was made for single clicks, so what they need
besides was chosen on photos that are not held out (`--training`): see the constants.
"""

import argparse
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8
from skimage.segmentation import random_walker

from benchmarks.record import RESULTS, append_csv, provenance
from maskwright.data.clicks import PROTOCOLS, Answer, hold_dialogue
from maskwright.data.embedded_objects import COLLECTIONS, HeldOutObject, ObjectSources
from maskwright.data.reference import BACKGROUND, DISK_PX, OBJECT, unknown_map, with_clicks
from maskwright.data.sources import read_colour
from maskwright.image.resize import resize
from maskwright.metrics.interactive import LIMIT, mean_curve, scores
from maskwright.structures import rle
from maskwright.structures.click import Click

CACHE = Path("runs/benchmarks/click_baselines")
Image = UInt8[np.ndarray, "h w 3"]
Mask = Bool[np.ndarray, "h w"]


class GrabCut:
    """GrabCut from scratch for each click, with clicks as sure pixels.

    To begin with the object is taken to be what is near a positive click, and nearer to it than
    to a negative one. Going on from its last mask instead, it stays with its first mistakes.

    Attributes:
        NEAR: How near, of the longer side.
        ROUNDS: Of colour models and cut, for each click.
    """

    NEAR, ROUNDS = 0.15, 3

    def __init__(self, image: Image) -> None:
        self.bgr = np.ascontiguousarray(image[..., ::-1])

    def __call__(self, clicks: Sequence[Click]) -> Mask:
        """Return the mask for all the clicks so far."""
        size = (self.bgr.shape[0], self.bgr.shape[1])
        sure = sure_pixels(clicks, size)
        on, beside = (distance_to(clicks, size, positive=kind) for kind in (True, False))
        start = (on <= self.NEAR * max(size)) & (on < beside)
        labels = np.where(start, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        labels[sure == BACKGROUND] = cv2.GC_BGD
        labels[sure == OBJECT] = cv2.GC_FGD
        if np.ptp(labels % 2):  # odd labels are foreground; it needs some of both
            cv2.setRNGSeed(0)  # its colour models start at random
            models = np.zeros((1, 65)), np.zeros((1, 65))
            cv2.grabCut(self.bgr, labels, (0, 0, 0, 0), *models, self.ROUNDS, cv2.GC_INIT_WITH_MASK)
        return labels % 2 == 1


class RandomWalker:
    """Random walker with clicks as seeds; the edge of the photo is background but where clicked.

    Attributes:
        BETA: How much a step between different colours costs.
    """

    BETA = 1000.0

    def __init__(self, image: Image) -> None:
        self.image = cv2.cvtColor(image, cv2.COLOR_RGB2LAB) / 255.0

    def __call__(self, clicks: Sequence[Click]) -> Float64[np.ndarray, "h w"]:
        """Return the probability of the object for all the clicks so far."""
        size = (self.image.shape[0], self.image.shape[1])
        sure = sure_pixels(clicks, size)
        seeds = np.zeros(size, np.int32)
        seeds[[0, -1]] = seeds[:, [0, -1]] = 2
        seeds[sure == BACKGROUND] = 2
        seeds[sure == OBJECT] = 1
        if (seeds != 2).all() or (seeds != 0).all():
            return (seeds != 2).astype(np.float64)
        return random_walker(
            self.image,
            seeds,
            beta=self.BETA,
            mode="bf",  # exact, and no slower here; conjugate gradients end far from the solution
            channel_axis=-1,
            return_full_prob=True,
        )[0]


METHODS: dict[str, Callable[[Image], Callable[[Sequence[Click]], np.ndarray]]] = {
    "GrabCut": GrabCut,
    "random walker": RandomWalker,
}


def sure_pixels(clicks: Sequence[Click], size: tuple[int, int]) -> UInt8[np.ndarray, "h w"]:
    """Return the map of what clicks are sure of, the newest winning.

    A network gets the same at a long side of 512 pixels; in smaller pictures disks are smaller.
    """
    reference = unknown_map(size)
    disk_px = max(1, round(DISK_PX * max(size) / 512))
    for click in clicks:
        reference = with_clicks(reference, [click], disk_px=disk_px)
    return reference


def distance_to(
    clicks: Sequence[Click], size: tuple[int, int], *, positive: bool
) -> Float64[np.ndarray, "h w"]:
    """Return how far each pixel is from the nearest click of a kind; infinite if there is none."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    distance = np.full(size, np.inf)
    for click in clicks:
        if click.positive == positive:
            away = np.hypot(rows + 0.5 - click.y, columns + 0.5 - click.x)
            distance = np.minimum(distance, away)
    return distance


def shrunk(method: str, image: Image, long_side_px: int) -> Answer:
    """Return a method as something that answers clicks on the photo at its full size."""
    height, width = image.shape[:2]
    scale = min(1.0, long_side_px / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    answer = METHODS[method](resize(image, size, kind="area"))

    def at_full_size(clicks: Sequence[Click]) -> Mask:
        y, x = size[0] / height, size[1] / width
        moved = [Click(click.x * x, click.y * y, click.positive) for click in clicks]
        probability = answer(moved).astype(np.float32)
        return resize(probability, (height, width), kind="linear") > 0.5

    return at_full_size


@dataclass(frozen=True)
class Setting:
    """How objects are clicked on: the arguments of the command line."""

    protocol: str = "ritm"
    target: float = 0.9
    limit: int = LIMIT
    long_side_px: int = 320


def curves(
    method: str, objects: Sequence[HeldOutObject], setting: Setting, kept: Path | None = None
) -> Iterator[list[float]]:
    """Yield the IoU after each click of a classical method; see `curves_of`."""
    return curves_of(
        lambda found: shrunk(method, read_colour(found.image), setting.long_side_px),
        objects,
        setting,
        kept,
    )


def curves_of(
    answering: Callable[[HeldOutObject], Answer],
    objects: Sequence[HeldOutObject],
    setting: Setting,
    kept: Path | None = None,
) -> Iterator[list[float]]:
    """Yield the IoU after each click, object by object; what is kept already is not done again.

    Args:
        answering: Returns what answers the clicks on an object.
        objects: What to click on.
        setting: How.
        kept: A file with an object a line; None keeps nothing.
    """
    done = read_kept(kept)
    for found in objects:
        if found.name not in done:
            rng = np.random.default_rng(zlib.crc32(found.name.encode()))
            dialogue = hold_dialogue(
                answering(found),
                found.mask(),
                protocol=PROTOCOLS[setting.protocol],
                target=setting.target,
                limit=setting.limit,
                pick=rng.integers,
            )
            done[found.name] = list(dialogue.ious)
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                with kept.open("a") as lines:
                    lines.write(json.dumps({"name": found.name, "ious": done[found.name]}) + "\n")
        yield done[found.name]


def read_kept(kept: Path | None) -> dict[str, list[float]]:
    """Return the curves in a file by the objects' names; a line cut off by a stop is left out."""
    done = {}
    for line in kept.read_text().splitlines() if kept and kept.exists() else ():
        with suppress(ValueError):
            row = json.loads(line)
            done[row["name"]] = row["ious"]
    return done


def kept_file(method: str, setting: Setting) -> Path:
    """Return where the curves of a method under a setting are kept."""
    parameters = vars(GrabCut if method == "GrabCut" else RandomWalker)
    own = [f"{name}{value}" for name, value in parameters.items() if name.isupper()]
    fields = [method, *own, setting.protocol, setting.target, setting.limit, setting.long_side_px]
    return CACHE / ("-".join(map(str, fields)).replace(" ", "_") + ".jsonl")


def spread(objects: Sequence[HeldOutObject], count: int | None) -> list[HeldOutObject]:
    """Return some of the objects, evenly over all sets; all if `count` is None or too large."""
    if count is None or count >= len(objects):
        return list(objects)
    return [objects[index * len(objects) // count] for index in range(count)]


def training_objects(folder: str) -> list[HeldOutObject]:
    """Return an object each of some photos that networks are trained on, to choose constants by."""
    objects = []
    for collection in COLLECTIONS:
        found = collection.open(Path(folder) / collection.folder)
        for number, file in enumerate(found.files.training[::20]):
            scene = found.scene(file, long_side_px=None, least_share=0.01)
            if scene.parts:
                part = scene.parts[number % len(scene.parts)]
                code = rle.encode(scene.mask(part))
                objects.append(HeldOutObject(f"{scene.name}#t", file, code, part.share))
    return objects


def main() -> None:
    """Click on the objects with both methods, and print and keep the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data")
    parser.add_argument("--objects", type=int)
    parser.add_argument("--protocol", choices=PROTOCOLS, default=Setting.protocol)
    parser.add_argument("--target", type=float, default=Setting.target)
    parser.add_argument("--long-side", type=int, default=Setting.long_side_px)
    parser.add_argument("--method", choices=METHODS, nargs="+", default=list(METHODS))
    parser.add_argument("--training", action="store_true", help="use photos not held out")
    given = parser.parse_args()
    setting = Setting(given.protocol, given.target, LIMIT, given.long_side)
    found = training_objects(given.data) if given.training else ObjectSources(given.data).held_out()
    objects = spread(found, given.objects)
    for method in given.method:
        all_curves = []
        for curve in curves(method, objects, setting, kept_file(method, setting)):
            all_curves.append(curve)
            print(f"\r{method} {len(all_curves)}/{len(objects)}", end="", file=sys.stderr)
        print(file=sys.stderr)
        report(method, all_curves, setting, keep=not given.training)


def report(
    method: str, all_curves: Sequence[Sequence[float]], setting: Setting, *, keep: bool
) -> None:
    """Print the scores of a method, and add them to the CSV."""
    targets = [target for target in (0.85, 0.9, 0.95) if target <= setting.target]
    found = scores(all_curves, targets=targets, limit=setting.limit)
    means = mean_curve(all_curves, limit=setting.limit)
    row: dict[str, object] = {
        "method": method,
        "objects": len(all_curves),
        "protocol": setting.protocol,
        "target": setting.target,
        "long_side_px": setting.long_side_px,
        **{name: round(found.get(name, float("nan")), 3) for name in ("noc85", "noc90")},
        **{name: found.get(name, "") for name in ("nof85", "nof90")},
        **{f"iou{n}": round(float(means[n - 1]), 4) for n in (1, 3, 5, 10, 20)},
    }
    print("  ".join(f"{name} {value}" for name, value in row.items()))
    if keep:
        append_csv(RESULTS / "click_baselines.csv", {**provenance("click_baselines"), **row})


if __name__ == "__main__":
    main()
