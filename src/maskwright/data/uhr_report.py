"""What a data set of UHR-395's shape says about itself, and how it is trained on."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.data.manifest import Record, write_json
from maskwright.data.matting import training_set
from maskwright.data.sources import FolderBackgrounds, FolderForegrounds, ProceduralBackgrounds
from maskwright.data.uhr_plan import CATEGORIES, Plan, UhrSettings
from maskwright.errors import DataError
from maskwright.image.source import display_name

PAIRS = "train/pairs.json"
STEP_MEGAPIXELS = 5  # of the histogram
_NOTE = (
    "These categories are our own: which 11 the published UHR-395 has is not known here."
    " Without foregrounds of your own they are what was drawn."
)


def write_reports(
    output: Path, settings: UhrSettings, *, plan: Plan, items: Sequence[Record]
) -> tuple[str, ...]:
    """Write pairs, categories and statistics, and return the names of the files."""
    contents = {
        PAIRS: pairs(settings, plan),
        "categories.json": categories(plan),
        "statistics.json": {
            "all": statistics(items),
            "train": statistics([item for item in items if item["part"] == "train"]),
            "test": statistics([item for item in items if item["part"] == "test"]),
        },
    }
    for name, content in contents.items():
        write_json(output / name, content)
    return tuple(contents)


def pairs(settings: UhrSettings, plan: Plan) -> Record:
    """Return the scenes of each foreground to train on: file names, or seeds of drawn ones."""
    files = plan.training_scenes
    return {
        "backgrounds": settings.backgrounds,
        "seed": settings.seed,
        "pairs": {
            thing.name: [files[scene].name if files else scene for scene in thing.scenes]
            for thing in plan.things
            if not thing.is_test
        },
    }


def categories(plan: Plan) -> Record:
    """Return all categories, how many foregrounds of each are in which part, and whose is which."""
    named = {thing.category for thing in plan.things}
    is_drawn = all(thing.row is None for thing in plan.things)
    counts = Counter((thing.category, thing.is_test) for thing in plan.things)
    listed = CATEGORIES if is_drawn else sorted(named)
    return {
        "note": _NOTE,
        "categories": {
            name: {"train": counts[name, False], "test": counts[name, True]} for name in listed
        },
        "foregrounds": {thing.name: thing.category for thing in plan.things},
    }


def statistics(items: Sequence[Record]) -> Record:
    """Return mean, least and most of the sizes of foregrounds, in pixels, and how they spread."""
    things = {item["foreground"]: item for item in items}.values()
    sizes = np.array([thing["size"] for thing in things], np.int64).reshape(-1, 2)
    megapixels = sizes.prod(axis=1) / 1e6
    steps = Counter(int(value // STEP_MEGAPIXELS) * STEP_MEGAPIXELS for value in megapixels)
    return {
        "foregrounds": len(things),
        "composites": sum("image" in item for item in items),
        "height": _spread(sizes[:, 0]),
        "width": _spread(sizes[:, 1]),
        "megapixels": _spread(megapixels),
        "megapixels_histogram": {
            f"{low} to {low + STEP_MEGAPIXELS}": steps[low] for low in sorted(steps)
        },
        "sizes": dict(sorted(Counter(f"{h} x {w}" for h, w in sizes.tolist()).items())),
        "soft": _spread(np.array([thing["soft"] for thing in things])),
    }


def _spread(values: np.ndarray) -> dict[str, float] | None:
    """Return mean, least and most, or None of nothing."""
    if not len(values):
        return None
    found = {"mean": values.mean(), "min": values.min(), "max": values.max()}
    return {name: round(float(value), 4) for name, value in found.items()}


def training_sources(
    folder: Path, *, backgrounds: Path | None = None, drawn_px: tuple[int, int] = (640, 640)
) -> tuple[FolderForegrounds, FolderBackgrounds | ProceduralBackgrounds]:
    """Return foregrounds and scenes of a data set so that index i of both is its pair i.

    They are what `loader.Compositions` composites on the fly.

    Args:
        folder: As written by `synthesize_uhr`.
        backgrounds: Where the scenes are, if no longer where the data set was made from.
        drawn_px: Height and width of scenes that are drawn.

    Raises:
        DataError: If the list of pairs or a file is missing or damaged.
    """
    rows = {row.name: row for row in training_set(folder, layout="uhr-395")}
    listed = _read_pairs(folder / PAIRS)
    pairs = [(name, scene) for name, scenes in listed["pairs"].items() for scene in scenes]
    missing = sorted(listed["pairs"].keys() - rows.keys())
    if missing:
        raise DataError(
            f"{display_name(folder / PAIRS)} names {len(missing)} foregrounds that are not there,"
            f" such as {missing[0]}; finish making the data set"
        )
    things = FolderForegrounds([rows[name] for name, _ in pairs])
    if listed["backgrounds"] is None:
        seed = int(listed["seed"])
        return things, ProceduralBackgrounds(len(pairs), drawn_px, seed=seed)
    root = backgrounds or Path(listed["backgrounds"])
    lost = sorted({scene for _, scene in pairs if not (root / scene).is_file()})
    if lost:
        raise DataError(
            f"{display_name(root)} must hold the scenes of the pairs, {len(lost)} are missing, such"
            f" as {display_name(lost[0])}; name the folder that they are in"
        )
    return things, FolderBackgrounds([root / scene for _, scene in pairs])


def _read_pairs(file: Path) -> dict[str, Any]:
    try:
        listed = json.loads(file.read_bytes())
        if not {"pairs", "backgrounds", "seed"} <= listed.keys():
            raise ValueError("something is missing")
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(
            f"{display_name(file)} must be the list of pairs of a data set made by `maskwright"
            " synthesize uhr`, got none; check the path"
        ) from error
    return dict(listed)
