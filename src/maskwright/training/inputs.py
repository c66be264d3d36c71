"""What matting networks read, made from a batch: normalised RGB and the trimap as one tensor."""

import torch
from jaxtyping import Float
from torch import Tensor

from maskwright.inference import matte

MEAN = torch.from_numpy(matte.MEAN)[:, None, None]
DEVIATION = torch.from_numpy(matte.DEVIATION)[:, None, None]


def matting_input(
    image: Float[Tensor, "batch 3 height width"], trimap: Float[Tensor, "batch 1 height width"]
) -> Float[Tensor, "batch 4 height width"]:
    """Return `(image - mean) / deviation` of ImageNet, and the trimap as a fourth channel.

    Args:
        image: sRGB in [0, 1].
        trimap: 0 background, about a half unknown, 1 foreground.
    """
    return torch.cat([(image - MEAN.to(image)) / DEVIATION.to(image), trimap], 1)
