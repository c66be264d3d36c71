"""How scores are shown: JSON for programs, a table for pages, a sheet of pictures for eyes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from maskwright.errors import ShapeError
from maskwright.evaluation.run import SCORES, Row
from maskwright.image.colour import from_float, to_float
from maskwright.image.publish import atomic_write
from maskwright.image.resize import resize

_GAP_PX = 4
_COLUMNS = {"sad": "SAD", "mse": "MSE · 10³", "mad": "MAD · 10³", "grad": "Grad", "conn": "Conn"}
_FACTORS = {"mse": 1000, "mad": 1000}


def averages(rows: Sequence[Row]) -> dict[str, float | None]:
    """Return the mean of each score over the images that have one; None if there is none."""
    scored = [row.scores for row in rows if row.scores is not None]
    return {
        name: sum(scores[name] for scores in scored) / len(scored) if scored else None
        for name in SCORES
    }


def as_json(rows: Sequence[Row], *, whole_image: bool = False) -> dict[str, Any]:
    """Return averages, counts and rows as JSON knows them.

    Keys: `sad mse mad grad conn`, averages over `images` images; `failed`, how many more there
    were; `region`, "unknown" or "whole"; `per_image`, with `name` and either scores or `error`.
    """
    failed = sum(row.scores is None for row in rows)
    return {
        **averages(rows),
        "images": len(rows) - failed,
        "failed": failed,
        "region": "whole" if whole_image else "unknown",
        "per_image": [
            {"name": row.name, "error": row.error}
            if row.scores is None
            else {"name": row.name, **row.scores}
            for row in rows
        ],
    }


def write_json(path: Path, report: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write a report, such as `as_json` returns, to a file that appears whole or not at all.

    Raises:
        OutputError: If the file exists and may not be replaced, or cannot be written.
    """
    text = json.dumps(report, indent=1, ensure_ascii=False)
    with atomic_write(path, overwrite=overwrite) as stream:
        stream.write(text.encode() + b"\n")


def as_markdown(rows: Sequence[Row]) -> str:
    """Return a table with a line per image and one for the averages, on the tables' usual scale.

    MSE and MAD are multiplied by 1000.
    """
    lines = ["| image | " + " | ".join(_COLUMNS.values()) + " |"]
    lines.append("|---|" + "--:|" * len(_COLUMNS))
    for row in rows:
        if row.scores is None:
            lines.append(f"| {_escaped(f'{row.name}: {row.error}')} |" + " |" * len(_COLUMNS))
        else:
            lines.append(_line(row.name, row.scores))
    scored = sum(row.scores is not None for row in rows)
    lines.append(_line(f"**average of {scored}**", averages(rows)))
    return "\n".join(lines) + "\n"


def _line(name: str, scores: Mapping[str, float | None]) -> str:
    values = [(scores[key], _FACTORS.get(key, 1)) for key in _COLUMNS]
    cells = ["" if value is None else f"{value * factor:.2f}" for value, factor in values]
    return f"| {_escaped(name)} | " + " | ".join(cells) + " |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def sheet(
    photo: NDArray[Any],
    trimap: NDArray[Any],
    alpha: NDArray[Any],
    *,
    truth: NDArray[Any] | None = None,
    height_px: int | None = None,
) -> UInt8[np.ndarray, "height width 3"]:
    """Return photo, trimap, alpha and, if there is one, the truth side by side, to look at.

    Args:
        photo: (h, w, 3) uint8, uint16, or floating point in [0, 1], RGB.
        trimap: (h, w), of any of these types.
        alpha: (h, w), of any of these types.
        truth: (h, w), of any of these types, or None.
        height_px: The height to bring them to; their own if None.

    Raises:
        ShapeError: If the sizes differ.
    """
    panels = [panel for panel in (photo, trimap, alpha, truth) if panel is not None]
    sizes = [panel.shape[:2] for panel in panels]
    if len(set(sizes)) > 1:
        raise ShapeError(f"the pictures of a sheet must have one size, got {sizes}; resize them")
    pictures = [_as_rgb(panel, height_px) for panel in panels]
    gap = np.full((pictures[0].shape[0], _GAP_PX, 3), 255, dtype=np.uint8)
    strip = [part for picture in pictures for part in (gap, picture)]
    return np.hstack(strip[1:])


def _as_rgb(panel: NDArray[Any], height_px: int | None) -> UInt8[np.ndarray, "h w 3"]:
    picture = from_float(to_float(panel), np.uint8)
    if height_px is not None:
        width_px = max(round(panel.shape[1] * height_px / panel.shape[0]), 1)
        picture = resize(picture, (height_px, width_px))
    return picture if picture.ndim == 3 else np.stack([picture] * 3, axis=-1)
