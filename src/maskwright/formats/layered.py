"""Layered files for image editors: PSD, and TIFF with the layers that Photoshop keeps in it.

Each layer has a mask of its own, so that an edge can still be moved in the editor. Both need the
extra `psd`. Adobe, "Photoshop File Formats Specification" (2019).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from maskwright.errors import DataError, MissingExtraError, OutputError, ShapeError, UsageError
from maskwright.image.colour import from_float, to_float
from maskwright.image.photo import Photo
from maskwright.image.publish import atomic_write, check_target
from maskwright.image.source import display_name
from maskwright.structures.cutout import Cutout

FORMATS = {".psd": "psd", ".tif": "layered_tiff", ".tiff": "layered_tiff"}
MOST_NAME = 255


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: colours, where they lie, and how much of them is seen.

    Args:
        name: Of one character or more, at most 255.
        pixels: (h, w, 3), uint8 or uint16.
        x: Of the left edge, in pixels from that of the document.
        y: Of the top edge.
        mask: (h, w) of the same type: full scale is seen, 0 is not; None sees all.
        visible: Whether it is shown.

    Raises:
        ShapeError: If pixels are not (h, w, 3), or the mask not (h, w).
        UsageError: If their type is another, or the name is empty or too long.
    """

    name: str
    pixels: NDArray[Any]
    x: int = 0
    y: int = 0
    mask: NDArray[Any] | None = None
    visible: bool = True

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= MOST_NAME:
            raise UsageError(
                f"a layer's name must have 1 to {MOST_NAME} characters, got {len(self.name)}"
            )
        shape, dtype = self.pixels.shape, self.pixels.dtype
        if len(shape) != 3 or shape[2] != 3 or self.pixels.size == 0:
            raise ShapeError(f"layer {self.name}: pixels must be (h, w, 3), got {shape}")
        if dtype not in (np.uint8, np.uint16):
            raise UsageError(f"layer {self.name}: pixels must be uint8 or uint16, got {dtype}")
        if self.mask is not None and (self.mask.shape != shape[:2] or self.mask.dtype != dtype):
            raise ShapeError(
                f"layer {self.name}: the mask must be {shape[:2]} {dtype} like the pixels,"
                f" got {self.mask.shape} {self.mask.dtype}"
            )

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Edges (x0, y0, x1, y1) in the document."""
        height, width = self.pixels.shape[:2]
        return self.x, self.y, self.x + width, self.y + height

    @property
    def alpha(self) -> NDArray[Any]:
        """The mask, or full scale everywhere."""
        if self.mask is not None:
            return self.mask
        full = np.iinfo(self.pixels.dtype).max
        return np.full(self.pixels.shape[:2], full, self.pixels.dtype)


def write_layered(
    file: str | os.PathLike[str],
    layers: Sequence[Layer],
    size: tuple[int, int],
    *,
    like: Photo | Cutout | None = None,
    overwrite: bool = False,
) -> None:
    """Write layers as `.psd`, or as `.tif` with Photoshop's layers; the suffix decides.

    Programs that know no layers see what all visible ones show together.

    Args:
        file: Its path.
        layers: One or more of the same depth, the lowest first.
        size: Height and width of the document.
        like: Whose colour profile, EXIF block and DPI to write.
        overwrite: Whether the file may be replaced.

    Raises:
        UsageError: If there is no layer, depths differ, or one lies outside the document.
        MissingExtraError: If the extra `psd` is not installed.
        OutputError: If the suffix is another, the document is too large for the format, or the
            file exists and may not be replaced, or cannot be written.
    """
    writer = _format(file)
    _check(layers, size)
    check_target(file, overwrite=overwrite)
    together = flattened(layers, size)
    with atomic_write(file, overwrite=overwrite) as stream:
        try:
            writer.encode(stream, layers, together, like=like)
        except OutputError as error:
            raise OutputError(f"{display_name(file)}: {error}") from error


def read_layered(file: str | os.PathLike[str]) -> list[Layer]:
    """Return the layers of a PSD, or of a TIFF that holds Photoshop's layers; the lowest first.

    Args:
        file: Its path; RGB of 8 or 16 bit. Groups and effects are passed over.

    Raises:
        DataError: If it is damaged, in other colours or another depth, or holds no layers.
        MissingExtraError: If the extra `psd` is not installed.
        OutputError: If the suffix is another.
    """
    reader, name = _format(file), display_name(file)
    try:
        with Path(file).open("rb") as stream:
            layers: list[Layer] = reader.decode(stream)
    except (DataError, MissingExtraError):
        raise
    except Exception as error:  # whatever a decoder of foreign files raises
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{name}: expected a file with layers in RGB of 8 or 16 bit, got one that cannot be"
            f" read ({reason}); save it again"
        ) from error
    if not layers:
        raise DataError(f"{name}: expected a file with layers, got none; save it with its layers")
    return layers


def flattened(layers: Sequence[Layer], size: tuple[int, int]) -> NDArray[Any]:
    """Return what the visible layers show together, (h, w, 4), straight alpha.

    Each is laid over those before it: α = αₛ + (1 - αₛ) αᵤ, α C = αₛ Cₛ + (1 - αₛ) αᵤ Cᵤ.

    Args:
        layers: The lowest first.
        size: Height and width.
    """
    colour: Float32[np.ndarray, "h w 3"] = np.zeros((*size, 3), np.float32)
    alpha: Float32[np.ndarray, "h w"] = np.zeros(size, np.float32)
    for layer in layers:
        if not layer.visible:
            continue
        x0, y0, x1, y1 = layer.box
        above, over = to_float(layer.pixels), to_float(layer.alpha)
        below = alpha[y0:y1, x0:x1] * (1 - over)
        total = over + below
        share = np.divide(over, total, out=np.zeros_like(over), where=total > 0)[..., None]
        colour[y0:y1, x0:x1] += share * (above - colour[y0:y1, x0:x1])
        alpha[y0:y1, x0:x1] = total
    rgba = np.concatenate([colour, alpha[..., None]], axis=-1)
    return from_float(np.clip(rgba, 0, 1), layers[0].pixels.dtype)


def placed(
    mask: NDArray[Any], at: tuple[int, int], size: tuple[int, int], *, outside: int
) -> NDArray[Any]:
    """Return a mask of `size` with a smaller or larger one laid into it.

    Args:
        mask: What is laid.
        at: (x, y) of its corner.
        size: Height and width wanted.
        outside: The value beside it.
    """
    whole = np.full(size, outside, mask.dtype)
    x, y = at
    part = mask[max(0, -y) : max(0, size[0] - y), max(0, -x) : max(0, size[1] - x)]
    top, left = max(0, y), max(0, x)
    whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    return whole


def _format(file: str | os.PathLike[str]) -> ModuleType:
    suffix = Path(file).suffix.lower()
    if suffix not in FORMATS:
        raise OutputError(
            f"{display_name(file)}: layers are kept in .psd or .tif, got {suffix or 'no suffix'};"
            " choose one of these"
        )
    try:
        return import_module(f"maskwright.formats.{FORMATS[suffix]}")
    except ImportError as error:
        raise MissingExtraError(
            "files with layers need an extra that is not installed; run:"
            " pip install 'maskwright[psd]'"
        ) from error


def _check(layers: Sequence[Layer], size: tuple[int, int]) -> None:
    if not layers or len({layer.pixels.dtype for layer in layers}) != 1:
        depths = sorted({str(layer.pixels.dtype) for layer in layers})
        raise UsageError(
            f"a file needs one layer or more of one depth, got {len(layers)} ({', '.join(depths)});"
            " convert them"
        )
    for layer in layers:
        x0, y0, x1, y1 = layer.box
        if x0 < 0 or y0 < 0 or x1 > size[1] or y1 > size[0]:
            raise UsageError(
                f"layer {layer.name} must lie in the document, {size[1]} x {size[0]},"
                f" got {layer.box}; cut it"
            )
