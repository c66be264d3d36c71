"""Trimaps for training: what the alpha calls sure, shrunk by random amounts."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from maskwright.data.composition import NEAREST, pick

SURE = 1e-5  # alpha within this of 0 or 1 is known
SOFT_MARGIN = 0.02  # predicted alphas are seldom exactly 0 or 1
LARGEST_PX = 29  # of the elliptic elements that shrink the known parts


def shrunk_trimap(
    alpha: Float32[np.ndarray, "h w"], *, foreground_px: int, background_px: int
) -> UInt8[np.ndarray, "h w"]:
    """Return the trimap whose known parts are eroded once by ellipses of the given sizes.

    Args:
        alpha: 1 in the foreground, 0 in the background.
        foreground_px: Side of the element that shrinks the foreground; 1 leaves it as it is.
        background_px: The same for the background.

    Returns:
        255 where foreground is left, 0 where background is left, 128 elsewhere. Nothing is
        eroded from the border of the image.
    """
    trimap = np.full(alpha.shape, 128, np.uint8)
    trimap[_eroded(alpha >= 1 - SURE, foreground_px)] = 255
    trimap[_eroded(alpha <= SURE, background_px)] = 0
    return trimap


def random_trimap(
    alpha: Float32[np.ndarray, "h w"],
    rng: np.random.Generator,
    *,
    side_px: int | None = None,
    interpolations: tuple[int, ...] = NEAREST,
) -> UInt8[np.ndarray, "h w"]:
    """Return `shrunk_trimap` with both elements drawn from 1 to 29 pixels.

    Args:
        alpha: 1 in the foreground, 0 in the background.
        rng: Draws the interpolation, then the foreground's element, then the background's.
        side_px: Work on a square of this side and enlarge the result (MEMatte: 640), so that the
            band grows with the image; None works at full resolution (A2U).
        interpolations: OpenCV interpolations to draw from when resizing alpha to the square.

    Returns:
        The trimap, 0, 128 or 255, in alpha's size.
    """
    small = alpha
    if side_px is not None:
        small = cv2.resize(alpha, (side_px, side_px), interpolation=pick(rng, interpolations))
    foreground_px, background_px = rng.integers(1, LARGEST_PX + 1, 2).tolist()
    trimap = shrunk_trimap(small, foreground_px=foreground_px, background_px=background_px)
    return cv2.resize(trimap, alpha.shape[::-1], interpolation=cv2.INTER_NEAREST)


def _eroded(mask: np.ndarray, side_px: int) -> np.ndarray:
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side_px, side_px))
    return cv2.erode(mask.astype(np.uint8), element) > 0


def wavering_trimap(
    alpha: Float32[np.ndarray, "h w"], rng: np.random.Generator, *, band_px: float
) -> UInt8[np.ndarray, "h w"]:
    """Return a trimap whose band is wide here and narrow there, as people paint them.

    Args:
        alpha: 1 in the foreground, 0 in the background.
        rng: Draws a smooth field of factors, about 0.2 to 1.8.
        band_px: Mean distance that the band reaches beyond the soft pixels.

    Returns:
        0 background, 128 unknown, 255 foreground.
    """
    height, width = alpha.shape
    coarse = rng.uniform(0.2, 1.8, (4, 4)).astype(np.float32)
    reach = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * band_px
    is_sure = (alpha >= 1 - SOFT_MARGIN) | (alpha <= SOFT_MARGIN)
    inside = (alpha >= 0.5).astype(np.uint8)
    edge = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    soft = (~is_sure | (edge > 0)).astype(np.uint8)
    distance = cv2.distanceTransform(1 - soft, cv2.DIST_L2, cv2.DIST_MASK_3)
    trimap = np.where(alpha >= 0.5, 255, 0).astype(np.uint8)
    trimap[distance <= np.maximum(reach, 1)] = 128
    return trimap
