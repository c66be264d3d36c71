"""Maps read at points: what a loss needs of a mask without making it larger.

Points are (x, y) as shares of the width and height, in [0, 1]; (0, 0) is the outer corner of the
first pixel. Between the centres of pixels, values are interpolated bilinearly, with zeros beyond
the map. Kirillov et al., "PointRend: Image Segmentation as Rendering", CVPR 2020, arXiv:1912.08193.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F


def read_maps(
    maps: Float[Tensor, "map height width"], points: Float[Tensor, "_ point 2"]
) -> Float[Tensor, "map point"]:
    """Return the values of maps at points.

    Args:
        maps: Of one size.
        points: Of each map, or once for all.
    """
    grid = (2 * points - 1)[:, None].to(maps.dtype)
    if len(points) == 1 < len(maps):  # all maps share the weights of the interpolation
        return F.grid_sample(maps[None], grid, align_corners=False)[0, :, 0]
    grid = grid.expand(len(maps), -1, -1, -1)
    return F.grid_sample(maps[:, None], grid, align_corners=False)[:, 0, 0]


def read_masks(
    masks: Bool[Tensor, "mask height width"],
    points: Float[Tensor, "_ point 2"],
    *,
    chosen: Int[Tensor, " read"] | None = None,
) -> Float[Tensor, "read point"]:
    """Return the shares of masks at points, in [0, 1].

    Only the pixels around the points are read: large masks are never copied, nor made numbers.

    Args:
        masks: Of one size.
        points: Of each mask that is read, or once for all.
        chosen: Which masks are read; None: each once.
    """
    if chosen is None:
        chosen = torch.arange(len(masks), device=masks.device)
    height, width = masks.shape[1:]
    at = points * points.new_tensor([width, height]) - 0.5
    first = at.floor()
    share = at - first
    pixels, read = masks.flatten(1), points.new_zeros(len(chosen), points.shape[1])
    for down in (0, 1):
        for across in (0, 1):
            x, y = first[..., 0] + across, first[..., 1] + down
            weight = (share[..., 0] - 1 + across).abs() * (share[..., 1] - 1 + down).abs()
            weight = weight * ((x >= 0) & (x < width) & (y >= 0) & (y < height))
            column, row = x.clamp(0, width - 1).long(), y.clamp(0, height - 1).long()
            read += weight * pixels[chosen[:, None], row * width + column]
    return read


def centres_of_pixels(height: int, width: int) -> Float[Tensor, "pixel 2"]:
    """Return the points at which a map of this size is read as it is, row by row."""
    rows, columns = ((torch.arange(length) + 0.5) / length for length in (height, width))
    return torch.cartesian_prod(rows, columns).flip(1)
