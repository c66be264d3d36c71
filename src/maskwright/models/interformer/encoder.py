"""The encoder: a plain vision transformer with relative positions, run once for a photo.

Tokens are (batch, token, channel), the class token first.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from maskwright.layers.stochastic_depth import StochasticDepth, rates
from maskwright.layers.vit import Attention, Mlp, strips
from maskwright.models.interformer.config import Config
from maskwright.models.interformer.position import (
    entries,
    learned_side,
    position_for,
    relative_index,
)

TOKEN_PX = 16
NORM_EPS = 1e-6
BIAS_ENTRIES = 2**22  # of a bias that exists at once: 16 MiB in fp32


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
        self, x: Float[Tensor, "batch token channel"], index: Int[Tensor, "token token"]
    ) -> Float[Tensor, "batch token channel"]:
        """Return the block's output.

        Args:
            x: Tokens.
            index: Which relative position each pair of tokens has.
        """
        x = x + self.drop(self.scale1 * self._attend(self.norm1(x), index))
        return x + self.drop(self.scale2 * self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor, index: Tensor) -> Tensor:
        q, k, v = self.attention.split(self.attention.qkv(x))
        keys = (k * k.shape[-1] ** -0.5).transpose(2, 3)
        # Looked up as fp32, which torch does many times faster than bf16.
        table, (heads, tokens) = self.bias.float().T.contiguous(), q.shape[1:3]
        # The bias is as large as the scores, so it is made for a few queries at a time.
        rows = None if torch.is_grad_enabled() else max(1, BIAS_ENTRIES // (heads * tokens))
        parts = []
        for strip in strips(tokens, rows):
            bias = table.index_select(1, index[strip].flatten()).view(1, heads, -1, tokens)
            scores = (q[:, :, strip] @ keys).add_(bias.to(q.dtype))
            parts.append(scores.softmax(-1) @ v)
        read = parts[0] if len(parts) == 1 else torch.cat(parts, 2)
        return self.attention.out(read.transpose(1, 2).flatten(2))


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
        index = relative_index(size, learned_side(self.position.shape[0])).to(image.device)
        for block in self.blocks:
            tokens = block(tokens, index)
        return tokens[:, 1:].transpose(1, 2).unflatten(2, size)
