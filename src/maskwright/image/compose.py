"""A foreground in front of something else, and how that something is named."""

import re
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import NDArray
from PIL import ImageColor

from maskwright.errors import ShapeError, UsageError
from maskwright.image.resize import resize


def compose(
    foreground: Float[np.ndarray, "h w 3"],
    alpha: Float[np.ndarray, "alpha_h alpha_w"],
    background: NDArray[Any],
) -> Float32[np.ndarray, "h w 3"]:
    """Return alpha F + (1 - alpha) B.

    Args:
        foreground: Colours F in [0, 1], straight: not multiplied by alpha.
        alpha: The foreground's share of each pixel, in [0, 1].
        background: One colour (3,), or a picture (h, w, 3) whose middle is taken as by `cover`;
            in [0, 1].

    Raises:
        ShapeError: If foreground and alpha differ in size, or an array has another shape.
        UsageError: If an array is not floating point.
    """
    if alpha.ndim != 2 or foreground.shape != (*alpha.shape, 3):
        raise ShapeError(
            "foreground must be (h, w, 3) and alpha (h, w) of the same size,"
            f" got {foreground.shape} and {alpha.shape}; resize one to the other"
        )
    if background.shape != (3,) and (background.ndim != 3 or background.shape[2] != 3):
        raise ShapeError(
            "a background must be one colour (3,) or a picture (h, w, 3),"
            f" got the shape {background.shape}"
        )
    for name, array in (("foreground", foreground), ("alpha", alpha), ("background", background)):
        if array.dtype.kind != "f":
            raise UsageError(
                f"{name} must be floating point in [0, 1], got {array.dtype};"
                " convert it with maskwright.image.colour.to_float"
            )
    behind = background if background.ndim == 1 else cover(background, alpha.shape)
    share = alpha[..., None].astype(np.float32, copy=False)
    composed: NDArray[np.float32] = np.multiply(foreground, share, dtype=np.float32)
    composed += (1 - share) * behind.astype(np.float32, copy=False)
    return composed


def cover(picture: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    """Return the middle of a picture (h, w, 3), scaled so that it just covers `size`, (h, w)."""
    height, width = picture.shape[:2]
    scale = max(size[0] / height, size[1] / width)
    kept_height = min(height, max(1, round(size[0] / scale)))
    kept_width = min(width, max(1, round(size[1] / scale)))
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    middle = picture[top : top + kept_height, left : left + kept_width]
    return middle if middle.shape[:2] == size else resize(middle, (size[0], size[1]))


def parse_colour(text: str) -> Float32[np.ndarray, "3"]:
    """Return the sRGB colour, in [0, 1], of a CSS name, `#rgb`, `#rrggbb`, or `r,g,b` to 255.

    Raises:
        UsageError: If it is none of these.
    """
    plain = text.strip().lower()
    numbers = re.fullmatch(r"(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})", plain)
    if numbers:
        channels = [int(number) for number in numbers.groups()]
    elif plain in ImageColor.colormap or re.fullmatch(r"#[0-9a-f]{3}|#[0-9a-f]{6}", plain):
        channels = list(ImageColor.getrgb(plain))
    else:
        channels = []
    if not channels or max(channels) > 255:
        raise UsageError(
            f"a colour must be a name such as white, #rgb, #rrggbb, or r,g,b from 0 to 255,"
            f" got {text!r}"
        )
    return np.array(channels, np.float32) / 255
