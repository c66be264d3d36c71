"""Scores kept while a long evaluation runs, so that a stopped one goes on where it was."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from maskwright.errors import OutputError
from maskwright.evaluation.run import Row
from maskwright.image.publish import atomic_write
from maskwright.image.source import display_name

_log = logging.getLogger(__name__)


@runtime_checkable
class Named(Protocol):
    """What is scored: it has a name, and files."""

    @property
    def name(self) -> str:
        """Which tells it from others with the same files."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All that its score is made of."""


Scored = TypeVar("Scored", bound=Named)


def score_kept(
    items: Sequence[Scored],
    score: Callable[[Sequence[Scored]], Iterator[Row]],
    *,
    file: Path,
    settings: Mapping[str, Any],
) -> Iterator[Row]:
    """Yield a row for each item, in order, scoring only those that `file` does not hold.

    Each score is added to the file, a line of JSON, as soon as it is there. Items without a score
    are not, and are tried again.

    Args:
        items: Such as `run.Item`; files count as changed with their name, size or time of change.
        score: Such as `score_items`; yields a row for each item, in order.
        file: Where scores are kept.
        settings: What scores depend on beside the items, as JSON knows it; scores under other
            settings are dropped, with a warning.

    Raises:
        OutputError: If the file is another one, or cannot be written.
    """
    known = _read(file, settings)
    keys = [_key(item) for item in items]
    fresh = score([item for item, key in zip(items, keys, strict=True) if key not in known])
    with atomic_write(file, overwrite=True) as stream:
        stream.write(_line({"settings": dict(settings)}))
        stream.writelines(_line({"item": key, "scores": known[key]}) for key in known)
    with file.open("ab", buffering=0) as lines:
        for item, key in zip(items, keys, strict=True):
            row = Row(item.name, known[key]) if key in known else next(fresh)
            if key not in known and row.scores is not None:
                lines.write(_line({"item": key, "scores": row.scores}))
            yield row


def _read(file: Path, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the scores in a file by the items' keys; a line cut off by a stop does not count."""
    if not file.exists():
        return {}
    records = []
    for line in file.read_bytes().splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    name = display_name(file)
    if not records or not isinstance(records[0], dict) or "settings" not in records[0]:
        raise OutputError(
            f"{name}: expected scores kept by an earlier run, got another file; "
            "move it away, or give the report another name"
        )
    if records[0]["settings"] != settings:
        _log.warning("%s holds scores of other weights or settings; beginning anew", name)
        return {}
    return {record["item"]: record["scores"] for record in records[1:]}


def _key(item: Named) -> str:
    """Return what tells an item from others, and from itself once a file has changed."""
    return json.dumps([item.name, [_stamp(file) for file in item.files]])


def _stamp(file: Path) -> list[Any]:
    try:
        stat = file.stat()
    except OSError:  # told when it is read
        return [str(file), None, None]
    return [str(file.resolve()), stat.st_size, stat.st_mtime_ns]


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"
