"""JSON and plain text, read with errors that name the file, and written whole or not at all."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maskwright.errors import DataError
from maskwright.image.publish import atomic_write
from maskwright.image.source import display_name

Json = dict[str, Any]


def read_text(file: str | os.PathLike[str], kind: str) -> str:
    """Return what a file says, in UTF-8 with or without a mark at its start.

    Args:
        file: Its path.
        kind: What it should be, for messages.

    Raises:
        DataError: If it cannot be read or is no text.
    """
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError(
            f"{display_name(file)}: expected {kind}, got a file that cannot be read ({reason});"
            " check the path or copy it again"
        ) from error


def read_json(file: str | os.PathLike[str], kind: str) -> Any:
    """Return the content of a JSON file.

    Raises:
        DataError: If it cannot be read, is empty, cut off, or not JSON.
    """
    text = read_text(file, kind)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is empty" if not text.strip() else str(error).splitlines()[0]
        raise DataError(
            f"{display_name(file)}: expected {kind}, got a file that is no whole JSON"
            f" ({reason}); copy or export it again"
        ) from error


def read_object(file: str | os.PathLike[str], kind: str, lists: Sequence[str]) -> Json:
    """Return a JSON object that holds these lists of objects.

    Raises:
        DataError: As `read_json`, or if a list is missing or holds something else.
    """
    content = read_json(file, kind)
    name = display_name(file)
    if not isinstance(content, dict):
        raise DataError(f"{name}: expected {kind}, got JSON that is no object; choose another")
    missing = [key for key in lists if key not in content]
    if missing:
        raise DataError(
            f"{name}: {kind} must hold {' and '.join(lists)}, got no {' and no '.join(missing)};"
            " choose the file of annotations"
        )
    for key in lists:
        objects_in(content, key, name)
    return content


def objects_in(content: Json, key: str, name: str) -> list[Json]:
    """Return a list of objects.

    Raises:
        DataError: If it is something else; names the file.
    """
    rows = content[key]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{name}: {key} must be a list of objects, got something else")
    return rows


def whole_number(row: Mapping[str, Any], key: str, where: str, least: int = 0) -> int:
    """Return a whole number of a row.

    Args:
        row: An object of JSON.
        key: Its key.
        where: File and object, for messages.
        least: The smallest it may be.

    Raises:
        DataError: If it is missing, another type, or too small.
    """
    value = row.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise DataError(f"{where}: {key} must be a whole number of {least} or more, got {value!r}")
    return value


def write_json(file: str | os.PathLike[str], content: Any, *, overwrite: bool) -> None:
    """Write a JSON file that appears whole or not at all.

    Raises:
        OutputError: If it exists and may not be replaced, or cannot be written.
    """
    write_text(file, json_text(content), overwrite=overwrite)


def json_text(content: Any) -> str:
    """Return JSON as it is written: in UTF-8, what that cannot hold (a file's name) escaped."""
    text = json.dumps(content, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(content)
    return text + "\n"


def write_text(file: str | os.PathLike[str], text: str, *, overwrite: bool) -> None:
    """Write a text file that appears whole or not at all.

    Raises:
        OutputError: If it exists and may not be replaced, or cannot be written.
    """
    with atomic_write(file, overwrite=overwrite) as stream:
        stream.write(text.encode())
