"""The encoder: a plain vision transformer whose global blocks read routed tokens, section 3.2.

Blocks take and return maps of tokens (batch, height, width, channel).
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.checkpointing import run
from maskwright.layers.position import resize_position
from maskwright.layers.vit import Attention, Mlp, add_in_strips, strips, with_halo
from maskwright.models.mematte.attention import attend_gathered, attend_masked
from maskwright.models.mematte.config import Config
from maskwright.models.mematte.inputs import HINTED, PLAIN, Inputs
from maskwright.models.mematte.limits import TOKEN_PX, Limits
from maskwright.models.mematte.refinement import TokenRefinement
from maskwright.models.mematte.router import Router, choose
from maskwright.models.mematte.trunk import Trunk
from maskwright.ops.draws import uniform

NORM_EPS = 1e-6
EMBEDDED_ROWS = 8  # of tokens at once, where that is bounded: their pixels weigh more than tokens


class Encoded(NamedTuple):
    """What the encoder makes of a photo.

    Attributes:
        features: A view of tokens that lie channels last.
        keep: Which tokens each global block attended to: bool, or in training 0 and 1 with a
            straight-through gradient.
    """

    features: Float[Tensor, "batch channel height width"]
    keep: Tensor


class Bottleneck(nn.Module):
    """The residual block after a global block: 1x1, 3x3 and 1x1 convolutions with layer norms."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = nn.Linear(channels, half, bias=False)
        self.norm1 = nn.LayerNorm(half, NORM_EPS)
        self.filter = nn.Conv2d(half, half, 3, padding=1, bias=False)
        self.norm2 = nn.LayerNorm(half, NORM_EPS)
        self.expand = nn.Linear(half, channels, bias=False)
        self.norm3 = nn.LayerNorm(channels, NORM_EPS)

    def forward(
        self, x: Float[Tensor, "batch height width channel"], rows: int | None = None
    ) -> Float[Tensor, "batch height width channel"]:
        """Return x with what the convolutions add; without gradient, x itself is changed."""
        parts = [F.gelu(self.norm1(self.reduce(x[:, at]))) for at in strips(x.shape[1], rows)]
        reduced = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        if torch.is_grad_enabled():
            return x + self._filtered(reduced, slice(0, x.shape[1]))
        for strip in strips(x.shape[1], rows):
            x[:, strip] += self._filtered(reduced, strip)
        return x

    def _filtered(self, reduced: Tensor, strip: slice) -> Tensor:
        read, inner = with_halo(strip, 1, height=reduced.shape[1])
        y = self.filter(reduced[:, read].permute(0, 3, 1, 2))[:, :, inner].permute(0, 2, 3, 1)
        return self.norm3(self.expand(F.gelu(self.norm2(y))))


class Block(nn.Module):
    """Attention with relative positions, in windows or over the whole map, then the MLP.

    Args:
        config: The network's sizes.
        is_global: Attend to the whole map.
    """

    def __init__(self, config: Config, *, is_global: bool) -> None:
        super().__init__()
        self.window = None if is_global else config.window
        side = config.table_side if is_global else config.window
        self.norm1 = nn.LayerNorm(config.channels, NORM_EPS)
        self.attention = Attention(config.channels, config.heads, side=side)
        self.norm2 = nn.LayerNorm(config.channels, NORM_EPS)
        self.mlp = Mlp(config.channels)
        self.bottleneck = Bottleneck(config.channels) if is_global else None

    def forward(
        self, x: Float[Tensor, "batch height width channel"], limits: Limits
    ) -> Float[Tensor, "batch height width channel"]:
        """Return the block's output; without gradient, x itself is changed."""
        rows = None
        if self.window is not None and limits.window_rows is not None:
            rows = self.window * limits.window_rows
        x = add_in_strips(x, self._attend, rows)
        x = add_in_strips(x, lambda y: self.mlp(self.norm2(y)), limits.token_rows)
        return x if self.bottleneck is None else self.bottleneck(x, limits.token_rows)

    def _attend(self, x: Tensor) -> Tensor:
        if self.window is None:
            return self.attention(self.norm1(x))
        return self.attention.in_windows(self.norm1(x), side=self.window)


class RoutedBlock(nn.Module):
    """A global block: attention for the tokens its router keeps, the LTRM for the others.

    Args:
        config: The network's sizes.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.router = Router(config.channels)
        self.refine = TokenRefinement(config.channels)
        self.norm1 = nn.LayerNorm(config.channels, NORM_EPS)
        self.attention = Attention(config.channels, config.heads)
        self.norm2 = nn.LayerNorm(config.channels, NORM_EPS)
        self.mlp = Mlp(config.channels)
        self.bottleneck = Bottleneck(config.channels)
        self.attend = attend_gathered if config.gathered_training else attend_masked

    def forward(
        self,
        x: Float[Tensor, "batch height width channel"],
        limits: Limits,
        *,
        keep: Bool[Tensor, "batch height width"] | None = None,
    ) -> tuple[Float[Tensor, "batch height width channel"], Bool[Tensor, "batch height width"]]:
        """Return the block's output and the tokens that were sent to global attention.

        Args:
            x: Tokens; without gradient, changed in place.
            limits: How much is computed at once, and how many tokens may be kept.
            keep: Recorded decisions instead of the router's.
        """
        rows = limits.token_rows
        if keep is None:
            keep = choose(self.router(x, rows), limits.max_tokens)
        y = self._attend_kept(x, keep, otherwise=self.refine(x, rows))
        x = x + y if torch.is_grad_enabled() else x.add_(y)
        del y
        x = add_in_strips(x, lambda z: self.mlp(self.norm2(z)), rows)
        return self.bottleneck(x, rows), keep

    def train_routing(
        self,
        x: Float[Tensor, "batch height width channel"],
        keep: Float[Tensor, "batch height width"] | None = None,
    ) -> tuple[Float[Tensor, "batch height width channel"], Float[Tensor, "batch height width"]]:
        """Return the block's output and random decisions with a straight-through gradient.

        Args:
            x: Tokens.
            keep: Recorded decisions instead of the router's.
        """
        if keep is None:
            scores = self.router(x).flatten(1, 2)
            chosen = gumbel_choice(scores)[..., 0]
            keep = chosen.unflatten(1, x.shape[1:3])
        qkv = self.attention.split(self.attention.qkv(self.norm1(x)).flatten(1, 2))
        read = self.attend(qkv, keep.flatten(1)).transpose(1, 2).flatten(2)
        read = self.attention.out(read).unflatten(1, x.shape[1:3])
        share = keep[..., None]
        x = x + share * read + (1 - share) * self.refine(x)
        x = x + self.mlp(self.norm2(x))
        return self.bottleneck(x), keep

    def _attend_kept(self, x: Tensor, keep: Tensor, *, otherwise: Tensor) -> Tensor:
        """Return `otherwise` with attention among the kept tokens of each image in their place."""
        for image, chosen in enumerate(keep):
            if chosen.any():
                tokens = self.norm1(x[image][chosen])[None, None]
                otherwise[image, chosen] = self.attention(tokens)[0, 0]
        return otherwise


class Encoder(nn.Module):
    """Patches, positions, blocks.

    Args:
        config: The network's sizes.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        side = config.position_side
        channels = HINTED if config.hints else PLAIN
        self.patches = nn.Conv2d(channels, config.channels, TOKEN_PX, stride=TOKEN_PX)
        self.trunk = Trunk(channels, config.channels) if config.detail == "mobilenet" else None
        self.position = nn.Parameter(torch.zeros(side, side, config.channels))
        self.blocks = nn.ModuleList(_block(config, index) for index in range(config.depth))
        self.runs_again = False  # see `layers/checkpointing.py`

    def forward(
        self,
        inputs: Inputs,
        limits: Limits,
        *,
        size: tuple[int, int],
        keep: Tensor | None = None,
    ) -> Encoded:
        """Return the features and the routers' decisions.

        Args:
            inputs: Of the network.
            limits: How much is computed at once.
            size: Rows and columns of tokens; the photo is filled up with zeros to their size.
            keep: Recorded decisions (batch, global block, *size) instead of the routers'.
        """
        tokens, kept = self._embed(inputs, size, limits.token_rows), list[Tensor]()
        for block in self.blocks:
            if isinstance(block, RoutedBlock):
                given = None if keep is None else keep[:, len(kept)]
                if self.training:
                    tokens, chosen = run(block.train_routing, tokens, given, again=self.runs_again)
                else:
                    tokens, chosen = block(tokens, limits, keep=given)
                kept.append(chosen)
            else:
                tokens = run(block, tokens, limits, again=self.runs_again)
                if block.bottleneck is not None:
                    kept.append(tokens.new_ones(tokens.shape[:3], dtype=torch.bool))
        return Encoded(tokens.permute(0, 3, 1, 2), torch.stack(kept, 1))

    def _embed(self, inputs: Inputs, size: tuple[int, int], rows: int | None) -> Tensor:
        rows = None if rows is None else min(rows, EMBEDDED_ROWS)
        position = resize_position(self.position, size)
        tokens = position.new_empty(len(inputs.x), *position.shape)
        for strip in strips(size[0], rows):
            pixels = slice(strip.start * TOKEN_PX, strip.stop * TOKEN_PX)
            window = inputs.window(pixels, slice(0, size[1] * TOKEN_PX))
            tokens[:, strip] = self.patches(window).permute(0, 2, 3, 1) + position[strip]
        if self.trunk is not None:
            for strip, seen in self.trunk(inputs, size, rows):
                tokens[:, strip] += seen
        return tokens


def gumbel_choice(
    scores: Float[Tensor, "batch token choice"],
) -> Float[Tensor, "batch token choice"]:
    """Return 1 for one choice of each token, drawn by its scores, and 0 else.

    The gradient is that of the softmax that is drawn from. Jang, Gu, Poole, "Categorical
    Reparameterization with Gumbel-Softmax", ICLR 2017, arXiv:1611.01144, at temperature 1.
    """
    drawn = uniform(scores, *scores.shape[1:]).clamp_min(torch.finfo(torch.float32).tiny)
    shares = (scores - (-drawn.log()).log().to(scores.dtype)).softmax(-1)
    chosen = torch.zeros_like(shares).scatter_(-1, shares.argmax(-1, keepdim=True), 1.0)
    return chosen - shares.detach() + shares


def _block(config: Config, index: int) -> nn.Module:
    if index in config.window_blocks:
        return Block(config, is_global=False)
    return RoutedBlock(config) if config.routed else Block(config, is_global=True)
