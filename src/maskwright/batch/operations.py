"""What is done to each photo of a folder: decode, infer, encode.

Decoding and encoding run in codec processes, inference beside the networks; so `decode` and
`encode` load no torch, and an operation, which is sent to those processes, holds plain values.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8
from numpy.typing import NDArray

from maskwright.errors import DataError, MaskwrightError, UsageError
from maskwright.formats import labelme, yolo
from maskwright.formats.annotated import Annotated
from maskwright.formats.label_map import as_json, label_picture
from maskwright.formats.overlay import overlay
from maskwright.formats.palette import check_task, palette_png
from maskwright.formats.text import json_text
from maskwright.image.backdrop import Backdrop, compose_on
from maskwright.image.colour import at_depth, from_float, network_rgb
from maskwright.image.io import read_mask, read_photo
from maskwright.image.photo import DEFAULT_MAX_PIXELS, Photo
from maskwright.image.source import GIVEN_BYTES
from maskwright.image.trimap import read_trimap, trimap_from_mask
from maskwright.image.write import write_image
from maskwright.inference.cutout import cut_out
from maskwright.structures.class_list import ClassList
from maskwright.structures.matte import Matte
from maskwright.structures.segmentation import Segmentation
from maskwright.structures.trimap import UNKNOWN

PICTURES = {"png": ".png", "tiff": ".tif", "webp": ".webp", "jpeg": ".jpg"}
"""Formats of alphas and cut-outs, and how their files end."""
SEGMENTS = {
    "png": ("{}.png", "{}.json", "{}.overlay.jpg"),
    "labelme": ("{}.json",),
    "yolo": ("labels/{}.txt",),
    "palette": ("{}.png",),
}
"""Formats of segmentations with files for each photo, and their names."""
NAMES = "data.yaml"  # where YOLO's labels have the names of their classes
REVISION = 1  # raised when the same settings give other results than before


@dataclass(frozen=True)
class Source:
    """The content of a file.

    Attributes:
        content: Its bytes.
        name: What to call it in messages.
    """

    content: bytes
    name: str


@dataclass(frozen=True)
class Inferred:
    """What the networks made of a photo.

    Attributes:
        content: What `encode` takes.
        uncertainty: In [0, 1], for the report; None where there is no measure.
    """

    content: Any
    uncertainty: float | None


@dataclass(frozen=True)
class Shared:
    """A file about all photos, the same whoever writes it.

    Attributes:
        name: Its name in the folder of results.
        content: Its bytes.
        agrees: Says whether a file of that name says the same, though its bytes may differ.
    """

    name: str
    content: bytes
    agrees: Callable[[bytes], bool]


@runtime_checkable
class Lane(Protocol):
    """Loaded networks, which see one photo after the other."""

    def infer(self, decoded: Any) -> Inferred:
        """Return what they make of what `decode` returned."""


@runtime_checkable
class Operation(Protocol):
    """What is done to each photo."""

    def settings(self) -> dict[str, Any]:
        """Return what, beside input and weights, decides the results, as JSON values."""

    def networks(self) -> tuple[str, ...]:
        """Return names or files of the weights."""

    def results(self, stem: str) -> tuple[str, ...]:
        """Return the names of the results of a photo; () if its content decides them."""

    def shared(self) -> Shared | None:
        """Return what the results of all photos need beside them; None if that is nothing."""

    def measure(self) -> str | None:
        """Return what the uncertainty in the report is; None if there is none."""

    def decode(self, photo: Source, hint: Source | None) -> Any:
        """Return what the networks need."""

    def load(self) -> Lane:
        """Load the networks."""

    def encode(self, content: Any, *, name: str, stem: str) -> Mapping[str, bytes]:
        """Return the files of the results by name."""


@dataclass(frozen=True)
class Network:
    """Weights, and how to compute with them.

    Attributes:
        model: A name of the catalogue, or a file.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto", "fp32", "bf16", "fp16".
        max_memory: Resident memory that the process may use, such as "4G".
        commercial: Refuse weights that may not be used commercially.
        offline: Do not download weights.
    """

    model: str
    device: str = "auto"
    dtype: str = "auto"
    max_memory: str | None = None
    commercial: bool = False
    offline: bool = False


@dataclass(frozen=True)
class Subjects:
    """How the subject is found where no hint says what it is.

    Attributes:
        network: Finds what is in the photo.
        categories: Names of the classes wanted; () means all things.
        choice: As for `maskwright.inference.subject`.
    """

    network: Network
    categories: tuple[str, ...] = ()
    choice: str = "prominent"


@dataclass(frozen=True)
class Cut:
    """How a cut-out is made of a matte.

    Attributes:
        decontaminate: Remove the old background's colour from soft edges.
        backdrop: What to put it on, sRGB in [0, 1]; None leaves it transparent.
    """

    decontaminate: bool = True
    backdrop: Backdrop | None = None


@dataclass(frozen=True, eq=False)
class Matting:
    """Write the alpha of each photo, or its cut-out.

    Attributes:
        network: Mattes.
        hint: "trimap" or "mask", what comes with each photo; None if subjects are found.
        subjects: How, if there is no hint.
        band: Width of the unknown band around a mask's edge.
        cut: Write cut-outs; None writes alphas.
        bit_depth: Bits per channel of the results; None is the photo's own.
        max_pixels: Larger photos are refused.
        format: One of `PICTURES`.

    Raises:
        UsageError: If there is no such format, or it cannot hold what is asked for.
    """

    network: Network
    hint: str | None = None
    subjects: Subjects | None = None
    band: str | int = "auto"
    cut: Cut | None = None
    bit_depth: int | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS
    format: str = "png"

    def __post_init__(self) -> None:
        if self.format not in PICTURES:
            raise UsageError(f"a picture is written as {_one_of(PICTURES)}, got {self.format}")
        if self.format == "jpeg" and self.cut is not None and self.cut.backdrop is None:
            raise UsageError(
                "a cut-out is written as png, tiff or webp, got jpeg, which has no transparency;"
                " --background white fills what is transparent"
            )
        if self.format in ("webp", "jpeg") and self.bit_depth == 16:
            raise UsageError(
                f"a {self.format} has 8 bits per channel, got --bit-depth 16; leave it out, or"
                " write png or tiff"
            )

    def settings(self) -> dict[str, Any]:
        """Return what decides the results; PNG goes without saying, as before there was more."""
        cut = None if self.cut is None else asdict(self.cut)
        if cut is not None and self.cut is not None and self.cut.backdrop is not None:
            cut["backdrop"] = [list(self.cut.backdrop.shape), self.cut.backdrop.tobytes().hex()]
        found = self.subjects
        return {
            "does": "matting",
            "revision": REVISION,
            "dtype": self.network.dtype,
            "hint": self.hint,
            "subjects": [list(found.categories), found.choice] if found else None,
            "band": self.band,
            "cut": cut,
            "bit_depth": self.bit_depth,
        } | ({} if self.format == "png" else {"format": self.format})

    def networks(self) -> tuple[str, ...]:
        """Return the weights' names."""
        found = self.subjects
        return (self.network.model, *([found.network.model] if found else []))

    def results(self, stem: str) -> tuple[str, ...]:
        """Return the one name."""
        return (stem + PICTURES[self.format],)

    def shared(self) -> None:
        """Return None: each result is whole by itself."""

    def measure(self) -> str:
        """Return what `softness` is."""
        return "mean of 1 - |2 alpha - 1| over the pixels that the trimap left open"

    def decode(self, photo: Source, hint: Source | None) -> tuple[Photo, Any]:
        """Return the photo and its trimap, None if the subject is to be found."""
        decoded = _read(photo, self.max_pixels)
        if hint is None:
            return decoded, None
        drawn = _read(hint, self.max_pixels)
        if self.hint == "trimap":
            return decoded, read_trimap(drawn, decoded.size)
        mask = read_mask(drawn, decoded.size)
        return decoded, trimap_from_mask(mask, self.band, image=decoded)

    def load(self) -> "MattingLane":
        """Load the networks."""
        return MattingLane(self)

    def encode(
        self, content: tuple[Photo, Float32[np.ndarray, "h w"]], *, name: str, stem: str
    ) -> dict[str, bytes]:
        """Return the picture of the alpha, or of the cut-out."""
        photo, alpha = content
        depth = np.dtype(f"uint{self.bit_depth}") if self.bit_depth else photo.pixels.dtype
        if self.cut is None:
            return self._file(stem, at_depth(alpha, depth), photo)
        cut = cut_out(photo, Matte(alpha), decontaminate=self.cut.decontaminate)
        backdrop = self.cut.backdrop
        pixels = cut.rgba if backdrop is None else compose_on(cut, backdrop)
        return self._file(stem, at_depth(pixels, depth), photo)

    def _file(self, stem: str, pixels: NDArray[Any], photo: Photo) -> dict[str, bytes]:
        return {stem + PICTURES[self.format]: _picture(pixels, like=photo, format=self.format)}


class MattingLane:
    """The networks of `Matting`.

    Args:
        operation: Says which.
    """

    def __init__(self, operation: Matting) -> None:
        from maskwright.inference.matte import Matter
        from maskwright.inference.segment import Segmenter

        network, found = operation.network, operation.subjects
        self.operation = operation
        self.matter = Matter.load(
            network.model,
            device=network.device,
            dtype=network.dtype,
            max_memory=network.max_memory,
            commercial=network.commercial,
            offline=network.offline,
        )
        self.segmenter = None
        if found is not None:
            self.segmenter = Segmenter.load(
                found.network.model,
                device=found.network.device,
                commercial=found.network.commercial,
                offline=found.network.offline,
            )

    def infer(self, decoded: tuple[Photo, Any]) -> Inferred:
        """Return photo and alpha; how uncertain the alpha is, where the trimap left it open."""
        photo, trimap = decoded
        if trimap is None:
            trimap = self._trimap_of_subject(photo)
        alpha = np.asarray(self.matter.matte(photo, trimap).alpha)
        return Inferred((photo, alpha), softness(alpha, trimap))

    def _trimap_of_subject(self, photo: Photo) -> UInt8[np.ndarray, "h w"]:
        from maskwright.inference.subject import find_subjects

        found = self.operation.subjects
        assert found is not None and self.segmenter is not None
        subject = find_subjects(
            self.segmenter, photo, choice=found.choice, categories=found.categories
        )[0]
        return trimap_from_mask(subject.mask(), self.operation.band, image=photo)


def softness(alpha: Float32[np.ndarray, "h w"], trimap: UInt8[np.ndarray, "h w"]) -> float:
    """Return the mean of 1 - |2a - 1| over unknown pixels: 1 if all are one half, 0 if none is."""
    unknown = trimap == UNKNOWN
    return float((1 - np.abs(2 * alpha[unknown] - 1)).mean()) if unknown.any() else 0.0


@dataclass(frozen=True)
class Segmenting:
    """Write what is in each photo.

    Attributes:
        network: Segments.
        task: "panoptic", "instance" or "semantic".
        format: One of `SEGMENTS`: a label map with JSON and overlay, labelme's JSON, YOLO's text,
            or a picture whose palette shows the classes.
        score: Leave out what is less sure; None is the network's default.
        overlap: Leave out panoptic segments that keep less of their own mask.
        max_pixels: Larger photos are refused.

    Raises:
        UsageError: If the format is about all photos together, or cannot hold what is asked for.
    """

    network: Network
    task: str = "panoptic"
    format: str = "png"
    score: float | None = None
    overlap: float = 0.8
    max_pixels: int = DEFAULT_MAX_PIXELS

    def __post_init__(self) -> None:
        if self.format not in SEGMENTS:
            raise UsageError(
                f"a batch writes a file for each photo, as {_one_of(SEGMENTS)}, got"
                f" {self.format}; for one file about all photos use `maskwright segment`"
            )
        if self.format == "palette":
            check_task(self.task)

    def settings(self) -> dict[str, Any]:
        """Return what decides the results."""
        return {
            "does": "segmenting",
            "revision": REVISION + (self.format == "palette"),  # indices, before: now numbers
            "dtype": self.network.dtype,
            "task": self.task,
            "format": self.format,
            "thresholds": [self.score, self.overlap],
        }

    def networks(self) -> tuple[str, ...]:
        """Return the weights' name."""
        return (self.network.model,)

    def results(self, stem: str) -> tuple[str, ...]:
        """Return the names of a photo's files."""
        return tuple(name.format(stem) for name in SEGMENTS[self.format])

    def shared(self) -> Shared | None:
        """Return the list of classes that YOLO's labels are numbers of.

        Raises:
            WeightsError: If the network's weights cannot be read.
        """
        if self.format != "yolo":
            return None
        from maskwright.inference.segment import load_classes

        network = self.network
        classes = load_classes(
            network.model, commercial=network.commercial, offline=network.offline
        )
        content = yolo.names_text(classes).encode()
        return Shared(NAMES, content, lambda found: yolo.lists_names(found, classes))

    def measure(self) -> str | None:
        """Return what `doubt` is; semantic segments have no score."""
        if self.task == "semantic":
            return None
        if self.task == "instance":
            return "1 - mean score of the objects; 1 without any"
        return "1 - mean score of the pixels, where void counts 0"

    def decode(self, photo: Source, hint: Source | None) -> Photo:
        """Return the photo."""
        return _read(photo, self.max_pixels)

    def load(self) -> "SegmentingLane":
        """Load the network."""
        return SegmentingLane(self)

    def encode(
        self, content: tuple[Photo, Segmentation, ClassList], *, name: str, stem: str
    ) -> dict[str, bytes]:
        """Return the files of the format, by the names that `results` says.

        Raises:
            DataError: If the format cannot hold the photo's name, or what was found.
        """
        return dict(zip(self.results(stem), self._contents(content, name, stem), strict=True))

    def _contents(
        self, content: tuple[Photo, Segmentation, ClassList], name: str, stem: str
    ) -> tuple[bytes, ...]:
        photo, found, classes = content
        if self.format == "labelme":
            item = _annotated(PurePosixPath(name).name, found)
            return (json_text(labelme.as_json(item)[0]).encode(),)
        if self.format == "yolo":
            return (_yolo_labels(name, stem, found),)
        if self.format == "palette":
            return (palette_png(found, classes),)
        shown = overlay(from_float(network_rgb(photo), np.uint8), found, classes=classes)
        return (
            _picture(label_picture(found)),
            json_text(as_json(found)).encode(),
            _picture(shown, format="jpeg"),
        )


def _annotated(name: str, found: Segmentation) -> Annotated:
    try:
        return Annotated(name, found)
    except UsageError as error:
        raise DataError(str(error)) from error


def _yolo_labels(name: str, stem: str, found: Segmentation) -> bytes:
    """Return the labels of a photo; they are found by its name without suffix, so that is taken."""
    plain = str(PurePosixPath(name).with_suffix(""))
    if stem != plain:
        raise DataError(yolo.namesakes(plain))
    return yolo.label_text(_annotated(name, found))[0].encode()


class SegmentingLane:
    """The network of `Segmenting`.

    Args:
        operation: Says which.
    """

    def __init__(self, operation: Segmenting) -> None:
        from maskwright.inference.segment import Segmenter, Thresholds

        network = operation.network
        self.task = operation.task
        self.thresholds = Thresholds(operation.score, operation.overlap)
        self.segmenter = Segmenter.load(
            network.model,
            device=network.device,
            dtype=network.dtype,
            commercial=network.commercial,
            offline=network.offline,
        )
        if operation.format == "palette":
            self.segmenter.classes.palette()  # says now whether it has room for them

    def infer(self, decoded: Photo) -> Inferred:
        """Return the photo, what is in it, and the classes."""
        found = self.segmenter.segment(decoded, self.task, thresholds=self.thresholds)
        return Inferred((decoded, found, self.segmenter.classes), doubt(found))


def doubt(found: Segmentation) -> float | None:
    """Return how unsure a segmentation is, in [0, 1].

    Panoptic: 1 - the mean score of the pixels, void counting 0. Instance: 1 - the mean score of the
    objects, 1 without any. Semantic segments have no score: None.
    """
    if found.task == "semantic":
        return None
    if found.task == "instance":
        scores = [segment.score for segment in found.segments]
        return 1 - sum(scores) / len(scores) if scores else 1.0
    height, width = found.size
    sure = sum(segment.score * segment.area for segment in found.segments)
    return 1 - sure / (height * width)


@dataclass(frozen=True)
class Embedding:
    """Encode each photo for clicking later.

    Attributes:
        network: Clicks.
        max_pixels: Larger photos are refused.
    """

    network: Network
    max_pixels: int = DEFAULT_MAX_PIXELS

    def settings(self) -> dict[str, Any]:
        """Return what decides the results."""
        return {"does": "embedding", "revision": REVISION, "dtype": self.network.dtype}

    def networks(self) -> tuple[str, ...]:
        """Return the weights' name."""
        return (self.network.model,)

    def results(self, stem: str) -> tuple[str, ...]:
        """Return (): features are found by what they were made of."""
        return ()

    def shared(self) -> None:
        """Return None: each file of features is whole by itself."""

    def measure(self) -> None:
        """Return None: nothing is decided yet."""

    def decode(self, photo: Source, hint: Source | None) -> Photo:
        """Return the photo."""
        return _read(photo, self.max_pixels)

    def load(self) -> "EmbeddingLane":
        """Load the network."""
        return EmbeddingLane(self.network)

    def encode(self, content: tuple[str, bytes], *, name: str, stem: str) -> dict[str, bytes]:
        """Return the features under their name in a store."""
        return dict([content])


class EmbeddingLane:
    """The network of `Embedding`.

    Args:
        network: Its weights.
    """

    def __init__(self, network: Network) -> None:
        from maskwright.inference.click import Clicker

        self.clicker = Clicker.load(
            network.model,
            device=network.device,
            dtype=network.dtype,
            commercial=network.commercial,
            offline=network.offline,
        )

    def infer(self, decoded: Photo) -> Inferred:
        """Return the features' name in a store, and their file."""
        from maskwright.batch.store import file_name
        from maskwright.inference.features import as_file

        features = self.clicker.encode(decoded)
        return Inferred((file_name(features.image, features.weights), as_file(features)), None)


def _read(source: Source, max_pixels: int) -> Photo:
    """Return the photo that bytes hold, under its own name."""
    try:
        photo = read_photo(source.content, max_pixels=max_pixels)
    except MaskwrightError as error:
        raise type(error)(str(error).replace(GIVEN_BYTES, source.name)) from error
    return replace(photo, source=source.name)


def _one_of(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}"


def _picture(pixels: NDArray[Any], *, like: Photo | None = None, format: str = "png") -> bytes:
    buffer = BytesIO()
    write_image(buffer, pixels, like=like, format=format)
    return buffer.getvalue()
