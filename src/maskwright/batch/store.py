"""The feature store: encoded photos, found by what they were made of.

A file is `ab/abcd…-weights.safetensors`: the hash of the photo's pixels, and the beginning of that
of the network. So a folder of them can be copied, merged or served from anywhere; a photo that has
changed, or other weights, find nothing there.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maskwright.batch.places import LocalPlace, open_place
from maskwright.errors import FeaturesError, ImageError, OutputError
from maskwright.image.photo import Photo
from maskwright.image.source import display_name
from maskwright.inference.click import Clicker
from maskwright.inference.features import ImageFeatures, as_file, hash_image

SUFFIX = ".safetensors"
_SHOWN = 16  # digits of the hash of weights in a name


def file_name(image: str, weights: str) -> str:
    """Return where features lie in a store, by `hash_image` and `hash_weights`."""
    return f"{image[:2]}/{image}-{weights[:_SHOWN]}{SUFFIX}"


@dataclass(frozen=True)
class Stored:
    """A file of a store.

    Attributes:
        path: Its path.
        bytes: Its size.
        used: When it was written or read last, in seconds since 1970.
    """

    path: Path
    bytes: int
    used: float


class FeatureStore:
    """A folder of features, or a URL they are served from.

    Args:
        root: The folder, made when something is put into it; or a URL that fsspec knows, which
            is read and written but neither measured nor evicted from.
        most_bytes: What has not been used for longest is removed beyond so much; None keeps all.
    """

    def __init__(self, root: str | os.PathLike[str], *, most_bytes: int | None = None) -> None:
        self.root = os.fspath(root)
        self.place = open_place(self.root)
        self.most_bytes = most_bytes

    def get(self, image: str, weights: str) -> ImageFeatures | None:
        """Return features by `hash_image` and `hash_weights`; None if there are none.

        Raises:
            FeaturesError: If the file is damaged, or not what its name says.
        """
        name = file_name(image, weights)
        if isinstance(self.place, LocalPlace):
            path = Path(self.root, name)
            if not path.is_file():
                return None
            with suppress(OSError):  # a store may be read-only
                os.utime(path)
            return _checked(path, ImageFeatures.open(path), image, weights)
        if self.place.signature(name) is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "features")
            path.write_bytes(self._fetched(name))
            return _checked(path, ImageFeatures.open(path), image, weights)

    def put(self, features: ImageFeatures) -> str:
        """Keep features, and return their name.

        Raises:
            OutputError: If they cannot be written.
        """
        name = file_name(features.image, features.weights)
        self.place.publish({name: as_file(features)}, overwrite=True)
        if self.most_bytes is not None:
            self.evict(self.most_bytes)
        return name

    def files(self) -> Iterator[Stored]:
        """Yield the files of a store on this machine."""
        for folder in sorted(Path(self.root).glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                with suppress(OSError):
                    status = path.stat()
                    yield Stored(path, status.st_size, status.st_mtime)

    def total_bytes(self) -> int:
        """Return what the files take together."""
        return sum(file.bytes for file in self.files())

    def evict(self, most_bytes: int) -> int:
        """Remove what has not been used for longest, until no more is left; return how many."""
        files = sorted(self.files(), key=lambda file: file.used)
        total, removed = sum(file.bytes for file in files), 0
        for file in files:
            if total <= most_bytes:
                break
            with suppress(OSError):
                file.path.unlink()
                total, removed = total - file.bytes, removed + 1
        return removed

    def verify(
        self, *, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> tuple[int, list[str]]:
        """Return how many files there are, and a line about each that is damaged.

        Args:
            progress: Called with how many files were read, and how many there are.
        """
        files = list(self.files())
        problems = []
        for done, file in enumerate(files, start=1):
            image, _, weights = file.path.stem.partition("-")
            try:
                _checked(file.path, ImageFeatures.open(file.path), image, weights)
            except FeaturesError as error:
                problems.append(str(error))
            progress(done, len(files))
        return len(files), problems

    def _fetched(self, name: str) -> bytes:
        try:
            return self.place.read(name)
        except ImageError as error:
            raise FeaturesError(f"expected features that can be read: {error}") from error


@dataclass(frozen=True)
class Remembered:
    """The features of a photo, and where they are from.

    Attributes:
        features: Of the photo.
        note: What to tell if they were not there; None if they were.
    """

    features: ImageFeatures
    note: str | None = None


def remembered(store: FeatureStore, clicker: Clicker, photo: Photo) -> Remembered:
    """Return the features of a photo: those of the store, or made now and kept there.

    Args:
        store: Where to look.
        clicker: What makes them.
        photo: Of which pixels.

    Raises:
        FeaturesError: If values overflow, as can happen with fp16.
    """
    image = hash_image(photo)
    why = "has nothing of this photo with these weights: it is new, or one of them has changed"
    try:
        features = store.get(image, clicker.weights)
        if features is not None:
            return Remembered(features)
    except FeaturesError as error:
        why = f"is damaged there ({error})"
    features = clicker.encode(photo)
    kept = "encoded now, and kept"
    try:
        store.put(features)
    except OutputError as error:
        kept = f"encoded now, but not kept ({error})"
    return Remembered(features, f"{photo.source}: {display_name(store.root)} {why}; {kept}")


def _checked(path: Path, features: ImageFeatures, image: str, weights: str) -> ImageFeatures:
    """Return features whose file was not merely given another's name."""
    if features.image != image or not features.weights.startswith(weights[:_SHOWN]):
        raise FeaturesError(
            f"{display_name(path)}: expected features of {image[:12]}… with the weights"
            f" {weights[:12]}…, got others; delete the file, and encode the photo again"
        )
    return features
