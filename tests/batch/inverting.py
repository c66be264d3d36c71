"""An operation without networks, quick to start, and what makes a codec crash, hang or swell.

Codec processes import it by name: the folder of this file has to be on PYTHONPATH.
"""

import ctypes
import os
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from maskwright.batch.codec import Limits
from maskwright.batch.local import LocalEngine
from maskwright.batch.operations import Inferred, Shared
from maskwright.batch.places import LocalPlace
from maskwright.batch.run import Scope, open_manifest, run_batch
from maskwright.batch.steps import Job
from maskwright.errors import ImageError, UsageError
from maskwright.image.io import read_photo, write_image

HERE = str(Path(__file__).parent)


@dataclass(frozen=True)
class Inverting:
    """Write the negative of each photo, whose uncertainty is the brightness of its first pixel."""

    version: int = 1
    pause: float = 0.0

    def settings(self):
        return {"does": "inverting", "version": self.version}

    def networks(self):
        return ()

    def results(self, stem):
        return (f"{stem}.png",)

    def shared(self):
        return None

    def measure(self):
        return "brightness"

    def decode(self, photo, hint):
        if photo.content == b"crash":
            os.abort()
        if photo.content == b"hang":
            time.sleep(1000)
        if photo.content == b"swell":
            return len(bytes(5 << 28))
        return read_photo(photo.content).pixels

    def load(self):
        return self

    def infer(self, decoded):
        time.sleep(self.pause)
        if decoded.shape[0] == 13:
            raise ImageError("unlucky")
        return Inferred(255 - decoded, float(decoded[0, 0, 0]) / 255)

    def encode(self, content, *, name, stem):
        buffer = BytesIO()
        write_image(buffer, content, format="PNG")
        return {f"{stem}.png": buffer.getvalue()}


@dataclass(frozen=True)
class Texting(Inverting):
    """Write how bright each photo is, in words that a file about all photos lists."""

    words: str = "dark light"

    def settings(self):
        return {"does": "texting", "words": self.words}

    def results(self, stem):
        return (f"texts/{stem}.txt",)

    def shared(self):
        return Shared("words.txt", self.words.encode(), self.agrees)

    def agrees(self, found):
        return found.decode().split() == self.words.split()

    def encode(self, content, *, name, stem):
        return {f"texts/{stem}.txt": self.words.split()[int(content.mean() > 127)].encode()}


@dataclass(frozen=True)
class Twofold(Inverting):
    """Write a text beside each negative."""

    def results(self, stem):
        return (f"{stem}.png", f"{stem}.txt")

    def encode(self, content, *, name, stem):
        return super().encode(content, name=name, stem=stem) | {f"{stem}.txt": name.encode()}


@dataclass(frozen=True)
class Stalling(Inverting):
    """The same, on a disk that never answers."""

    def encode(self, content, *, name, stem):
        os.fsync = lambda descriptor: time.sleep(1000)
        return super().encode(content, name=name, stem=stem)


@dataclass(frozen=True)
class Unloadable(Inverting):
    """The same, with weights that cannot be loaded."""

    def load(self):
        raise UsageError("no such network")


def do(photos, results, *, operation=Inverting(), seconds=30.0, workers=1, stop=None, **scope):
    """Run a batch; return its summary, the rows of its manifest and what was told of failures."""
    job = Job(operation, LocalPlace(str(photos)), LocalPlace(str(results)))
    wanted, told = Scope(**scope), {}

    def tell(path, problem, progress):
        if problem is not None:
            told[path] = problem.text

    with open_manifest(job, wanted) as manifest:
        summary = run_batch(
            job,
            manifest,
            wanted,
            engine=lambda: LocalEngine(job, workers=workers, limits=Limits(seconds, 1 << 30)),
            tell=tell,
            stop=stop or threading.Event(),
        )
        return summary, {row.path: row for row in manifest.worst_first()}, told


# Steps for a codec alone; the first argument is its job.


def twice(job, array, text):
    return 2 * array, text, job


def process_id(job):
    return os.getpid()


def fail(job):
    raise ImageError("a.png: damaged")


def divide(job):
    return 1 / 0


def crash(job):
    os.abort()


def leave(job):
    os._exit(3)


def swell(job):
    return len(bytes(3 << 28))


def hang(job):
    time.sleep(1000)


def hang_aloud(job, library):
    os.write(2, b"begun\n")
    getattr(ctypes, library)(None).sleep(1000)


def shout(job):
    os.write(1, b"noise")
    return "done"


def warn(job):
    warnings.warn("120 was read as unknown", stacklevel=1)
    return "done"


if __name__ == "__main__":
    import inverting  # by its name, as codec processes know it

    operation = getattr(inverting, sys.argv[3] if len(sys.argv) > 3 else "Inverting")
    inverting.do(Path(sys.argv[1]), Path(sys.argv[2]), operation=operation(pause=0.02), workers=2)
