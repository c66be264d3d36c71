"""A folder that was worked on, exported photo by photo; what is done already is not done again.

A manifest in the output folder remembers which state of a photo became which files, for each
format by itself. A photo that was worked on since, or whose file has changed, is exported anew.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

import maskwright
from maskwright.app.document import Document
from maskwright.app.export import (
    ANNOTATIONS,
    CUTOUTS,
    TOGETHER,
    Matters,
    Options,
    export_annotations,
    export_photo,
    planned_files,
    with_masks,
)
from maskwright.app.journal import Journal
from maskwright.errors import ImageError, OutputError
from maskwright.image.io import read_photo
from maskwright.image.photo import DEFAULT_MAX_PIXELS
from maskwright.image.publish import check_target
from maskwright.image.source import display_name
from maskwright.runs.manifest import DONE, Entry, Manifest, Row
from maskwright.runs.names import output_names
from maskwright.runs.outcome import one_line
from maskwright.runs.publish import sweep

MANIFEST = ".maskwright-export"
ALL = "all photos"
_NAMES = {"coco": "annotations", "panoptic": "panoptic", "yolo": ""}  # of files for all photos


@dataclass(frozen=True)
class Job:
    """Something to export: a photo, or the annotations of all.

    Attributes:
        name: The photo's path below the folder, or `ALL`.
        target: Path of its files without their ends.
        documents: Name and document of each photo it is made of.
        is_ours: Whether files of its names were written by an export before.
    """

    name: str
    target: Path
    documents: tuple[tuple[str, Document], ...]
    is_ours: bool = False


class ProjectExport:
    """The export of a folder; one at a time has its output folder.

    Args:
        folder: Of the photos.
        output: Where files go.
        options: What is written, and how.
        journal: Of the folder.
        matter: Returns the matting network of a name.
        overwrite: Whether files may be replaced that no export has written.
        max_pixels: Photos with more are refused.

    Attributes:
        total: How many jobs there are, with those that are done.

    Raises:
        OutputError: If another export is at work in the output folder, or it cannot be written.
        DataError: If the journal cannot be read.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        output: str | os.PathLike[str],
        options: Options,
        *,
        journal: Journal,
        matter: Matters | None = None,
        overwrite: bool = False,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> None:
        self.folder, self.output = Path(folder), Path(output)
        self.options, self.matter = options, matter
        self.overwrite, self.max_pixels = overwrite, max_pixels
        self._jobs = {job.name: job for job in self._planned(journal)}
        self.total = len(self._jobs)
        manifest = self.output / f"{MANIFEST}-{options.format}.sqlite"
        self._manifest = Manifest(manifest, settings=_settings_hash(options), weights="")
        try:
            sweep([self.output, *{job.target.parent for job in self._jobs.values()}])
            entries = [self._entry(job) for job in self._jobs.values()]
            self._manifest.scan(entries, is_there=self._is_there, retry_failed=True)
        except BaseException:
            self._manifest.close()
            raise

    def __enter__(self) -> "ProjectExport":
        return self

    def __exit__(self, *_: object) -> None:
        self._manifest.close()

    @property
    def done(self) -> int:
        """How many jobs are done."""
        return self._manifest.counts()[DONE]

    def waiting(self) -> list[Job]:
        """Return what is not done, or not as it stands now."""
        rows = list(self._manifest.waiting())
        jobs = [self._jobs[row.path] for row in rows]
        return [replace(job, is_ours=row.is_ours) for job, row in zip(jobs, rows, strict=True)]

    def first_file(self, job: Job) -> Path:
        """Return the first of the files that a job writes."""
        return self._files(job)[0]

    def _files(self, job: Job) -> list[Path]:
        return planned_files(job.documents[0][1], job.target, format=self.options.format)

    def do(self, job: Job) -> list[Path]:
        """Export one job and return its files, which are noted once all have their names.

        Raises:
            MaskwrightError: What `export_photo` raises, or if the photo cannot be read.
        """
        overwrite, files = self.overwrite or job.is_ours, self._files(job)
        for file in files:  # before any of these names counts as ours
            check_target(file, overwrite=overwrite)
        free = [file for file in files if not file.exists()]
        self._manifest.start(job.name)
        started = time.perf_counter()
        try:
            written = self._write(job, overwrite=overwrite)
        except Exception as error:
            ours = None if job.is_ours else self._sums(file for file in free if file.exists())
            self._manifest.fail(job.name, one_line(error), outputs=ours)
            raise
        sums = self._sums(written)
        seconds = time.perf_counter() - started
        self._manifest.finish(
            job.name, input=_state_of(job), outputs=sums, seconds=seconds, uncertainty=None
        )
        return written

    def _sums(self, files: Iterable[Path]) -> dict[str, str]:
        return {file.relative_to(self.output).as_posix(): _sum_of(file) for file in files}

    def _write(self, job: Job, *, overwrite: bool) -> list[Path]:
        format = self.options.format
        if format in ANNOTATIONS:
            return export_annotations(job.documents, job.target, format=format, overwrite=overwrite)
        (name, document) = job.documents[0]
        photo = read_photo(self._photo(name), max_pixels=self.max_pixels)
        return export_photo(
            photo,
            document,
            job.target,
            name=name,
            format=format,
            bit_depth=self.options.bit_depth,
            background=self.options.background,
            decontaminate=self.options.decontaminate,
            matter=self.matter,
            overwrite=overwrite,
        )

    def _planned(self, journal: Journal) -> Iterator[Job]:
        """Yield the jobs; photos of which nothing would be shown are none."""
        rows = journal.photos()
        stems = output_names([PurePosixPath(row.name) for row in rows], "")
        found = [
            (row, stem, journal.document(row.id)) for row, stem in zip(rows, stems, strict=True)
        ]
        is_picture = self.options.format in (*CUTOUTS, "alpha")
        marked = [
            each
            for each in found
            if any(one.visible or not is_picture for one in with_masks(each[2]))
        ]
        if self.options.format not in TOGETHER:
            for row, stem, document in marked:
                yield Job(row.name, self.output / stem, ((row.name, document),))
        elif marked:
            documents = tuple((row.name, document) for row, _, document in marked)
            yield Job(ALL, self.output / _NAMES[self.options.format], documents)

    def _entry(self, job: Job) -> Entry:
        stamps = [_state_of(job)]
        for name, _ in job.documents if self.options.format not in ANNOTATIONS else ():
            with suppress(OSError):  # a photo that is gone is told when its turn comes
                status = (self.folder / name).stat()
                stamps.append(f"{status.st_mtime_ns:x}-{status.st_size:x}")
        return Entry(job.name, job.target.relative_to(self.output).as_posix(), " ".join(stamps))

    def _photo(self, name: str) -> Path:
        """Return the file of a photo.

        Raises:
            ImageError: If it lies outside the folder.
        """
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise ImageError(
                f"{display_name(name)}: expected a photo in its folder, got a link out"
            )
        return path

    def _is_there(self, row: Row) -> bool:
        return bool(row.outputs) and all((self.output / name).is_file() for name in row.outputs)


def _state_of(job: Job) -> str:
    """Return the hash of all that its files depend on beside options and photo."""
    states = [
        [name, document.size, [_told(document, place) for place in range(len(document.objects))]]
        for name, document in job.documents
    ]
    return hashlib.sha256(json.dumps(states).encode()).hexdigest()


def _told(document: Document, place: int) -> list[object]:
    one = document.objects[place]
    return [one.number, one.name, one.colour, one.visible, one.state_hash]


def _settings_hash(options: Options) -> str:
    background = options.background
    if isinstance(background, np.ndarray):
        background = hashlib.sha256(background.tobytes()).hexdigest()
    told = [options.format, options.bit_depth, background, float(options.decontaminate)]
    return hashlib.sha256(json.dumps([maskwright.__version__, *told]).encode()).hexdigest()


def _sum_of(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise OutputError(
            f"{display_name(file)}: expected what was written, got {error}"
        ) from error
