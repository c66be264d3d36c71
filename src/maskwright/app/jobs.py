"""Exports asked for by the page: one after another, beside the clicks, their files kept a while.

They have networks of their own, so that a click does not wait for the matte of a whole photo.
"""

import logging
import secrets
import shutil
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from maskwright.app.document import Document, Json
from maskwright.app.export import (
    TOGETHER,
    Options,
    export_annotations,
    export_photo,
    with_masks,
)
from maskwright.app.gallery import Found, Gallery
from maskwright.app.journal import Journal
from maskwright.app.lane import Lane
from maskwright.app.refusals import Refusal
from maskwright.errors import MaskwrightError, SubjectError
from maskwright.formats.annotated import stems_of

if TYPE_CHECKING:
    from maskwright.inference.matte import Matter

_KEPT = 8
_ABANDONED_S = 24 * 3600.0
RUNNING, DONE, FAILED = "running", "done", "failed"

log = logging.getLogger(__name__)


@dataclass
class Job:
    """One export.

    Attributes:
        folder: Where its files are.
        options: What is written.
        total: How many photos.
        done: How many of them are, failed ones too.
        state: "running", "done" or "failed": stopped, or without any file.
        files: That are ready.
        errors: What went wrong, a line for each photo.
        is_stopped: Whether it is to end.
    """

    folder: Path
    options: Options
    total: int
    done: int = 0
    state: str = RUNNING
    files: list[Path] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    is_stopped: bool = False


class Exports:
    """All exports of a server.

    Args:
        folder: Where their files go, those of other servers of the photos, too; what was left there
            a day ago is removed.
        gallery: The photos.
        journal: What was done to them.
        matters: Load the matting networks, by name.
    """

    def __init__(
        self,
        folder: Path,
        gallery: Gallery,
        journal: Journal,
        matters: dict[str, "Callable[[], Matter]"],
    ) -> None:
        self.folder, self.gallery, self.journal = folder, gallery, journal
        self._loaders, self._matters = matters, dict[str, "Matter"]()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._lane = Lane("exports", most_waiting=_KEPT)
        for left in folder.glob("*"):
            with suppress(OSError):  # another server may be quicker
                if time.time() - left.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(left)

    def start(self, photos: Sequence[str] | None, options: Options) -> str:
        """Return the id of a new export.

        Args:
            photos: Ids; None is every photo that has a mask.
            options: What is written.

        Raises:
            Refusal: If there is no such photo, none with a mask, or too many exports wait.
        """
        rows = {row.id for row in self.journal.photos()}
        if photos is None:
            found = [one for one in self.gallery.photos() if one.id in rows]
            found = [one for one in found if with_masks(self.journal.document(one.id))]
        else:
            found = [self.gallery.find(id) for id in dict.fromkeys(photos)]
        if not found:
            raise Refusal(400, "expected a photo with a mask to export, there is none; make one")
        id = secrets.token_hex(8)
        job = Job(self.folder / id, options, len(found))
        self._lane.submit(lambda: self._run(job, found))
        with self._lock:
            self._jobs[id] = job
            ended = [key for key, one in self._jobs.items() if one.state != RUNNING]
            for key in ended[: max(0, len(self._jobs) - _KEPT)]:
                shutil.rmtree(self._jobs.pop(key).folder, ignore_errors=True)
        return id

    def status(self, id: str) -> Json:
        """Return how far an export is.

        Raises:
            Refusal: If there is none of this id.
        """
        job = self._find(id)
        return {
            "done": job.done,
            "total": job.total,
            "state": job.state,
            "files": [
                {
                    "name": path.relative_to(job.folder).as_posix(),
                    "url": f"/api/exports/{id}/files/{index}",
                }
                for index, path in enumerate(job.files)
            ],
            "errors": job.errors,
        }

    def file(self, id: str, index: int) -> Path:
        """Return a file of an export.

        Raises:
            Refusal: If there is no such export or file.
        """
        files = self._find(id).files
        if index >= len(files) or not files[index].is_file():
            raise Refusal(404, f"expected a file below {len(files)}, there is no {index}")
        return files[index]

    def stop(self, id: str) -> None:
        """End an export; the photo being written is finished.

        Raises:
            Refusal: If there is none of this id.
        """
        self._find(id).is_stopped = True

    def close(self) -> bool:
        """End all exports, remove their files, and return whether that being written is done."""
        for job in self._jobs.values():
            job.is_stopped = True
        ended = self._lane.close()
        for job in self._jobs.values():
            shutil.rmtree(job.folder, ignore_errors=True)
        with suppress(OSError):  # it has files of another server
            self.folder.rmdir()
        return ended

    def _find(self, id: str) -> Job:
        job = self._jobs.get(id)
        if job is None:
            raise Refusal(404, f"expected an export of this server, there is no {id[:40]!r}")
        return job

    def _run(self, job: Job, found: Sequence[Found]) -> None:
        try:
            if job.options.format in TOGETHER:
                self._write_together(job, found)
            else:
                for one, stem in zip(found, stems_of([one.name for one in found]), strict=True):
                    if not job.is_stopped:
                        self._try(job, one.name, partial(self._write, job, one, stem))
                        job.done += 1
            if len(job.files) > 1 and not job.is_stopped:
                job.files.insert(0, _zipped(job, self.gallery.folder.name))
        except Exception as error:
            log.exception("an export")
            job.errors.append(f"a fault of ours, {type(error).__name__}; report it")
        is_whole = bool(job.files) and not job.is_stopped
        job.state = DONE if is_whole else FAILED

    def _try(self, job: Job, name: str, write: Callable[[], list[Path]]) -> None:
        try:
            job.files += write()
        except (MaskwrightError, MemoryError, OSError) as error:
            line = " ".join(str(error).split()) or "not enough memory"
            job.errors.append(line if name in line else f"{name}: {line}")
            log.warning("not exported: %s", job.errors[-1])

    def _write(self, job: Job, found: Found, stem: str) -> list[Path]:
        options, document = job.options, self._document(found)
        return export_photo(
            self.gallery.read(found),
            document,
            job.folder / stem,
            name=found.name,
            format=options.format,
            bit_depth=options.bit_depth,
            background=options.background,
            decontaminate=options.decontaminate,
            matter=self._matter,
        )

    def _write_together(self, job: Job, found: Sequence[Found]) -> None:
        documents = list[tuple[str, Document]]()

        def read(one: Found) -> list[Path]:
            documents.append((one.name, self._document(one)))
            return []

        def write() -> list[Path]:
            format = job.options.format
            return export_annotations(documents, job.folder / format, format=format)

        for one in found:
            self._try(job, one.name, partial(read, one))
            job.done += 1
        if documents and not job.is_stopped:
            self._try(job, self.gallery.folder.name, write)

    def _document(self, found: Found) -> Document:
        if self.journal.size(found.id) is None:
            raise SubjectError(f"{found.name}: expected an object to export, got none; click first")
        return self.journal.document(found.id)

    def _matter(self, name: str) -> "Matter":
        if name not in self._matters:
            self._matters[name] = self._loaders[name]()
        return self._matters[name]


def _zipped(job: Job, name: str) -> Path:
    """Return one archive of all files."""
    file = job.folder / f"{name or 'photos'}-{job.options.format}.zip"
    with zipfile.ZipFile(file, "x", zipfile.ZIP_STORED) as archive:
        for path in job.files:
            archive.write(path, path.relative_to(job.folder).as_posix())
    return file
