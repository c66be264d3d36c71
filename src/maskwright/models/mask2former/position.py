"""Where a cell of a map lies, as sines and cosines; nothing is learned.

Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020, arXiv:2005.12872,
appendix A.4.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

TEMPERATURE = 10_000
EPS = 1e-6


def sine_position(
    size: tuple[int, int], channels: int, *, like: Tensor
) -> Float[Tensor, "height width channel"]:
    """Return sines and cosines of each cell's row, then of its column.

    Positions go from 1 to n, as a share of 2 pi; channels 2k and 2k + 1 are the sine and cosine of
    `position / 10000^(2k / (channels / 2))`.

    Args:
        size: Rows and columns of the map.
        channels: How many numbers describe a cell; a multiple of four.
        like: Whose type and device they have.
    """
    rows, columns = (_along_axis(length, channels // 2, like.device) for length in size)
    position = torch.cat(
        [
            rows[:, None].expand(-1, size[1], -1),
            columns.expand(size[0], -1, -1),
        ],
        -1,
    )
    return position.to(like.dtype)


def _along_axis(length: int, channels: int, device: torch.device) -> Tensor:
    at = torch.arange(1, length + 1, device=device, dtype=torch.float32)
    at = at / (length + EPS) * (2 * math.pi)
    exponent = 2 * torch.arange(channels // 2, device=device, dtype=torch.float32) / channels
    angle = at[:, None] / TEMPERATURE**exponent
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
