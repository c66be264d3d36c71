"""Arrays of pixels in another size."""

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from maskwright.errors import ShapeError, UsageError

Kind = Literal["auto", "area", "linear", "cubic", "lanczos", "nearest"]
_FILTERS = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
_DIRECT = {np.dtype(name) for name in ("u1", "u2", "f4", "f8")}
_CHANNELS_AT_ONCE = 4


def resize(array: NDArray[Any], size: tuple[int, int], *, kind: Kind = "auto") -> NDArray[Any]:
    """Return `array` in another size, of the same type.

    Pixels are areas: the edges of the picture stay its edges, as in PyTorch with
    `align_corners=False`. Beyond an edge its pixels are repeated.

    Args:
        array: (h, w) or (h, w, c).
        size: The new height and width.
        kind: "area" averages what a new pixel covers: for shrinking. "linear", "cubic" and
            "lanczos" interpolate between pixels: for enlarging; when shrinking they skip pixels.
            "nearest" copies the pixel under the new one's centre: for labels and masks.
            "auto" is area along an axis that shrinks and cubic along one that grows.
            Integers are rounded; results of cubic and lanczos do not leave the range of the input.

    Raises:
        ShapeError: If the array has another number of axes or no pixels, or the size is empty.
        UsageError: If the kind is unknown, or a bool array would have to be interpolated.
    """
    if array.ndim not in {2, 3} or array.size == 0:
        raise ShapeError(
            f"an array to resize must be (h, w) or (h, w, c), got the shape {array.shape}"
        )
    if min(size) < 1:
        raise ShapeError(f"a size must be a height and a width of at least 1, got {size}")
    if kind != "auto" and kind != "nearest" and kind not in _FILTERS:
        raise UsageError(f"a kind must be auto, nearest, {', '.join(_FILTERS)}, got {kind!r}")
    if array.shape[:2] == tuple(size):
        return array.copy()
    if kind == "nearest":
        return _nearest(array, size)
    if array.dtype.kind not in "uif":
        raise UsageError(
            f"only numbers can be interpolated, got {array.dtype};"
            " use kind='nearest', or convert it to floating point"
        )
    if kind != "auto":
        return _interpolate(array, size, _FILTERS[kind])
    shrunk = (min(size[0], array.shape[0]), min(size[1], array.shape[1]))
    if shrunk != array.shape[:2]:
        array = _interpolate(array, shrunk, cv2.INTER_AREA)
    if shrunk != tuple(size):
        array = _interpolate(array, size, cv2.INTER_CUBIC)
    return array


def _nearest(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for old, new in zip(array.shape[:2], size, strict=True)
    )
    return array[rows[:, None], columns]


def _interpolate(array: NDArray[Any], size: tuple[int, int], method: int) -> NDArray[Any]:
    if array.dtype in _DIRECT:
        resized = _with_opencv(array, size, method)
    else:
        wide = np.float32 if array.dtype == np.float16 else np.float64
        resized = _with_opencv(array.astype(wide), size, method)
        if array.dtype.kind in "ui":
            np.rint(resized, out=resized)
    if method in {cv2.INTER_CUBIC, cv2.INTER_LANCZOS4} and resized.dtype.kind == "f":
        np.clip(resized, array.min(), array.max(), out=resized)
    return resized.astype(array.dtype, copy=False)


def _with_opencv(array: NDArray[Any], size: tuple[int, int], method: int) -> NDArray[Any]:
    channels = 1 if array.ndim == 2 else array.shape[2]
    flat = np.ascontiguousarray(array).reshape(*array.shape[:2], channels)
    resized = np.empty((*size, channels), array.dtype)
    for first in range(0, channels, _CHANNELS_AT_ONCE):  # more at once is not always supported
        part = np.ascontiguousarray(flat[..., first : first + _CHANNELS_AT_ONCE])
        done = cv2.resize(part, (size[1], size[0]), interpolation=method)
        resized[..., first : first + _CHANNELS_AT_ONCE] = done.reshape(*size, -1)
    return resized.reshape(*size, *array.shape[2:])
