"""Distances in a mask that are the same wherever in memory it lies.

OpenCV's exact transform takes roots in ways that differ by the last bit with the place of its
buffers. Where a distance is compared with a width, that bit decides about pixels, and two runs of
one photo would differ.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float32


def edge_distance(mask: Bool[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Return how far each pixel of a mask is from the nearest that is not of it, in pixels.

    0 beside the mask; the root of a whole number, up to some 2000 pixels away.

    Args:
        mask: Not True everywhere.
    """
    found = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance = np.asarray(found, np.float32)
    np.multiply(distance, distance, out=distance)
    np.rint(distance, out=distance)  # between two pixels' centres, squares are whole
    return np.sqrt(distance, out=distance)
