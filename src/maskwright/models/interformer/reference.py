"""Reference maps: what clicks and earlier masks say of each pixel, section 3.2.

States: 0 background, 1 possibly background, 2 unknown, 3 possibly the object, 4 the object. Maps
are uint8, (…, height, width). Functions return new maps.
"""

import math

import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from maskwright.structures.box import Box

UNKNOWN = 2
BACKGROUND, OBJECT = 0, 4
CLICK_RADIUS_PX = 5
ZOOM, REGION_PX = 1.4, 32
# One step towards the prediction; what was clicked stays.
_TOWARDS_BACKGROUND = (0, 1, 1, 2, 4)
_TOWARDS_OBJECT = (0, 2, 3, 3, 4)


def unknown_map(size: tuple[int, int], *, batch: int = 1) -> UInt8[Tensor, "batch 1 height width"]:
    """Return maps on which nothing is known yet."""
    return torch.full((batch, 1, *size), UNKNOWN, dtype=torch.uint8)


def with_click(
    reference: UInt8[Tensor, "*axes height width"],
    pixel: tuple[int, int],
    *,
    positive: bool,
    radius_px: int = CLICK_RADIUS_PX,
) -> UInt8[Tensor, "*axes height width"]:
    """Return the map with a disk of certainty around a click; it covers older clicks.

    Args:
        reference: The map before.
        pixel: Row and column of the click.
        positive: On the object.
        radius_px: Of the disk: pixels whose centres are at most so far from the pixel's.
    """
    height, width = reference.shape[-2:]
    rows = torch.arange(height, device=reference.device)[:, None] - pixel[0]
    columns = torch.arange(width, device=reference.device) - pixel[1]
    disk = rows.square() + columns.square() <= radius_px**2
    return reference.masked_fill(disk, OBJECT if positive else BACKGROUND)


def with_prediction(
    reference: UInt8[Tensor, "*axes height width"], mask: Bool[Tensor, "*axes height width"]
) -> UInt8[Tensor, "*axes height width"]:
    """Return the map moved by one step towards a mask, predicted or imported.

    Args:
        reference: The map before.
        mask: True on the object.
    """
    table = reference.new_tensor([_TOWARDS_BACKGROUND, _TOWARDS_OBJECT])
    return table[mask.int(), reference.int()]


def zoom_region(
    reference: UInt8[Tensor, "height width"], mask: Bool[Tensor, "height width"]
) -> Box:
    """Return where to refine: around the last mask and all clicks, in multiples of 32 pixels.

    Args:
        reference: The map; its sides are multiples of 32.
        mask: The last prediction.
    """
    seen = mask | (reference == BACKGROUND) | (reference == OBJECT)
    if not seen.any():
        return Box(0, 0, seen.shape[1], seen.shape[0])
    (top, bottom), (left, right) = (_span(seen.any(1 - axis)) for axis in (0, 1))
    return Box(left, top, right, bottom)


def _span(seen: Bool[Tensor, " pixel"]) -> tuple[int, int]:
    """Return the first and the last edge, along one axis, of the region around what was seen."""
    at = seen.nonzero()[:, 0]
    first, last, length = int(at[0]), int(at[-1]) + 1, len(seen)
    centre, reach = (first + last) / 2, max((last - first) * ZOOM, REGION_PX) / 2
    first = math.floor(max(centre - reach, 0) / REGION_PX) * REGION_PX
    last = math.ceil(min(centre + reach, length) / REGION_PX) * REGION_PX
    return first, last
