"""The light token refinement module (LTRM), for tokens that skip global attention, section 3.3."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.vit import strips, with_halo

REACH = 2  # tokens that the filter sees to each side


class TokenRefinement(nn.Module):
    """Widen, filter depth-wise, narrow, and weigh the channels by their means.

    The channel attention is that of Wang et al., "ECA-Net", CVPR 2020, arXiv:1910.03151.

    Args:
        channels: Channels of a token.
        expansion: How much wider the filtered map is.
    """

    def __init__(self, channels: int, *, expansion: int = 2) -> None:
        super().__init__()
        hidden, size = expansion * channels, _gate_size(channels)
        self.widen = nn.Linear(channels, hidden)
        self.filter = nn.Conv2d(hidden, hidden, 2 * REACH + 1, padding=REACH, groups=hidden)
        self.narrow = nn.Linear(hidden, channels)
        self.gate = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)

    def forward(
        self, x: Float[Tensor, "batch height width channel"], rows: int | None = None
    ) -> Float[Tensor, "batch height width channel"]:
        """Return u (1 + g): u refined tokens, g the gate made from the mean of u.

        The mean of u is that of the wide map passed through `narrow`, which is linear.

        Args:
            x: Tokens as they enter the block, not normalised.
            rows: Rows of tokens computed at once.
        """
        refined, total = torch.empty_like(x), x.new_zeros((), dtype=torch.float32)
        for strip in strips(x.shape[1], rows):
            wide = self._filtered(x, strip)
            total = total + wide.sum((1, 2), dtype=torch.float32)
            refined[:, strip] = self.narrow(wide)
        mean = self.narrow((total / (x.shape[1] * x.shape[2])).to(x.dtype))
        gate = self.gate(mean[:, None])[:, 0].sigmoid()
        return refined.mul_(1 + gate[:, None, None])

    def _filtered(self, x: Tensor, strip: slice) -> Tensor:
        read, inner = with_halo(strip, REACH, height=x.shape[1])
        wide = F.gelu(self.widen(x[:, read])).permute(0, 3, 1, 2)
        return F.gelu(self.filter(wide)[:, :, inner]).permute(0, 2, 3, 1)


def _gate_size(channels: int) -> int:
    size = int(math.log2(channels) / 2 + 0.5)
    return size if size % 2 else size + 1
