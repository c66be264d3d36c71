"""The manifest of a data set written by us: its settings, and a record for each item.

While a run goes on, each finished item has a file of its own, so that a run stopped at any time
can go on; in the end all records are one `manifest.json`.
"""

import json
from pathlib import Path
from typing import Any

from maskwright.errors import DataError, OutputError
from maskwright.image.publish import atomic_write
from maskwright.image.source import display_name

MANIFEST = "manifest.json"
RECORDS = ".items"
Record = dict[str, Any]


def item_name(index: int) -> str:
    """Return the stem of an item's files."""
    return f"{index:06d}"


def begin(folder: Path, settings: Record, *, overwrite: bool) -> dict[int, Record]:
    """Return the records of the items already there, after claiming the folder.

    Args:
        folder: Of the data set; need not exist.
        settings: What decides its content, as JSON values.
        overwrite: Whether a data set of other settings is removed instead of refused.

    Raises:
        OutputError: If the folder holds something else.
        DataError: If its manifest is damaged.
    """
    manifest = folder / MANIFEST
    if manifest.exists():
        there = _read(manifest)
        if there.get("settings") == settings:
            return _records(folder, there)
        if not overwrite:
            raise OutputError(
                f"{display_name(folder)} holds a data set of other settings;"
                " give another folder or allow replacing it with --overwrite"
            )
        _remove(folder, there)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(
            f"{display_name(folder)} must be a new or empty folder, or a data set begun before;"
            " give another folder"
        )
    _write(manifest, {"settings": settings, "complete": False, "items": []})
    return {}


def note(folder: Path, index: int, record: Record) -> None:
    """Keep the record of an item whose files are all written.

    Args:
        folder: Of the data set.
        index: Of the item.
        record: JSON values; under "sha256" the item's files and their checksums.
    """
    _write(folder / RECORDS / f"{item_name(index)}.json", {"name": item_name(index)} | record)


def finish(folder: Path, settings: Record, *, complete: bool) -> None:
    """Gather all records in the manifest; `complete` says whether no item failed."""
    there = _read(folder / MANIFEST)
    records = _records(folder, there)
    items = [records[index] for index in sorted(records)]
    _write(folder / MANIFEST, {"settings": settings, "complete": complete, "items": items})
    for file in (folder / RECORDS).glob("*.json"):
        file.unlink(missing_ok=True)
    if (folder / RECORDS).is_dir():
        (folder / RECORDS).rmdir()


def _records(folder: Path, manifest: Record) -> dict[int, Record]:
    """Return the records of items whose files all exist, by index."""
    listed = list(manifest["items"])
    listed += [_read(file) for file in sorted((folder / RECORDS).glob("*.json"))]
    return {
        int(record["name"]): record
        for record in listed
        if all((folder / file).is_file() for file in record["sha256"])
    }


def _remove(folder: Path, manifest: Record) -> None:
    """Remove the files of a data set, and nothing else."""
    for record in _records(folder, manifest).values():
        for file in record["sha256"]:
            (folder / file).unlink(missing_ok=True)
    for file in (folder / RECORDS).glob("*.json"):
        file.unlink(missing_ok=True)


def _write(file: Path, content: Record) -> None:
    with atomic_write(file, overwrite=True) as stream:
        stream.write((json.dumps(content, indent=1) + "\n").encode())


def _read(file: Path) -> Record:
    try:
        content = json.loads(file.read_bytes())
    except ValueError:
        content = None
    if not isinstance(content, dict) or not {"items", "sha256"} & content.keys():
        raise DataError(
            f"{display_name(file)} must be the manifest of a data set, got something else;"
            " remove it or choose another folder"
        )
    return content
