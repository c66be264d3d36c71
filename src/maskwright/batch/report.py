"""What a run did, worst items first: a JSON file for programs, a few rows to look at."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from maskwright.batch.places import Place
from maskwright.batch.run import Summary
from maskwright.image.publish import atomic_write
from maskwright.image.source import display_name
from maskwright.runs.manifest import FAILED, Manifest, Row


def headline(summary: Summary, measure: str | None) -> dict[str, Any]:
    """Return counts, time and rate, as JSON values.

    Args:
        summary: Of the run.
        measure: What the uncertainty is; None if there is none.
    """
    progress = summary.progress
    return {
        **summary.counts,
        "done_now": progress.done_now,
        "failed_now": progress.failed_now,
        "stopped": summary.problem or ("as asked" if summary.was_stopped else None),
        "uncertainty": measure,
    }


def write_report(file: Path, manifest: Manifest, summary: Summary, measure: str | None) -> None:
    """Write the JSON: what `headline` returns, and `items`, worst first.

    Raises:
        OutputError: If it cannot be written.
    """
    head = json.dumps(headline(summary, measure), indent=1)
    with atomic_write(file, overwrite=True) as stream:
        stream.write(f'{head[: head.rindex("}")].rstrip()},\n "items": ['.encode())
        for number, row in enumerate(manifest.worst_first()):  # as many as there are photos
            comma = "," if number else ""
            stream.write(f"{comma}\n  {json.dumps(item(row))}".encode())
        stream.write(b"\n ]\n}\n")


def item(row: Row) -> dict[str, Any]:
    """Return what the report says of an item, as JSON values."""
    return {
        "photo": display_name(row.path),
        "status": row.state,
        "outputs": [display_name(name) for name in row.outputs],
        "error": row.error,
        "uncertainty": row.uncertainty,
        "seconds": None if row.seconds is None else round(row.seconds, 3),
        "attempts": row.attempts,
    }


def table(manifest: Manifest, source: Place, *, most: int = 10) -> Iterator[str]:
    """Yield lines about the worst items: why they failed, or how uncertain they are."""
    for row in islice(manifest.worst_first(), most):
        if row.state == FAILED:
            yield f"failed       {row.error}"
        elif row.uncertainty is not None:
            yield f"{row.uncertainty:<12.4f} {source.label(row.path)}"
