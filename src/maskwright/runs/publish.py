"""Files that appear whole or not at all."""

import os
from pathlib import Path
from secrets import token_hex

from maskwright.errors import OutputError


def publish(path: str | Path, content: bytes, *, overwrite: bool = True) -> None:
    """Write a file by way of a hidden one beside it, flushed to the disk and then renamed.

    Args:
        path: The file to write; its folder must exist.
        content: All of it.
        overwrite: Replace a file of that name.

    Raises:
        OutputError: If the file exists and may not be replaced, or cannot be written.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists; give another name or --overwrite")
    part = path.with_name(f".{path.name}.{token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"cannot write {path} ({error.strerror or error})") from error
    finally:
        part.unlink(missing_ok=True)
