"""Files that appear whole or not at all."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter
from pathlib import Path

from maskwright.errors import MaskwrightError, OutputError
from maskwright.image.source import display_name


@contextmanager
def atomic_write(
    path: str | os.PathLike[str], *, overwrite: bool, owner: str = ""
) -> Iterator[BufferedWriter]:
    """Yield a binary file that takes the name `path` once the block has ended without an error.

    It is written beside its final place under a name as `unfinished` gives, reaches the disk, and
    is then renamed. After an error nothing is left. Missing folders are made.

    Args:
        path: The final name.
        overwrite: Whether a file of this name may be replaced.
        owner: Whose it is until it is whole.

    Raises:
        OutputError: If the file exists and may not be replaced, or cannot be written.
    """
    target = Path(path)
    name = display_name(target)
    try:
        check_target(target, overwrite=overwrite)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(unfinished(owner, secrets.token_hex(8)))
        try:
            with _create(temporary) as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            _rename(temporary, target, overwrite=overwrite)
        finally:
            temporary.unlink(missing_ok=True)
        _reach_disk(target.parent)
    except MaskwrightError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{name}: expected a place to write, got an error: {reason}") from error


def unfinished(owner: str, rest: str) -> str:
    """Return how a file is called until it is whole; no pattern of one owner fits another's.

    Args:
        owner: Whose it is; empty if nobody needs to find it again.
        rest: What tells it from others, or a pattern.
    """
    return f".maskwright.{owner}.{rest}.part" if owner else f".maskwright-{rest}.part"


def check_target(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Refuse, before any work is done, a name that could not be written to.

    Raises:
        OutputError: If it is a folder or device, or a file that may not be replaced; or if its
            folder, or the one in which that would be made, may not be written to.
    """
    name = display_name(path)
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        _check_place(Path(path), name)
        return
    with suppress(OSError):
        mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
        raise OutputError(f"{name}: expected the name of a file, got {kind}; choose another name")
    if not overwrite:
        raise OutputError(f"{name}: exists already; allow replacing it with --overwrite")


def _check_place(path: Path, name: str) -> None:
    folder = next((above for above in path.absolute().parents if above.exists()), Path.cwd())
    if not folder.is_dir():
        raise OutputError(f"{name}: expected a place to write, {display_name(folder)} is a file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"{name}: expected a place to write, nothing may be written in {display_name(folder)};"
            " choose another folder"
        )


def _create(path: Path) -> BufferedWriter:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o666), "wb")  # the umask takes its share


def _rename(temporary: Path, target: Path, *, overwrite: bool) -> None:
    if not overwrite:
        try:
            os.link(temporary, target)  # unlike a rename, fails if the name has been taken since
            return
        except FileExistsError:
            check_target(target, overwrite=False)
            raise
        except OSError:  # a file system without links
            check_target(target, overwrite=False)
    os.replace(temporary, target)


def _reach_disk(folder: Path) -> None:
    with suppress(OSError):  # Windows cannot open folders; some file systems cannot sync them
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
