"""The one writer of pictures: any depth, metadata kept, whole or not at all."""

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import PurePath
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from maskwright.errors import MaskwrightError, OutputError, ShapeError
from maskwright.image import jpeg, png, tiff_write, webp
from maskwright.image.colour import from_float, to_float
from maskwright.image.photo import Photo, check_type
from maskwright.image.publish import atomic_write
from maskwright.image.source import display_name
from maskwright.image.stream import Writable
from maskwright.structures.cutout import Cutout

_ENCODERS: dict[str, Callable[..., None]] = {
    "PNG": png.encode,
    "TIFF": tiff_write.encode,
    "JPEG": jpeg.encode,
    "WEBP": webp.encode,
}
_SUFFIXES = {
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
}
_DEEPEST: dict[str, type[np.generic]] = {"PNG": np.uint16, "JPEG": np.uint8, "WEBP": np.uint8}


@runtime_checkable
class Sink(Protocol):
    """A binary file, as far as the writer needs one."""

    def write(self, data: bytes, /) -> object:
        """Take `data` in."""


def write_image(
    target: str | os.PathLike[str] | Sink,
    pixels: NDArray[Any],
    *,
    like: Photo | Cutout | None = None,
    format: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write pixels as PNG, TIFF, JPEG or WebP.

    Args:
        target: A path, which then holds the whole file or what it held before; or a binary file.
        pixels: (h, w), (h, w, 3) or (h, w, 4) with straight alpha; bool, uint8, uint16, or
            float32 in [0, 1]. What is too deep for the format (float32 for PNG, all but 8 bit for
            JPEG and WebP) is rounded half to even to the deepest it has.
        like: Whose colour profile (RGB only), EXIF block and DPI to write.
        format: "png", "tiff", "jpeg" or "webp"; by default the suffix of the path decides.
        overwrite: Whether a file of that name may be replaced.

    Raises:
        ShapeError: If `pixels` has another shape.
        UsageError: If it has another type.
        ImageError: If a floating-point value is not finite or not in [0, 1].
        OutputError: If the format is unknown or cannot hold this, the file exists already, or
            it cannot be written.
    """
    name = display_name(target) if isinstance(target, str | os.PathLike) else "the output"
    kind = _format(name, format)
    ready = _ready(name, pixels, kind)
    metadata = _metadata(like, is_colour=ready.shape[2] >= 3)
    if isinstance(target, str | os.PathLike):
        with atomic_write(target, overwrite=overwrite) as stream:
            _encode(stream, ready, kind, name=name, metadata=metadata)
        return
    buffer = BytesIO()  # TIFF is not written from front to back, and a pipe cannot go back
    _encode(buffer, ready, kind, name=name, metadata=metadata)
    target.write(buffer.getvalue())


def _format(name: str, format: str | None) -> str:
    suffix = f".{format.lower().lstrip('.')}" if format else PurePath(name).suffix.lower()
    if suffix not in _SUFFIXES:
        raise OutputError(
            f"{name}: a picture is written as .png, .tif, .jpg or .webp,"
            f" got {suffix or 'no suffix'}; choose one of these"
        )
    return _SUFFIXES[suffix]


def _ready(name: str, pixels: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return (h, w, c) pixels of a type the format can hold."""
    if pixels.ndim not in {2, 3} or pixels.size == 0 or pixels.shape[2:] not in {(), (3,), (4,)}:
        raise ShapeError(
            f"{name}: pixels must be (h, w), (h, w, 3) or (h, w, 4), got {pixels.shape}"
        )
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    check_type(pixels, name)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    deepest = _DEEPEST.get(kind)
    if deepest and pixels.dtype.itemsize > np.dtype(deepest).itemsize:
        pixels = from_float(to_float(pixels), deepest)
    return np.ascontiguousarray(pixels)


def _metadata(like: Photo | Cutout | None, *, is_colour: bool) -> dict[str, Any]:
    if like is None:
        return {}
    profile = like.icc_profile if is_colour else None
    return {"icc_profile": profile, "exif": like.exif, "dpi": like.dpi}


def _encode(
    stream: Writable,
    pixels: NDArray[Any],
    kind: str,
    *,
    name: str,
    metadata: dict[str, Any],
) -> None:
    try:
        _ENCODERS[kind](stream, pixels, **metadata)
    except OutputError as error:
        raise OutputError(f"{name}: {error}") from error
    except (MaskwrightError, OSError):
        raise
    except Exception as error:
        raise OutputError(f"{name}: cannot be written as {kind} ({error})") from error
