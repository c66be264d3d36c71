"""Scores of segmentations: as JSON for programs, as text for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from maskwright.evaluation.run import Row
from maskwright.evaluation.segmenting import KEPT, SemanticTally, Tally

_PARTS = {"": "all", "_things": "things", "_stuff": "stuff"}
_HEADS = {  # the score that orders the table comes first
    "miou": ("IoU", "accuracy", "pixels"),
    "pq": ("PQ", "SQ", "RQ", "matched", "missed", "wrong"),
    "ap": ("AP", "boundary AP", "objects"),
}
_COUNTS = {"matched", "missed", "wrong", "objects"}
_WIDEST = 32  # letters of a class's name


def as_json(rows: Sequence[Row], tally: Tally, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return scores, counts, facts, classes and photos as JSON knows them.

    Args:
        rows: What became of each photo.
        tally: To which those with scores were added.
        facts: What else a reader should know, such as the weights.
    """
    failed = sum(row.scores is None for row in rows)
    return {
        **tally.averages(),
        "images": len(rows) - failed,
        "failed": failed,
        **facts,
        "per_class": tally.per_class(),
        "per_image": [
            {"name": row.name, "error": row.error}
            if row.scores is None
            else {"name": row.name, **{k: v for k, v in row.scores.items() if k != KEPT}}
            for row in rows
        ],
    }


def as_text(report: Mapping[str, Any], tally: Tally) -> str:
    """Return what `as_json` returned for a terminal, in percent, the worst class first."""
    kind = next(name for name in _HEADS if name in report)
    known = {
        n: row for n, row in report["per_class"].items() if next(iter(row.values())) is not None
    }
    order = sorted(known, key=lambda name: float(next(iter(known[name].values()))))
    mistakes = _mistakes(tally) if isinstance(tally, SemanticTally) else {}
    table = [["class", *_HEADS[kind], *(["most often taken for"] if mistakes else [])]]
    for name in order:
        cells = [_cell(key, value) for key, value in known[name].items()]
        table.append([_short(name), *cells, *([mistakes[name]] if mistakes else [])])
    lines = _aligned(table, left={0, *([len(table[0]) - 1] if mistakes else [])}) if order else []
    absent = len(report["per_class"]) - len(known)
    if absent:
        lines.append(f"{absent} more classes that the truth does not have")
    lines += _totals(report, kind)
    lines.append(f"{report['images']} images" + _failed(report["failed"]))
    return "\n".join(lines)


def _totals(report: Mapping[str, Any], kind: str) -> list[str]:
    if kind == "pq":
        table = [["", "PQ", "SQ", "RQ"]]
        for suffix, part in _PARTS.items():
            scores = [report[f"{name}{suffix}"] for name in ("pq", "sq", "rq")]
            table.append([part, *(_percent(score) for score in scores)])
        return _aligned(table, left={0})
    shown = {
        "miou": {"mIoU": "miou", "fwIoU": "fwiou", "pixel accuracy": "pixel_accuracy"},
        "ap": {"AP": "ap", "AP50": "ap50", "boundary AP": "boundary_ap"},
    }[kind]
    return ["  ".join(f"{name} {_percent(report[key])}" for name, key in shown.items())]


def _mistakes(tally: SemanticTally) -> dict[str, str]:
    """Return for each class what its pixels were taken for most often if it was not it."""
    names, counts = tally.counts.names, tally.counts.counts
    found = {}
    for index, name in enumerate(names):
        wrong = counts[index].copy()
        wrong[index] = 0
        worst, true = int(wrong.argmax()), int(counts[index].sum())
        other = names[worst] if worst < len(names) else "void"
        found[name] = f"{_short(other)} {100 * wrong[worst] / true:.1f}" if wrong[worst] else ""
    return found


def _aligned(table: Sequence[Sequence[str]], *, left: set[int]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def _cell(key: str, value: float | int | None) -> str:
    return str(value) if key in _COUNTS else _percent(value)


def _percent(value: float | int | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _failed(count: int) -> str:
    return f", {count} could not be scored" if count else ""


def _short(name: str) -> str:
    return name if len(name) <= _WIDEST else f"{name[: _WIDEST - 1]}…"
