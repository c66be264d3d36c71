"""Deformable attention: each query reads a few weighted points of maps of several sizes.

Paper: Zhu et al., "Deformable DETR: Deformable Transformers for End-to-End Object Detection",
ICLR 2021, arXiv:2010.04159, Eq. (3). Points are (x, y) in cells of their level: (0, 0) is the
centre of the first cell. Between cells, values are interpolated bilinearly; beyond them they are 0.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from maskwright.errors import ShapeError

Sizes = Sequence[tuple[int, int]]  # (height, width) of each level


def read_points(
    values: Float[Tensor, "batch cell head channel"],
    points: Float[Tensor, "batch query head level point 2"],
    weights: Float[Tensor, "batch query head level point"],
    *,
    sizes: Sizes,
) -> Float[Tensor, "batch query head channel"]:
    """Return the weighted sum of the values at the points, of all levels.

    The four cells around each point are rows of a table, and a query sums up weighted rows: one
    pass over memory, where sampling level by level makes every sample first.

    Args:
        values: Of all cells, level by level, row by row.
        points: Where to read; in fp32 whatever the values are, as cells are many.
        weights: Of the points.
        sizes: Of the levels.

    Raises:
        ShapeError: If there are not as many cells or levels as the sizes say.
    """
    _check(values, points, sizes)
    batch, queries, heads, channels = len(values), points.shape[1], *values.shape[2:]
    if not batch * queries:
        return values.new_empty(batch, queries, heads, channels)
    rows, shares = _corners(values, points, weights, sizes)
    read = F.embedding_bag(rows, values.flatten(0, 2), mode="sum", per_sample_weights=shares)
    return read.unflatten(0, (batch, queries, heads))


def read_points_by_level(
    values: Float[Tensor, "batch cell head channel"],
    points: Float[Tensor, "batch query head level point 2"],
    weights: Float[Tensor, "batch query head level point"],
    *,
    sizes: Sizes,
) -> Float[Tensor, "batch query head channel"]:
    """Return the same as `read_points`, by operators that can be exported.

    Raises:
        ShapeError: If there are not as many cells or levels as the sizes say.
    """
    _check(values, points, sizes)
    levels = values.split([height * width for height, width in sizes], 1)
    read = torch.zeros_like(points[..., 0, 0, :1], dtype=values.dtype)
    for level, (height, width) in enumerate(sizes):
        maps = levels[level].permute(0, 2, 3, 1).flatten(0, 1).unflatten(2, (height, width))
        scale = points.new_tensor([2 / width, 2 / height])
        grid = ((points[:, :, :, level] + 0.5) * scale - 1).transpose(1, 2).flatten(0, 1)
        samples = F.grid_sample(maps, grid.to(maps.dtype), align_corners=False)
        samples = samples.unflatten(0, values.shape[::2]).permute(0, 3, 1, 4, 2)
        read = read + (weights[:, :, :, level, :, None] * samples).sum(3)
    return read


def _corners(
    values: Tensor, points: Tensor, weights: Tensor, sizes: Sizes
) -> tuple[Int[Tensor, "bag row"], Float[Tensor, "bag row"]]:
    """Return for each query and head the rows of the table of values, and their weights.

    Each axis is computed by itself; only then are the four cells around a point told apart.
    """
    batch, cells, heads = values.shape[:3]
    whole = torch.int32 if batch * cells * heads < 2**31 else torch.int64
    areas = [height * width for height, width in sizes]
    first = torch.tensor([sum(areas[:level]) for level in range(len(areas))], dtype=whole)
    image = cells * torch.arange(batch, dtype=whole)[:, None, None, None, None]
    head = torch.arange(heads, dtype=whole)[:, None, None]
    base = (heads * (first[:, None] + image) + head).to(points.device)
    heights, widths = (torch.tensor(lengths) for lengths in zip(*sizes, strict=True))
    stride = (heads * widths[:, None]).to(points.device, whole)
    columns, across = _neighbours(points[..., 0], widths.to(points))
    rows, down = _neighbours(points[..., 1], heights.to(points))
    at = torch.stack([stride * row.to(whole) + base for row in rows], 3)[:, :, :, :, None]
    at = at + torch.stack([heads * column.to(whole) for column in columns], 3)[:, :, :, None]
    shares = torch.stack([share.to(weights.dtype) * weights for share in down], 3)
    shares = shares[:, :, :, :, None] * torch.stack(across, 3).to(weights.dtype)[:, :, :, None]
    return at.flatten(3).flatten(0, 2), shares.flatten(3).flatten(0, 2)


def _neighbours(
    at: Float[Tensor, "batch query head level point"], lengths: Float[Tensor, " level"]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the cells before and after along one axis, and their shares; 0 beyond the map."""
    at = at.nan_to_num()  # of a network gone wrong, which its values shall tell
    before = at.floor()
    share = at - before
    last = lengths[:, None] - 1
    cells, shares = [], []
    for cell, weight in ((before, 1 - share), (before + 1, share)):
        cells.append(cell.clamp_min(0).minimum(last))
        shares.append(weight * (cells[-1] == cell))
    return cells, shares


def _check(values: Tensor, points: Tensor, sizes: Sizes) -> None:
    cells = sum(height * width for height, width in sizes)
    if values.shape[1] != cells or points.shape[3] != len(sizes):
        raise ShapeError(
            f"expected values of {cells} cells and points on {len(sizes)} levels for the sizes"
            f" {list(sizes)}, got {values.shape[1]} and {points.shape[3]}; flatten all levels"
        )
