"""How many clicks objects took: as JSON for programs, as text for a terminal.

Rows are those of `clicking.score_objects`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from maskwright.evaluation.clicking import Setting
from maskwright.evaluation.run import Row
from maskwright.metrics.interactive import Timing, at_limit, mean_curve, scores

_SHOWN = (1, 2, 3, 5, 10, 15, 20)


def timing(rows: Sequence[Row]) -> Timing:
    """Return the seconds that went by; each photo was encoded once."""
    scored = [row.scores for row in rows if row.scores is not None]
    encoding = {found["image"]: found["encoding_seconds"] for found in scored}
    return Timing(
        encoding_seconds=sum(encoding.values()),
        clicking_seconds=sum(found["clicking_seconds"] for found in scored),
        clicks=sum(len(found["clicks"]) for found in scored),
    )


def averages(rows: Sequence[Row], setting: Setting) -> dict[str, Any]:
    """Return what the objects that were scored took; None for each if none was.

    Keys, for each target, such as 85 %: `noc85`, the mean number of clicks to reach it; `nof85`,
    how many objects never do; `at_limit85`, how many take the last click or more (RITM's ">= 20").
    `spc` and `spc_without_encoding`, seconds per click; `iou_per_click`, the means after each.
    """
    curves = [row.scores["ious"] for row in rows if row.scores is not None]
    names = [f"{kind}{_percent(t)}" for kind in ("noc", "nof") for t in setting.targets]
    names += ["spc", "spc_without_encoding"]
    late = {f"at_limit{_percent(target)}": target for target in setting.targets}
    if not curves:
        return dict.fromkeys([*names, *late, "iou_per_click"])
    found = scores(curves, targets=setting.targets, limit=setting.limit, timing=timing(rows))
    return {
        **{name: found[name] for name in names},
        **{name: at_limit(curves, t, limit=setting.limit) for name, t in late.items()},
        "iou_per_click": mean_curve(curves, limit=setting.limit).tolist(),
    }


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """Return how many `images` and `objects` were scored, and how many objects `failed`."""
    scored = [row.scores for row in rows if row.scores is not None]
    return {
        "images": len({found["image"] for found in scored}),
        "objects": len(scored),
        "failed": len(rows) - len(scored),
    }


def as_json(rows: Sequence[Row], setting: Setting, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return averages, counts, facts and rows as JSON knows them.

    Args:
        rows: What became of each object.
        setting: How they were clicked on.
        facts: What else a reader should know, such as the weights.
    """
    return {
        **averages(rows, setting),
        **counts(rows),
        "limit": setting.limit,
        "threshold": setting.protocol.threshold,
        **facts,
        "per_object": [
            {"name": row.name, "error": row.error}
            if row.scores is None
            else {"name": row.name, **row.scores}
            for row in rows
        ],
    }


def as_text(rows: Sequence[Row], setting: Setting) -> str:
    """Return tables for a terminal: clicks to each target, IoU after some clicks, seconds."""
    found, number = averages(rows, setting), counts(rows)
    lines = [f"{number['objects']} objects in {number['images']} images"]
    if not number["objects"]:
        return lines[0]
    lines.append("IoU      clicks  never")
    for target in setting.targets:
        noc, nof = (found[f"{kind}{_percent(target)}"] for kind in ("noc", "nof"))
        lines.append(f"{_percent(target):>3} %  {noc:>8.2f}  {nof:>5}")
    shown = sorted({n for n in _SHOWN if n <= setting.limit} | {setting.limit})
    lines.append("clicks " + "".join(f"{n:>7}" for n in shown))
    lines.append("IoU %  " + "".join(f"{100 * found['iou_per_click'][n - 1]:>7.1f}" for n in shown))
    per_click, alone = found["spc"], found["spc_without_encoding"]
    lines.append(f"seconds per click {per_click:.4f}, without encoding {alone:.4f}")
    return "\n".join(lines)


def _percent(target: float) -> int:
    return round(100 * target)
