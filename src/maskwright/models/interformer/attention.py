"""Interactive attention: every pixel of a map reads a few pooled tokens, section 3.3."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.errors import ShapeError

TARGET_PX = 512  # the size of images that grids are counted for
KeyValue = tuple[Tensor, Tensor]  # each (batch, head, token, channel)
Pooling = Callable[[Tensor, tuple[int, int]], Tensor]


class PoolingAttention(nn.Module):
    """Queries from one map, keys and values from pooled grids of another.

    Args:
        channels: Channels of both maps.
        heads: Number of heads.
        side: Side of the map of an image of 512 x 512.
        ratios: By how much smaller than that side each grid is.

    Raises:
        ShapeError: If `channels` is not a multiple of `heads`.
    """

    def __init__(self, channels: int, heads: int, *, side: int, ratios: Sequence[int]) -> None:
        super().__init__()
        if channels % heads:
            raise ShapeError(
                f"channels must be a multiple of heads, got {channels} and {heads}; change one"
            )
        self.heads, self.side, self.ratios = heads, side, tuple(ratios)
        self.query = nn.Linear(channels, channels)
        self.filters = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels) for _ in ratios
        )
        self.norm = nn.LayerNorm(channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(
        self,
        x: Float[Tensor, "batch channel height width"],
        source: Float[Tensor, "batch channel height width"],
    ) -> Float[Tensor, "batch channel height width"]:
        """Return what each pixel of x has read from the source."""
        tokens = x.flatten(2).transpose(1, 2)
        read = self.attend(self.query(tokens), self.read_source(source))
        return self.out(read).transpose(1, 2).unflatten(2, x.shape[2:])

    def attend(
        self, query: Float[Tensor, "batch pixel channel"], key_value: KeyValue
    ) -> Float[Tensor, "batch pixel channel"]:
        """Return what each query has read, its heads side by side."""
        key, value = key_value
        read = F.scaled_dot_product_attention(self.split(query), key, value)
        return read.transpose(1, 2).flatten(2)

    def read_source(
        self, source: Float[Tensor, "batch channel height width"], maxima: Pooling | None = None
    ) -> KeyValue:
        """Return the keys and values of a map.

        Args:
            source: The map.
            maxima: What pools; None is `adaptive_max_pool2d`, which not every exporter knows.
        """
        tokens = self.key_value(self.norm(self.pool(source, maxima or F.adaptive_max_pool2d)))
        channels = tokens.shape[2] // 2
        return self.split(tokens[..., :channels]), self.split(tokens[..., channels:])

    def pool(
        self, source: Float[Tensor, "batch channel height width"], maxima: Pooling
    ) -> Float[Tensor, "batch token channel"]:
        """Return the pixels of all grids: maxima, plus a filter of their surroundings."""
        grids = []
        for ratio, filtered in zip(self.ratios, self.filters, strict=True):
            height, width = (grid_length(n, self.side, ratio) for n in source.shape[2:])
            grid = maxima(source, (height, width))
            grids.append((grid + filtered(grid)).flatten(2))
        return torch.cat(grids, 2).transpose(1, 2)

    def split(
        self, tokens: Float[Tensor, "batch token channel"]
    ) -> Float[Tensor, "batch head token head_channel"]:
        """Return the tokens by head."""
        return tokens.unflatten(2, (self.heads, -1)).transpose(1, 2)


def grid_length(length: int, side: int, ratio: int) -> int:
    """Return how many cells a side of a map is pooled to.

    About `side / ratio` for a map of any size, so that there are equally many keys; a ratio of one
    keeps the map. Rounds halves to even, as the official code does.
    """
    if ratio == 1:
        return length
    return round(length / round(length / min(side / ratio, length)))
