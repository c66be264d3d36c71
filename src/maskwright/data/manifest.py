"""The manifest of a data set written by us: its settings, and a record for each item.

While a run goes on, each finished item has a file of its own, so that a run stopped at any time
can go on; in the end all records are one `manifest.json`.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from maskwright.errors import DataError, OutputError
from maskwright.image.publish import atomic_write
from maskwright.image.source import display_name

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
RECORDS = ".items"
_ITEM = r"\d{6,}"  # what `item_name` gives
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
    write_json(manifest, {"settings": settings, "complete": False, "items": []})
    return {}


def note(folder: Path, index: int, record: Record) -> None:
    """Keep the record of an item whose files are all written.

    Args:
        folder: Of the data set.
        index: Of the item.
        record: JSON values; under "sha256" the item's files and their checksums.
    """
    write_json(folder / RECORDS / f"{item_name(index)}.json", {"name": item_name(index)} | record)


def finish(folder: Path, settings: Record, *, complete: bool) -> list[Record]:
    """Gather all records in the manifest, and return them by index.

    Args:
        folder: Of the data set.
        settings: As given to `begin`.
        complete: Whether no item failed.
    """
    there = _read(folder / MANIFEST)
    records = _records(folder, there)
    items = [records[index] for index in sorted(records)]
    write_json(folder / MANIFEST, {"settings": settings, "complete": complete, "items": items})
    for file in (folder / RECORDS).glob("*.json"):
        file.unlink(missing_ok=True)
    if (folder / RECORDS).is_dir():
        (folder / RECORDS).rmdir()
    return items


def write_sums(folder: Path, items: list[Record], others: Sequence[str]) -> None:
    """Write the checksums of all files as `sha256sum --check` reads them.

    Args:
        folder: Of the data set.
        items: Records of the items, whose checksums are known.
        others: Further files, relative to the folder.
    """
    sums = {file: value for item in items for file, value in item["sha256"].items()}
    sums |= {file: checksum(folder / file) for file in others}
    with atomic_write(folder / SUMS, overwrite=True) as stream:
        stream.writelines(f"{sums[file]}  {file}\n".encode() for file in sorted(sums))


def verify(
    folder: Path, *, progress: Callable[[int, int], None] | None = None
) -> tuple[int, list[tuple[str, str]]]:
    """Return how many files a data set, finished or not, should have, and what is wrong with which.

    Args:
        folder: Of the data set.
        progress: Called with (files checked, files).

    Raises:
        DataError: If there is no manifest, or it is damaged.
    """
    if not (folder / MANIFEST).is_file():
        raise DataError(
            f"{display_name(folder)} must be a data set with a {MANIFEST}, got none; check the path"
        )
    expected: dict[str, str] = {}
    if (folder / SUMS).is_file():
        lines = (folder / SUMS).read_text().splitlines()
        expected = {file: value for value, _, file in (line.partition("  ") for line in lines)}
    for record in _listed(folder, _read(folder / MANIFEST)):
        expected |= record["sha256"]
    wrong = []
    for done, (file, value) in enumerate(expected.items(), start=1):
        if not (folder / file).is_file():
            wrong.append((file, "missing"))
        elif checksum(folder / file) != value:
            wrong.append((file, "damaged"))
        if progress is not None:
            progress(done, len(expected))
    return len(expected), wrong


def checksum(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _records(folder: Path, manifest: Record) -> dict[int, Record]:
    """Return the records of items whose files all exist, by index."""
    return {
        int(record["name"]): record
        for record in _listed(folder, manifest)
        if all((folder / file).is_file() for file in record["sha256"])
    }


def _listed(folder: Path, manifest: Record) -> list[Record]:
    records = [_read(file) for file in sorted((folder / RECORDS).glob("*.json"))]
    return [*manifest["items"], *records]


def _remove(folder: Path, manifest: Record) -> None:
    """Remove the files of a data set, those of an item that was not finished too; nothing else."""
    files = [file for record in _listed(folder, manifest) for file in record["sha256"]]
    for file in files:
        (folder / file).unlink(missing_ok=True)
    for place in {(folder / file).parent for file in files}:
        for left in place.glob("*"):
            if re.fullmatch(_ITEM, left.stem) and left.is_file():
                left.unlink()
    for file in (folder / RECORDS).glob("*.json"):
        file.unlink(missing_ok=True)
    (folder / SUMS).unlink(missing_ok=True)


def write_json(file: Path, content: Record) -> None:
    """Write a JSON file, whole or not at all."""
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
