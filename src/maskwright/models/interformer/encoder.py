"""The encoder: a plain vision transformer with relative positions, run once for a photo.

Tokens are (batch, token, channel), the class token first.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from maskwright.layers.checkpointing import run
from maskwright.layers.stochastic_depth import StochasticDepth, rates
from maskwright.layers.vit import Attention, Mlp, strips
from maskwright.models.interformer.config import Config
from maskwright.models.interformer.position import (
    RowBias,
    entries,
    learned_side,
    position_for,
    relative_index,
)

TOKEN_PX = 16
NORM_EPS = 1e-6
SCORES = 2**21  # of attention that exist at once: 8 MiB in fp32


class Block(nn.Module):
    """Attention with relative positions, then the MLP; each scaled channel by channel.

    Args:
        channels: Channels of a token.
        heads: Heads of the attention.
        side: Of the square of tokens that positions are learned on.
        drop: Rate at which each of the two branches is left out in training.
    """

    def __init__(self, channels: int, heads: int, *, side: int, drop: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, NORM_EPS)
        self.attention = Attention(channels, heads)
        self.bias = nn.Parameter(torch.zeros(entries(side), heads))
        self.scale1 = nn.Parameter(torch.ones(channels))
        self.norm2 = nn.LayerNorm(channels, NORM_EPS)
        self.mlp = Mlp(channels)
        self.scale2 = nn.Parameter(torch.ones(channels))
        self.drop = StochasticDepth(drop)

    def forward(
        self,
        x: Float[Tensor, "batch token channel"],
        size: tuple[int, int],
        index: Int[Tensor, "token token"] | None = None,
    ) -> Float[Tensor, "batch token channel"]:
        """Return the block's output.

        Args:
            x: Tokens.
            size: Rows and columns of their map.
            index: Which relative position each pair of tokens has: needed to learn these. Without
                it the bias, which is as large as the scores, exists for a few queries at a time.
        """
        q, k, v = self.attention.split(self.attention.qkv(self.norm1(x)))
        read = self._read_rows(q, k, v, size) if index is None else self._read(q, k, v, index)
        x = x + self.drop(self.scale1 * self.attention.out(read.transpose(1, 2).flatten(2)))
        return x + self.drop(self.scale2 * self.mlp(self.norm2(x)))

    def _read(self, q: Tensor, k: Tensor, v: Tensor, index: Tensor) -> Tensor:
        tokens = q.shape[2]
        bias = self.bias.float().T.index_select(1, index.flatten()).view(1, -1, tokens, tokens)
        scores = q @ (k * k.shape[-1] ** -0.5).transpose(2, 3) + bias.to(q.dtype)
        return scores.softmax(-1) @ v

    def _read_rows(self, q: Tensor, k: Tensor, v: Tensor, size: tuple[int, int]) -> Tensor:
        batch, heads, tokens, channels = q.shape
        queries, keys, values = (x.flatten(0, 1).contiguous() for x in (q, k, v))
        bias, parts = RowBias(self.bias, size, q.dtype), []
        for rows in strips(size[0], max(1, SCORES // (batch * heads * tokens * size[1]))):
            strip = bias.queries(rows)
            scores = q.new_empty(batch, heads, strip.stop - strip.start, tokens)
            bias.fill(scores[0], rows)
            scores[1:] = scores[0]
            scores = scores.flatten(0, 1)
            scores.baddbmm_(queries[:, strip], keys.transpose(1, 2), alpha=channels**-0.5)
            parts.append(scores.softmax(-1) @ values)
        return torch.cat(parts, 1).unflatten(0, (batch, heads))


class Encoder(nn.Module):
    """Patches, positions, blocks; no norm at the end.

    Args:
        config: The network's sizes.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        channels, side = config.channels, config.position_side
        self.patches = nn.Conv2d(3, channels, TOKEN_PX, stride=TOKEN_PX)
        self.class_token = nn.Parameter(torch.zeros(1, channels))
        self.position = nn.Parameter(torch.zeros(1 + side**2, channels))
        self.blocks = nn.ModuleList(
            Block(channels, config.heads, side=side, drop=rate) for rate in rates(config.depth)
        )
        self.runs_again = False  # see `layers/checkpointing.py`

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channel rows columns"]:
        """Return the map of tokens after the last block.

        Args:
            image: Normalised RGB; height and width are multiples of 16.
        """
        patches = self.patches(image)
        size = patches.shape[2], patches.shape[3]
        first = self.class_token.expand(image.shape[0], 1, -1)
        tokens = torch.cat([first, patches.flatten(2).transpose(1, 2)], 1)
        tokens = tokens + position_for(self.position, size)
        index = None
        if torch.is_grad_enabled():
            index = relative_index(size, learned_side(self.position.shape[0])).to(image.device)
        for block in self.blocks:
            tokens = run(block, tokens, size, index, again=self.runs_again)
        return tokens[:, 1:].transpose(1, 2).unflatten(2, size)
