"""Where weight files lie on this machine, and how they get there.

The only module that uses the network. It also reads two environment variables, for the library has
to agree with the command line about them: MASKWRIGHT_HOME, the cache folder, and
MASKWRIGHT_OFFLINE, which turns the network off.
"""

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from maskwright.errors import OutputError, WeightsError
from maskwright.weights.catalog import FILES, WeightRow

CHUNK = 1 << 20
Progress = Callable[[int, int], None]  # bytes so far, bytes in all


def cache_folder() -> Path:
    """Return the folder for downloaded weights: MASKWRIGHT_HOME, else the platform's."""
    home = os.environ.get("MASKWRIGHT_HOME")
    if home:
        return Path(home).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "maskwright"


def is_offline() -> bool:
    """Say whether MASKWRIGHT_OFFLINE turns the network off."""
    return os.environ.get("MASKWRIGHT_OFFLINE", "").lower() not in ("", "0", "false", "no")


def find_file(row: WeightRow) -> Path | None:
    """Return where the weights lie on this machine, or None."""
    path = (FILES if row.embedded else cache_folder()) / row.file_name
    return path if path.is_file() else None


def verify(row: WeightRow, path: Path) -> None:
    """Compare a file with the checksum of its row.

    Raises:
        WeightsError: If they differ.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != row.sha256:
        remedy = "reinstall maskwright" if row.embedded else f"delete {path} and pull it again"
        raise WeightsError(
            f"{path.name} is damaged: expected sha256 {row.sha256[:12]}…, got {found[:12]}…; "
            f"{remedy}"
        )


def fetch(row: WeightRow, *, offline: bool = False, progress: Progress | None = None) -> Path:
    """Return the file of `row`, downloaded first if it is not on this machine.

    A download that was interrupted goes on where it stopped; the file appears under its name only
    when it is whole and its checksum is right.

    Args:
        row: The weights wanted.
        offline: Do not use the network, as MASKWRIGHT_OFFLINE=1 says too.
        progress: Called with the bytes so far and in all.

    Raises:
        WeightsError: If it is absent and may not or cannot be downloaded, or arrives damaged.
    """
    path = find_file(row)
    if path:
        return path
    if row.embedded:
        raise WeightsError(
            f"{row.file_name} should have come with the package; reinstall maskwright"
        )
    if offline or is_offline():
        raise WeightsError(
            f"{row.name} is not in {cache_folder()} and the network is off; "
            f"copy {row.file_name} there from a `maskwright models bundle`"
        )
    return _download(row, cache_folder() / row.file_name, progress)


def _download(row: WeightRow, target: Path, progress: Progress | None) -> Path:
    from http.client import HTTPException  # here and below, for it takes long to load

    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot create the cache folder {target.parent} ({error.strerror}); "
            "set MASKWRIGHT_HOME to one that can be written"
        ) from error
    try:
        _stream(row, part, progress)
    except (OSError, HTTPException) as error:
        raise WeightsError(
            f"could not download {row.name} from {row.url} ({error}); "
            "try again, it goes on where it stopped"
        ) from error
    try:
        verify(row, part)
    except WeightsError:
        part.unlink()
        raise
    part.replace(target)
    return target


def _stream(row: WeightRow, part: Path, progress: Progress | None) -> None:
    """Append what is missing to `part`; a server that ignores the range starts it over."""
    from urllib.request import Request, urlopen

    done = part.stat().st_size if part.exists() else 0
    if done == row.bytes:
        return
    done = 0 if done > row.bytes else done
    request = Request(_address(row.url), headers={"Range": f"bytes={done}-"} if done else {})
    with urlopen(request, timeout=60) as answer:
        resumes = answer.status == 206
        done = done if resumes else 0
        with part.open("ab" if resumes else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                done += len(chunk)
                if progress:
                    progress(done, row.bytes)
            file.flush()
            os.fsync(file.fileno())
    if done < row.bytes:
        raise OSError(f"connection closed after {done} of {row.bytes} bytes")


def _address(url: str) -> str:
    """Return the https address of an hf:// one; others as they are."""
    if not url.startswith("hf://"):
        return url
    from huggingface_hub import hf_hub_url

    owner, repository, file = url.removeprefix("hf://").split("/", 2)
    return hf_hub_url(f"{owner}/{repository}", file)
