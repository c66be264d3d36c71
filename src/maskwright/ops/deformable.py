"""Deformable attention: each query reads a few weighted points of maps of several sizes.

Paper: Zhu et al., "Deformable DETR: Deformable Transformers for End-to-End Object Detection",
ICLR 2021, arXiv:2010.04159, Eq. (3). Points are (x, y) in cells of their level: (0, 0) is the
centre of the first cell. Between cells, values are interpolated bilinearly; beyond them they are 0.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
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
    rows, shares = _corners(points, sizes)
    at = torch.arange(batch, device=rows.device)[:, None, None, None] * values.shape[1]
    head = torch.arange(heads, device=rows.device)[:, None]
    rows = (rows.flatten(3) + at) * heads + head
    shares = (shares.to(weights.dtype) * weights[..., None]).flatten(3)
    read = F.embedding_bag(
        rows.flatten(0, 2),
        values.flatten(0, 2),
        mode="sum",
        per_sample_weights=shares.flatten(0, 2),
    )
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


def _corners(points: Tensor, sizes: Sizes) -> tuple[Tensor, Tensor]:
    """Return the four cells around each point, counted over all levels, and their shares."""
    lengths = torch.tensor(sizes, device=points.device)
    height, width = lengths[:, :1], lengths[:, 1:]
    first = (height * width).cumsum(0) - height * width
    x, y = points.unbind(-1)
    columns, across = _neighbours(x, width)
    rows, down = _neighbours(y, height)
    cells = (rows * width[..., None])[..., :, None] + columns[..., None, :]
    shares = down[..., :, None] * across[..., None, :]
    return cells.flatten(-2) + first[..., None], shares.flatten(-2)


def _neighbours(at: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two cells beside a point along one axis, and their shares; 0 beyond the map."""
    at = at.nan_to_num()  # of a network gone wrong; it shall be told by its values, not crash
    before = at.floor()
    share = at - before
    cells = torch.stack([before, before + 1], -1)
    shares = torch.stack([1 - share, share], -1)
    last = length[..., None] - 1
    inside = (cells >= 0) & (cells <= last)
    cells = cells.clamp(min=0).minimum(last.to(cells.dtype))
    return cells.long(), shares * inside


def _check(values: Tensor, points: Tensor, sizes: Sizes) -> None:
    cells = sum(height * width for height, width in sizes)
    if values.shape[1] != cells or points.shape[3] != len(sizes):
        raise ShapeError(
            f"expected values of {cells} cells and points on {len(sizes)} levels for the sizes"
            f" {list(sizes)}, got {values.shape[1]} and {points.shape[3]}; flatten all levels"
        )
