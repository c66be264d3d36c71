"""The results of one item, which take their names whole or not at all.

One file is the matter of `maskwright.image.publish`; here are several, and what a run that was
killed has left.
"""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from maskwright.image.publish import atomic_write, unfinished


def publish(
    folder: Path, files: Mapping[str, bytes], *, overwrite: bool, owner: str = ""
) -> dict[str, str]:
    """Write files below a folder, and return the SHA-256 of each, in hexadecimal.

    Args:
        folder: Where the names begin.
        files: Content by name, "/" between its parts.
        overwrite: Whether files of these names may be replaced.
        owner: Whose they are until they are whole: only who has the same sweeps them.

    Raises:
        OutputError: If one exists and may not be replaced, or cannot be written; those before it
            stay.
    """
    sums = {}
    for name, content in files.items():
        with atomic_write(folder / name, overwrite=overwrite, owner=owner) as stream:
            stream.write(content)
        sums[name] = hashlib.sha256(content).hexdigest()
    return sums


def sweep(folders: Iterable[Path], *, owner: str = "") -> int:
    """Remove what an owner's killed run left unfinished; return how many files that was."""
    count = 0
    for folder in folders:
        with suppress(OSError):
            for file in folder.glob(unfinished(owner, "*")):
                file.unlink(missing_ok=True)
                count += 1
    return count
