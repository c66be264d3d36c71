"""Where a network with refining blocks looks closer: around the last mask and all clicks.

Huang et al., "InterFormer: Real-time Interactive Image Segmentation", ICCV 2023,
arXiv:2304.02942. Not in the paper, but in the official demo: from the third click on; its
evaluation never looks closer.
"""

import numpy as np
from jaxtyping import Bool, UInt8

from maskwright.data.reference import zoom_region
from maskwright.structures.box import Box

CLICKS_WITHOUT = 2


def region_for(
    reference: UInt8[np.ndarray, "padded_height padded_width"],
    mask: Bool[np.ndarray, "padded_height padded_width"],
    *,
    clicks: int,
) -> Box:
    """Return the part of what the network sees to which refinement is confined.

    Args:
        reference: The map with the newest clicks.
        mask: The last one, before them.
        clicks: How many the map holds; of few, the region is everything.
    """
    if clicks <= CLICKS_WITHOUT:
        return Box(0, 0, reference.shape[1], reference.shape[0])
    return zoom_region(reference, mask)
