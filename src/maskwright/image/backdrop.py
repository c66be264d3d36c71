"""What stands behind a cut-out that is not left transparent: a colour, or a photo."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from maskwright.errors import UsageError
from maskwright.image.colour import from_float, from_srgb, network_rgb, to_float
from maskwright.image.compose import compose, parse_colour
from maskwright.image.io import read_photo
from maskwright.structures.cutout import Cutout

Backdrop = Float32[np.ndarray, "3"] | Float32[np.ndarray, "h w 3"]


def parse_backdrop(text: str) -> Backdrop:
    """Return the sRGB pixels of a photo if `text` names a file, else the colour it names.

    A photo that is transparent somewhere lies on white.

    Raises:
        UsageError: If it is neither.
        ImageError: If the photo cannot be read.
    """
    if Path(text).is_file():
        photo = read_photo(text)
        pixels = network_rgb(photo)
        if photo.alpha is None:
            return pixels
        return compose(pixels, to_float(photo.alpha), np.ones(3, np.float32))
    try:
        return parse_colour(text)
    except UsageError as error:
        raise UsageError(f"--background must be a photo or a colour; {error}") from error


def compose_on(cut: Cutout, backdrop: Backdrop) -> NDArray[np.generic]:
    """Return the cut-out before its backdrop, (h, w, 3) in the depth of the cut-out.

    Args:
        cut: The cut-out, in the colour space of its profile, which is that of the result.
        backdrop: In sRGB, [0, 1]; one colour, or a picture whose middle is taken.
    """
    colour, alpha = to_float(cut.rgba[..., :3]), to_float(cut.rgba[..., 3])
    behind = from_srgb(backdrop, cut.icc_profile)
    return from_float(compose(colour, alpha, behind), cut.rgba.dtype)
