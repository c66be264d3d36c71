"""Where a token lies: absolute positions, and relative ones decomposed into rows and columns.

Li et al., "MViTv2: Improved Multiscale Vision Transformers for Classification and Detection",
CVPR 2022, arXiv:2112.01526, Eq. (4); Li et al., "Exploring Plain Vision Transformer Backbones for
Object Detection", ECCV 2022, arXiv:2203.16527.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def resize_position(
    position: Float[Tensor, "side side channel"], size: tuple[int, int]
) -> Float[Tensor, "height width channel"]:
    """Return absolute positions, learned on a square, for a map of another size (bicubic)."""
    if tuple(position.shape[:2]) == size:
        return position
    resized = F.interpolate(
        position.permute(2, 0, 1)[None], size=size, mode="bicubic", align_corners=False
    )
    return resized[0].permute(1, 2, 0)


class RelativePosition(nn.Module):
    """What attention scores gain from where the key lies as seen from the query.

    `bias(i, j) = q_i . rows[row(i) - row(j)] + q_i . columns[column(i) - column(j)]`, with q as it
    is before it is scaled.

    Args:
        channels: Channels of a head.
        side: Rows and columns of the map that the tables were learned on; for other maps they are
            interpolated.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.zeros(2 * side - 1, channels))
        self.columns = nn.Parameter(torch.zeros(2 * side - 1, channels))

    def forward(
        self,
        q: Float[Tensor, "batch head row width channel"],
        *,
        first_row: int,
        size: tuple[int, int],
    ) -> Float[Tensor, "batch head query key"]:
        """Return the bias of some rows of queries for all keys of the map.

        Args:
            q: Unscaled queries of whole rows.
            first_row: The row of the first of them.
            size: Rows and columns of the map.
        """
        rows = _by_offset(self.rows, size[0])[first_row : first_row + q.shape[2]]
        columns = _by_offset(self.columns, size[1])
        by_row = torch.einsum("bnrwc,rhc->bnrwh", q, rows.to(q.dtype))
        by_column = torch.einsum("bnrwc,wvc->bnrwv", q, columns.to(q.dtype))
        bias = by_row[..., :, None] + by_column[..., None, :]
        return bias.flatten(4).flatten(2, 3)


def _by_offset(
    table: Float[Tensor, "entry channel"], length: int
) -> Float[Tensor, "length length channel"]:
    """Return the entry for each pair (query, key) along one axis."""
    if table.shape[0] != 2 * length - 1:
        resized = F.interpolate(table.T[None], size=2 * length - 1, mode="linear")
        table = resized[0].T
    at = torch.arange(length, device=table.device)
    return table[at[:, None] - at + length - 1]
