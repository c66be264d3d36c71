"""Where weight files lie on this machine, and how they get there.

The only module that uses the network. It also reads two environment variables, for the library has
to agree with the command line about them: MASKWRIGHT_HOME, the cache folder, and
MASKWRIGHT_OFFLINE, which turns the network off.
"""

import hashlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from maskwright.errors import OutputError, WeightsError
from maskwright.image.publish import atomic_write
from maskwright.weights.catalog import FILES, WeightRow, check_accepted

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
    """Compare a file with its checksum: that of its row, or what was noted when it was converted.

    Raises:
        WeightsError: If they differ, or there is no checksum.
    """
    wanted, found = checksum(row, path), _sha256(path)
    if found != wanted:
        remedy = "reinstall maskwright" if row.embedded else f"delete {path} and pull it again"
        raise WeightsError(
            f"{path.name} is damaged: expected sha256 {wanted[:12]}…, got {found[:12]}…; {remedy}"
        )


def checksum(row: WeightRow, path: Path) -> str:
    """Return the sha256 that a file should have.

    Raises:
        WeightsError: If none was noted when the file was converted.
    """
    if row.sha256:
        return row.sha256
    try:
        return _note_of(path).read_text(encoding="ascii").split()[0]
    except (OSError, ValueError, IndexError) as error:
        raise WeightsError(
            f"expected the checksum of {path.name} in {_note_of(path).name} beside it; "
            f"delete {path} and pull it again"
        ) from error


def fetch(
    row: WeightRow,
    *,
    offline: bool = False,
    accepted: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Return the file of `row`, downloaded first if it is not on this machine.

    A download that was interrupted goes on where it stopped; the file appears under its name only
    when it is whole and its checksum is right. An official file is converted then.

    Args:
        row: The weights wanted.
        offline: Do not use the network, as MASKWRIGHT_OFFLINE=1 says too.
        accepted: Whoever asks accepts the licence of the weights.
        progress: Called with the bytes so far and in all.

    Raises:
        WeightsError: If it is absent and may not or cannot be downloaded, or arrives damaged.
        LicenceError: If it is absent, and its licence must be accepted but was not.
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
    if not accepted:
        check_accepted(row)
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
        stated = _as_stated_by_host(row) if row.official else row
        _stream(stated, part, progress)
    except (OSError, HTTPException) as error:
        raise WeightsError(
            f"could not download {row.name} from {row.url} ({error}); "
            "try again, it goes on where it stopped"
        ) from error
    try:
        verify(stated, part)
    except WeightsError:
        part.unlink(missing_ok=True)
        raise
    except FileNotFoundError as error:
        there = find_file(row)
        if there is None:
            raise WeightsError(f"{part} has gone while it was downloaded; try again") from error
        return there  # another process was quicker
    if row.official:
        _convert(row, part, target)
    else:
        part.replace(target)
    return target


def _as_stated_by_host(row: WeightRow) -> WeightRow:
    """Return the row with the size and the checksum that the hub states for its file.

    The hub states them when it is asked for the file, and then sends the asker elsewhere.
    """
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            """Go nowhere: urllib then raises what it was sent."""

    try:
        with build_opener(Stay).open(Request(_address(row.url), method="HEAD"), timeout=60) as file:
            headers = file.headers
    except HTTPError as answer:
        if answer.code >= 400:
            raise
        headers = answer.headers
    size, etag = headers.get("X-Linked-Size", ""), headers.get("X-Linked-ETag", "").strip('"')
    if not size.isdecimal() or not re.fullmatch(r"[0-9a-f]{64}", etag):
        raise OSError("the host states no size and sha256 of the file")
    return replace(row, bytes=int(size), sha256=etag)


def _convert(row: WeightRow, part: Path, target: Path) -> None:
    """Write an official file in our format, with a note of its checksum, and remove it."""
    from maskwright.weights.convert import convert_checkpoint

    official = part.replace(part.with_name(f"{target.stem}.official{Path(row.url).suffix}"))
    try:
        fresh = target.with_name(f"{target.stem}.converted{target.suffix}")
        convert_checkpoint(
            official, fresh, settle=lambda _, config: replace(config, **row.config), overwrite=True
        )
        note_checksum(target, _sha256(fresh))
        fresh.replace(target)
    finally:
        official.unlink()


def note_checksum(path: Path, sha256: str) -> None:
    """Write the checksum of a converted file beside it, where `checksum` finds it."""
    with atomic_write(_note_of(path), overwrite=True) as file:
        file.write(f"{sha256}  {path.name}\n".encode())


def _note_of(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
