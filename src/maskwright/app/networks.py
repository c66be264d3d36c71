"""The networks of the app: loaded when first needed, encoded photos kept and made ahead."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from maskwright.app.gallery import Found, Gallery
from maskwright.app.kept import Kept
from maskwright.app.lane import IDLE, Lane
from maskwright.app.refusals import Refusal
from maskwright.errors import FeaturesError, MaskwrightError, OutputError, UsageError, WeightsError

if TYPE_CHECKING:
    from maskwright.inference.click import Clicker
    from maskwright.inference.features import ImageFeatures
    from maskwright.inference.matte import Matter
    from maskwright.inference.segment import Segmenter
    from maskwright.structures.segmentation import Segmentation

_FEATURES_BYTES = 512 * 2**20
_SUBJECTS_BYTES = 16 * 2**20

log = logging.getLogger(__name__)


@runtime_checkable
class Store(Protocol):
    """Encoded photos that were made beforehand."""

    def get(self, image: str, weights: str) -> "ImageFeatures | None":
        """Return features by `hash_image` and `hash_weights`; None if there are none."""

    def put(self, features: "ImageFeatures") -> object:
        """Keep features."""


@dataclass(frozen=True)
class Loaders:
    """How the networks are loaded.

    Attributes:
        clicker: Loads what answers clicks.
        segmenter: Loads what finds subjects.
        matters: Load what refines edges, by name; the first is the default.
        click: Name of the network that answers clicks.
        segment: Name of the network that finds subjects.
    """

    clicker: Callable[[], "Clicker"]
    segmenter: Callable[[], "Segmenter"]
    matters: dict[str, Callable[[], "Matter"]]
    click: str
    segment: str


@dataclass(frozen=True)
class Subjects:
    """What was found in a photo.

    Attributes:
        found: Its segments, or None if they cannot be found.
        note: Why they cannot.
        milliseconds: How long that took.
    """

    found: "Segmentation | None"
    note: str | None
    milliseconds: float


@dataclass(frozen=True)
class Encoding:
    """How far a photo is.

    Attributes:
        state: "waiting", "encoding", "ready" or "failed".
        seconds: That encoding took, or has taken so far.
        error: Why it failed.
    """

    state: str = "waiting"
    seconds: float = 0.0
    error: str | None = None


class Networks:
    """Networks at work on the photos of a gallery, all in one lane.

    Args:
        loaders: How they are loaded.
        gallery: The photos.
        lane: Where all work is done.
        store: Photos that were encoded beforehand.
    """

    def __init__(
        self, loaders: Loaders, gallery: Gallery, lane: Lane, *, store: Store | None = None
    ) -> None:
        self.loaders, self.gallery, self.lane, self.store = loaders, gallery, lane, store
        self._matters: dict[str, Matter] = {}
        self._features: Kept[ImageFeatures] = Kept(_FEATURES_BYTES)
        self._subjects: Kept[Subjects] = Kept(_SUBJECTS_BYTES)
        self._encodings: dict[tuple[str, str], Encoding] = {}
        self._started: dict[tuple[str, str], float] = {}
        self._asked: set[tuple[tuple[str, str], int]] = set()
        self._lock = threading.Lock()

    @cached_property
    def clicker(self) -> "Clicker":
        """What answers clicks; only asked for in the lane."""
        return self.loaders.clicker()

    def matter(self, name: str) -> "Matter":
        """Return a matting network; only asked for in the lane.

        Raises:
            UsageError: If there is none of this name.
        """
        if name not in self.loaders.matters:
            known = ", ".join(self.loaders.matters)
            raise UsageError(f"expected a matting network among {known}, got {name[:80]!r}")
        if name not in self._matters:
            self._matters[name] = self.loaders.matters[name]()
        return self._matters[name]

    def encoding(self, found: Found) -> Encoding:
        """Return how far the encoding of a photo is."""
        key = found.id, found.stamp
        state = self._encodings.get(key, Encoding())
        started = self._started.get(key)
        if state.state == "encoding" and started is not None:
            return Encoding("encoding", time.perf_counter() - started)
        if state.state == "ready" and self._features.get(key) is None:
            return Encoding()
        return state

    def encode_ahead(self, found: Found, *, urgency: int = IDLE) -> None:
        """Have a photo encoded when its turn comes, unless it is or is going to be."""
        asked = (found.id, found.stamp), urgency
        with self._lock:
            if asked in self._asked or self._features.get(asked[0]) is not None:
                return
            self._asked.add(asked)

        def work() -> None:
            with self._lock:
                self._asked.discard(asked)
            try:
                self.features(found)
            except (MaskwrightError, MemoryError, OSError) as error:
                log.warning("cannot encode %s: %s", found.name, error)

        try:
            self.lane.submit(work, urgency=urgency)
        except Refusal:
            with self._lock:
                self._asked.discard(asked)

    def features(self, found: Found) -> "ImageFeatures":
        """Return an encoded photo, encoded now if need be; only asked for in the lane.

        Raises:
            ImageError: If the photo cannot be read.
            WeightsError: If the network cannot be loaded.
        """
        key = found.id, found.stamp
        features = self._features.get(key)
        if features is not None:
            return features
        started = self._started[key] = time.perf_counter()
        self._encodings[key] = Encoding("encoding")
        try:
            features = self._stored_or_encoded(found)
        except Exception as error:
            self._encodings[key] = Encoding("failed", error=str(error))
            raise
        finally:
            del self._started[key]
        self._features.put(key, features, features.bytes)
        self._encodings[key] = Encoding("ready", time.perf_counter() - started)
        return features

    def subjects(self, found: Found) -> Subjects:
        """Return what is in a photo; only asked for in the lane.

        Raises:
            ImageError: If the photo cannot be read.
        """
        key = found.id, found.stamp
        known = self._subjects.get(key)
        if known is not None:
            return known
        photo, started = self.gallery.read(found), time.perf_counter()
        try:
            segmentation = self._segmenter.segment(photo)
        except (WeightsError, UsageError) as error:
            return Subjects(None, f"subjects are not found automatically: {error}", 0.0)
        subjects = Subjects(segmentation, None, (time.perf_counter() - started) * 1000)
        counts = sum(len(segment.rle["counts"]) for segment in segmentation.segments)
        self._subjects.put(key, subjects, counts)
        return subjects

    @cached_property
    def _segmenter(self) -> "Segmenter":
        return self.loaders.segmenter()

    def _stored_or_encoded(self, found: Found) -> "ImageFeatures":
        from maskwright.inference.features import hash_image

        photo = self.gallery.read(found)
        if self.store is None:
            return self.clicker.encode(photo)
        try:
            stored = self.store.get(hash_image(photo), self.clicker.weights)
        except FeaturesError as error:
            log.warning("encoded again: %s", error)
            stored = None
        if stored is not None:
            return stored
        features = self.clicker.encode(photo)
        try:
            self.store.put(features)
        except OutputError as error:
            log.warning("encoded, but not kept: %s", error)
        return features
