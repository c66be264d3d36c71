"""Where photos lie and results go: a folder of this machine, or any URL that fsspec knows."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, runtime_checkable

from maskwright.errors import ImageError, MissingExtraError, OutputError, UsageError
from maskwright.image.publish import check_target
from maskwright.image.source import SUFFIXES, display_name, open_source
from maskwright.runs.publish import publish


@dataclass(frozen=True)
class Found:
    """A file that has the suffix of a picture.

    Attributes:
        name: Its path below the place, "/" between its parts.
        signature: Changes when its content does; size and time of change, or an object's tag.
        problem: Why it cannot be read, if that is clear without opening it.
    """

    name: str
    signature: str = ""
    problem: str | None = None


@dataclass(frozen=True)
class Listing:
    """What one folder of a place holds.

    Attributes:
        photos: By name.
        folders: Paths of the folders in it.
    """

    photos: tuple[Found, ...]
    folders: frozenset[str]


@runtime_checkable
class Place(Protocol):
    """A folder of files, here or elsewhere."""

    def listings(self, skip: str | None = None) -> Iterator[Listing]:
        """Yield what each folder holds, those within it too; nothing hidden, nothing of `skip`."""

    def signature(self, name: str) -> str | None:
        """Return what changes with a file's content; None if there is no such file."""

    def read(self, name: str) -> bytes:
        """Return the content of a photo.

        Raises:
            ImageError: If it cannot be read.
        """

    def check_free(self, name: str) -> None:
        """Refuse a name that exists already.

        Raises:
            OutputError: If it does.
        """

    def sha256(self, name: str) -> str | None:
        """Return the checksum of a file, in hexadecimal; None if there is no such file."""

    def publish(
        self, files: Mapping[str, bytes], *, overwrite: bool, owner: str = ""
    ) -> dict[str, str]:
        """Write files, each whole or not at all, and return their SHA-256.

        Args:
            files: Content by name.
            overwrite: Whether files of these names may be replaced.
            owner: Whose they are until they are whole.

        Raises:
            OutputError: If one exists and may not be replaced, or cannot be written.
        """

    def label(self, name: str) -> str:
        """Return how to call a file in messages."""


def open_place(text: str) -> Place:
    """Return the place that a path or URL names.

    Raises:
        MissingExtraError: If its protocol needs a package that is not installed.
        UsageError: If its protocol is unknown.
    """
    if "://" not in text:
        return LocalPlace(text)
    UrlPlace(text).files()  # says now whether the protocol is there
    return UrlPlace(text.rstrip("/"))


@dataclass(frozen=True)
class LocalPlace:
    """A folder of this machine.

    Attributes:
        root: Its path.
    """

    root: str

    def listings(self, skip: str | None = None) -> Iterator[Listing]:
        """Yield what each folder holds, as `Place` says; links are followed but not in circles."""
        hidden = None if skip is None else Path(skip).resolve()
        yield from self._walk("", (), hidden)

    def _walk(
        self, folder: str, above: tuple[tuple[int, int], ...], skip: Path | None
    ) -> Iterator[Listing]:
        path = Path(self.root, folder)
        photos: list[Found] = []
        below: list[str] = []
        try:
            status = path.stat()
            here = status.st_dev, status.st_ino
            if here in above:
                yield Listing((self._bad(folder, "a link that leads back to itself"),), frozenset())
                return
            names = sorted(os.listdir(path))
        except OSError as error:
            problem = f"a folder that cannot be read ({error.strerror})"
            yield Listing((self._bad(folder, problem),), frozenset())
            return
        for name in names:
            inside = f"{folder}/{name}" if folder else name
            if name.startswith("."):
                continue
            if Path(self.root, inside).is_dir():
                below.append(inside)
            elif PurePosixPath(name).suffix.lower() in SUFFIXES:
                photos.append(self._found(inside))
        kept = [inside for inside in below if Path(self.root, inside).resolve() != skip]
        yield Listing(tuple(photos), frozenset(below))
        for inside in kept:
            yield from self._walk(inside, (*above, here), skip)

    def _found(self, name: str) -> Found:
        try:
            status = Path(self.root, name).stat()
        except OSError as error:
            return self._bad(name, f"a link that leads nowhere ({error.strerror})")
        if not stat.S_ISREG(status.st_mode):
            return self._bad(name, "a pipe or device")
        return Found(name, _signature(status))

    def _bad(self, name: str, what: str) -> Found:
        return Found(name, problem=f"{self.label(name)}: expected a photo, got {what}; remove it")

    def signature(self, name: str) -> str | None:
        """Return size and time of change; None if there is no such file."""
        try:
            status = Path(self.root, name).stat()
        except (OSError, ValueError):
            return None
        return _signature(status) if stat.S_ISREG(status.st_mode) else None

    def read(self, name: str) -> bytes:
        """Return the content of a photo.

        Raises:
            ImageError: If there is none, or it is a pipe or unreadable.
        """
        with open_source(Path(self.root, name)) as (stream, label):
            try:
                return stream.read()
            except OSError as error:
                raise ImageError(
                    f"{label}: expected a readable photo, got an error: {error.strerror}"
                ) from error

    def check_free(self, name: str) -> None:
        """Refuse a name that exists already.

        Raises:
            OutputError: If it does.
        """
        check_target(Path(self.root, name), overwrite=False)

    def sha256(self, name: str) -> str | None:
        """Return the checksum of a file, in hexadecimal; None if there is no such file."""
        try:
            with Path(self.root, name).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return None

    def publish(
        self, files: Mapping[str, bytes], *, overwrite: bool, owner: str = ""
    ) -> dict[str, str]:
        """Write files, as `Place` says."""
        return publish(Path(self.root), files, overwrite=overwrite, owner=owner)

    def label(self, name: str) -> str:
        """Return the path of a file, as it can be printed on one line."""
        return display_name(Path(self.root, name))


@dataclass(frozen=True)
class UrlPlace:
    """A folder that fsspec reaches: `s3://bucket/photos`, `gs://…`, `memory://…`.

    Attributes:
        root: Its URL.
    """

    root: str
    _opened: list[Any] = field(default_factory=list, compare=False, repr=False)

    def files(self) -> tuple[Any, str]:
        """Return the file system, and the folder's path in it.

        Raises:
            MissingExtraError: If its protocol needs a package that is not installed.
            UsageError: If its protocol is unknown.
        """
        if not self._opened:
            import fsspec

            try:
                self._opened[:] = fsspec.core.url_to_fs(self.root)
            except ImportError as error:
                raise MissingExtraError(
                    f"{self.root} needs a package of fsspec: {error}; pip install it"
                ) from error
            except ValueError as error:
                raise UsageError(
                    f"expected a folder or a URL that fsspec knows, got {self.root}: {error}"
                ) from error
        system, path = self._opened
        return system, str(path).rstrip("/")

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root}  # connections stay in their process

    def __setstate__(self, state: dict[str, Any]) -> None:
        object.__setattr__(self, "root", state["root"])
        object.__setattr__(self, "_opened", [])

    def listings(self, skip: str | None = None) -> Iterator[Listing]:
        """Yield what each folder holds, as `Place` says."""
        system, root = self.files()
        system.invalidate_cache()
        hidden = None if skip is None else UrlPlace(skip).files()[1]
        for folder, folders, files in system.walk(root, detail=True):
            if any(part.startswith(".") for part in self._below(folder).split("/")):
                continue
            if hidden is not None and f"{folder}/".startswith(f"{hidden}/"):
                continue
            photos = [
                Found(self._below(info["name"]), _tag(info))
                for name, info in sorted(files.items())
                if name and not name.startswith(".")
                if PurePosixPath(name).suffix.lower() in SUFFIXES
            ]
            below = frozenset(self._below(info["name"]) for info in folders.values())
            yield Listing(tuple(photos), below)

    def _below(self, path: str) -> str:
        return path.removeprefix(self.files()[1]).strip("/")

    def _path(self, name: str) -> str:
        return f"{self.files()[1]}/{name}"

    def signature(self, name: str) -> str | None:
        """Return what the server says changes with the content; None if there is no such file."""
        try:
            return _tag(self.files()[0].info(self._path(name)))
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        """Return the content of a photo.

        Raises:
            ImageError: If it cannot be read.
        """
        try:
            return self.files()[0].cat_file(self._path(name))
        except Exception as error:  # each protocol has its own
            raise ImageError(
                f"{self.label(name)}: expected a readable photo, got an error: {error}"
            ) from error

    def check_free(self, name: str) -> None:
        """Refuse a name that exists already.

        Raises:
            OutputError: If it does.
        """
        if self.signature(name) is not None:
            raise OutputError(
                f"{self.label(name)}: exists already; allow replacing it with --overwrite"
            )

    def sha256(self, name: str) -> str | None:
        """Return the checksum of a file, in hexadecimal; None if there is no such file."""
        try:
            return hashlib.sha256(self.files()[0].cat_file(self._path(name))).hexdigest()
        except FileNotFoundError:
            return None

    def publish(
        self, files: Mapping[str, bytes], *, overwrite: bool, owner: str = ""
    ) -> dict[str, str]:
        """Write files, as `Place` says: an upload appears when it is whole."""
        system, sums = self.files()[0], {}
        for name, content in files.items():
            if not overwrite:
                self.check_free(name)
            try:
                system.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)
                system.pipe_file(self._path(name), content)
            except Exception as error:
                raise OutputError(
                    f"{self.label(name)}: expected a place to write, got an error: {error}"
                ) from error
            sums[name] = hashlib.sha256(content).hexdigest()
        return sums

    def label(self, name: str) -> str:
        """Return the URL of a file, as it can be printed on one line."""
        return display_name(f"{self.root}/{name}")


def _signature(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"


def _tag(info: Mapping[str, Any]) -> str:
    """Return size and version of an object, by whichever name a server gives it."""
    keys = ("ETag", "etag", "md5Hash", "mtime", "created")
    version = next((info[key] for key in keys if key in info), "")
    if isinstance(version, datetime):  # of one object; in a list it may be a number
        version = version.timestamp()
    return f"{info.get('size')} {version}"
