"""Pictures of one object for the page: its trimap, its alpha, its cut-out; at most so large."""

import time
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from maskwright.app.document import Object
from maskwright.app.gallery import Found
from maskwright.app.kept import Kept
from maskwright.app.networks import Networks
from maskwright.app.rendering import cut_out_by, seen_alpha, shrunk, small_matte_of, trimap_of
from maskwright.errors import TrimapError
from maskwright.image.colour import at_depth, from_float, network_rgb
from maskwright.image.io import write_image
from maskwright.image.photo import Photo
from maskwright.structures.matte import Matte

_MATTES_BYTES = 96 * 2**20


class _Made(NamedTuple):
    """A matte, its alpha where the photo is to be seen, and the seconds that both took."""

    matte: Matte
    alpha: Float32[np.ndarray, "h w"]
    seconds: float


class Previews:
    """Pictures of objects; all methods are called in the networks' lane.

    Args:
        networks: Which refine edges.
    """

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self._mattes: Kept[_Made] = Kept(_MATTES_BYTES)

    def trimap(self, found: Found, one: Object, side: int | None) -> bytes:
        """Return the trimap as a grey PNG of 0, 128 and 255.

        Raises:
            TrimapError: If the object has no mask, or no background.
        """
        photo = self.networks.gallery.read(found)
        return _png(trimap_of(one, photo, small=None if side is None else shrunk(photo, side)))

    def alpha(self, found: Found, one: Object, side: int) -> tuple[bytes, float]:
        """Return the alpha as a grey PNG of 8 bit, and the seconds that the network took.

        Raises:
            TrimapError: If the object has no mask, or the whole photo is the object.
        """
        made = self._made(found, one, side)
        return _png(from_float(made.alpha, np.uint8)), made.seconds

    def cutout(self, found: Found, one: Object, side: int, decontaminate: float) -> bytes:
        """Return the cut-out as a PNG of 8 bit with straight alpha, in sRGB.

        Raises:
            TrimapError: As for `alpha`.
        """
        matte = self._made(found, one, side).matte
        small = shrunk(self.networks.gallery.read(found), side)
        alpha = None if small.alpha is None else at_depth(small.alpha, np.uint8)
        shown = Photo(from_float(network_rgb(small), np.uint8), alpha=alpha, source=small.source)
        return _png(cut_out_by(shown, matte, decontaminate).rgba)

    def _made(self, found: Found, one: Object, side: int) -> _Made:
        if one.rle is None:
            raise TrimapError(
                f"expected an object with a mask, {one.number} has none yet; click on it"
            )
        key = found.id, found.stamp, one.number, one.state_hash, side
        known = self._mattes.get(key)
        if known is not None:
            return known
        photo = self.networks.gallery.read(found)
        matter = None if one.refine is None else self.networks.matter(one.refine.model)
        small, started = shrunk(photo, side), time.perf_counter()
        matte = small_matte_of(one, photo, matter, small=small)
        made = _Made(matte, seen_alpha(small, matte), time.perf_counter() - started)
        arrays = 1 if small.alpha is None else 2  # without transparency both are one
        self._mattes.put(key, made, arrays * matte.alpha.nbytes)
        return made


def _png(pixels: NDArray[Any]) -> bytes:
    stream = BytesIO()
    write_image(stream, pixels, format="png")
    return stream.getvalue()
