"""What stands behind a cut-out that is not left transparent: a colour, or a photo."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from maskwright.image.colour import from_float, network_rgb, to_float
from maskwright.image.compose import compose, parse_colour
from maskwright.image.io import read_photo
from maskwright.image.resize import resize
from maskwright.structures.cutout import Cutout

Backdrop = Float32[np.ndarray, "3"] | Float32[np.ndarray, "h w 3"]


def parse_backdrop(text: str) -> Backdrop:
    """Return the pixels of a photo if `text` names a file, else the colour it names.

    Raises:
        UsageError: If it is neither.
        ImageError: If the photo cannot be read.
    """
    return network_rgb(read_photo(text)) if Path(text).is_file() else parse_colour(text)


def compose_on(cut: Cutout, backdrop: Backdrop) -> NDArray[np.generic]:
    """Return the cut-out before its backdrop, (h, w, 3) in the depth of the cut-out."""
    behind = backdrop if backdrop.ndim == 1 else cover(backdrop, cut.size)
    colour, alpha = to_float(cut.rgba[..., :3]), to_float(cut.rgba[..., 3])
    return from_float(compose(colour, alpha, behind), cut.rgba.dtype)


def cover(
    pixels: Float32[np.ndarray, "h w 3"], size: tuple[int, int]
) -> Float32[np.ndarray, "new_h new_w 3"]:
    """Return the middle of a picture, scaled so that it just covers `size`."""
    height, width = pixels.shape[:2]
    scale = max(size[0] / height, size[1] / width)
    scaled = max(size[0], round(height * scale)), max(size[1], round(width * scale))
    top, left = (scaled[0] - size[0]) // 2, (scaled[1] - size[1]) // 2
    return resize(pixels, scaled)[top : top + size[0], left : left + size[1]]
