"""From an object of a document to its mask, trimap, alpha and cut-out, at the photo's size or less.

Everything takes the photo and the object, so that previews and exports are made by one code.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy.typing import NDArray

from maskwright.app.document import Object, Refine
from maskwright.errors import TrimapError
from maskwright.image.colour import to_float
from maskwright.image.photo import Photo
from maskwright.image.resize import resize
from maskwright.image.strokes import stroke_mask
from maskwright.image.trimap import trimap_from_mask
from maskwright.structures import rle
from maskwright.structures.cutout import Cutout
from maskwright.structures.matte import Matte
from maskwright.structures.trimap import Trimap

if TYPE_CHECKING:
    from maskwright.inference.matte import Matter


def mask_of(one: Object, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Return the mask of an object; empty if it has none yet.

    Args:
        one: The object.
        size: Height and width of its photo.
    """
    return np.zeros(size, np.bool_) if one.rle is None else rle.decode(one.rle)


def trimap_of(one: Object, photo: Photo, *, small: Photo | None = None) -> UInt8[np.ndarray, "h w"]:
    """Return the trimap of an object, with what was painted into it.

    Args:
        one: The object, with a mask; one whose edge is not refined gets a band of "auto".
        photo: Its photo.
        small: The photo at the size wanted, if another: band and strokes shrink with it.

    Raises:
        TrimapError: If its mask is empty or covers the whole photo.
    """
    if one.rle is None:
        raise TrimapError(f"expected an object with a mask, {one.number} has none yet; click on it")
    seen = photo if small is None else small
    scale = seen.size[1] / photo.size[1]
    refine = one.refine if one.refine is not None else Refine("auto", "")
    band = refine.band if isinstance(refine.band, str) else max(1, round(refine.band * scale))
    mask = _shown_mask(shrunk_mask(mask_of(one, photo.size), seen.size))
    trimap = trimap_from_mask(mask, band, image=seen)
    for stroke in refine.strokes:
        points = [(x * scale, y * scale) for x, y in stroke.points]
        trimap[stroke_mask(points, stroke.radius * scale, seen.size)] = stroke.value
    return trimap


def _shown_mask(covered: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Return where a mask is, from the shares that it covers; thin objects and gaps stay."""
    mask = covered >= 0.5
    if not mask.any():
        return covered > 0
    return covered == 1 if mask.all() else mask


def seen_alpha(photo: Photo, matte: Matte) -> Float32[np.ndarray, "h w"]:
    """Return the alpha of a matte where the photo itself is not transparent."""
    alpha = np.asarray(matte.alpha, np.float32)
    return alpha if photo.alpha is None else alpha * to_float(photo.alpha)


def shrunk_mask(
    mask: Bool[np.ndarray, "h w"], size: tuple[int, int]
) -> Float32[np.ndarray, "small_h small_w"]:
    """Return which share of each pixel of a smaller photo a mask covers."""
    return to_float(resize(mask.astype(np.uint8) * np.uint8(255), size))


def matte_of(one: Object, photo: Photo, matter: "Matter | None" = None) -> Matte:
    """Return the matte of an object at the photo's size.

    Args:
        one: The object; without settings to refine it, its mask is the matte.
        photo: Its photo.
        matter: The network that its settings name.

    Raises:
        TrimapError: As for `trimap_of`.
        MemoryBudgetError: If the matter may not use as much memory as it needs.
    """
    if one.refine is None:
        return Matte(mask_of(one, photo.size).astype(np.float32))
    assert matter is not None
    return matter.matte(photo, Trimap(trimap_of(one, photo)))


def small_matte_of(
    one: Object, photo: Photo, matter: "Matter | None" = None, *, small: Photo
) -> Matte:
    """Return about the matte of an object, computed at a smaller size: for looking at.

    Args:
        one: As for `matte_of`.
        photo: Its photo.
        matter: As for `matte_of`.
        small: The photo at the size wanted.

    Raises:
        TrimapError: As for `trimap_of`.
        MemoryBudgetError: As for `matte_of`.
    """
    if small.size == photo.size:
        return matte_of(one, photo, matter)
    if one.refine is None:
        return Matte(shrunk_mask(mask_of(one, photo.size), small.size))
    assert matter is not None
    return matter.matte(small, Trimap(trimap_of(one, photo, small=small)))


def shrunk(photo: Photo, side: int) -> Photo:
    """Return a photo whose longer side is at most `side` pixels."""
    size = shrunk_size(photo.size, side)
    if size == photo.size:
        return photo
    alpha = None if photo.alpha is None else resize(photo.alpha, size)
    return replace(photo, pixels=resize(photo.pixels, size), alpha=alpha)


def shrunk_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return a size of the same shape whose longer side is at most `side` pixels."""
    longer = max(size)
    if longer <= side:
        return size
    height, width = (max(1, round(length * side / longer)) for length in size)
    return height, width


def cut_out_by(photo: Photo, matte: Matte, decontaminate: float = 1.0) -> Cutout:
    """Return the cut-out, its soft pixels freed of the background's colour by an amount.

    Args:
        photo: The photo.
        matte: Of its size.
        decontaminate: 0 keeps the photo's colours, 1 takes the object's own.

    Raises:
        ShapeError: If photo and matte differ in size.
    """
    from maskwright.inference.cutout import cut_out

    whole = cut_out(photo, matte, decontaminate=decontaminate > 0)
    if decontaminate in (0, 1):
        return whole
    colours: NDArray[Any] = whole.rgba[..., :3]
    mixed = photo.pixels + (colours - photo.pixels.astype(np.float32)) * np.float32(decontaminate)
    np.copyto(colours, np.rint(mixed) if colours.dtype.kind == "u" else mixed, casting="unsafe")
    return whole
