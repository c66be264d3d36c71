"""The transformer decoder: queries become segments by attending to what they take for theirs.

Section 3.2: masked cross-attention before self-attention, learned queries, three sizes in turn.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.errors import ShapeError
from maskwright.models.mask2former.pixel_decoder import LEVELS, Pixels
from maskwright.models.mask2former.position import sine_position


class Prediction(NamedTuple):
    """What a layer's queries stand for.

    Attributes:
        class_logits: Of each query's classes, the last being "no object".
        mask_logits: Of each query's mask, at a quarter of the image's size.
    """

    class_logits: Float[Tensor, "batch query class"]
    mask_logits: Float[Tensor, "batch query height width"]


class Attention(nn.Module):
    """Multi-head attention; keys may come with positions that values do not have.

    Args:
        channels: Channels of queries, keys and values; a multiple of `heads`.
        heads: Number of heads.

    Raises:
        ShapeError: If `channels` is not a multiple of `heads`.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ShapeError(
                f"channels must be a multiple of heads, got {channels} and {heads}; change one"
            )
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        for layer in (self.qkv, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        query: Float[Tensor, "batch query channel"],
        key: Float[Tensor, "batch key channel"],
        value: Float[Tensor, "batch key channel"],
        *,
        may_look: Bool[Tensor, "batch query key"] | None = None,
    ) -> Float[Tensor, "batch query channel"]:
        """Return what each query has read.

        Args:
            query: With positions.
            key: With positions.
            value: Of the same cells, without.
            may_look: True where a query may attend to a key, the same for all heads; each query
                must have such a key. None: everywhere.
        """
        weights, biases = self.qkv.weight.chunk(3), self.qkv.bias.chunk(3)
        q, k, v = (
            F.linear(x, weight, bias).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for x, weight, bias in zip((query, key, value), weights, biases, strict=True)
        )
        mask = None if may_look is None else may_look[:, None]
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(read.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Read the image, talk to the other queries, think; a norm after each.

    Args:
        channels: Channels of a query.
        heads: Heads of both attentions.
        hidden: Channels within the feed-forward part.
    """

    def __init__(self, channels: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.cross, self.norm1 = Attention(channels, heads), nn.LayerNorm(channels)
        self.own, self.norm2 = Attention(channels, heads), nn.LayerNorm(channels)
        self.widen, self.narrow = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        self.norm3 = nn.LayerNorm(channels)
        for layer in (self.widen, self.narrow):
            nn.init.xavier_uniform_(layer.weight)

    def forward(
        self,
        x: Float[Tensor, "batch query channel"],
        place: Float[Tensor, "query channel"],
        *,
        key: Float[Tensor, "batch cell channel"],
        value: Float[Tensor, "batch cell channel"],
        may_look: Bool[Tensor, "batch query cell"],
    ) -> Float[Tensor, "batch query channel"]:
        """Return the queries' new features.

        Args:
            x: Queries.
            place: What tells them apart, added wherever they attend.
            key: Cells of a map, with their positions.
            value: The same cells without.
            may_look: Where each query takes the object to be.
        """
        x = self.norm1(x + self.cross(x + place, key, value, may_look=may_look))
        placed = x + place
        x = self.norm2(x + self.own(placed, placed, x))
        return self.norm3(x + self.narrow(F.relu(self.widen(x))))


class Decoder(nn.Module):
    """Layers, and the heads that are asked after each.

    Args:
        channels: Channels of a query, and of the maps.
        queries: How many segments are proposed.
        classes: What is told apart, without "no object".
        heads: Heads of the attentions.
        layers: How many layers.
        hidden: Channels within their feed-forward parts.
    """

    def __init__(
        self, channels: int, queries: int, *, classes: int, heads: int, layers: int, hidden: int
    ) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(queries, channels))
        self.place = nn.Parameter(torch.randn(queries, channels))
        self.level = nn.Parameter(torch.randn(LEVELS, channels))
        self.layers = nn.ModuleList(Layer(channels, heads, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        self.classify = nn.Linear(channels, classes + 1)
        self.embed = nn.Sequential(
            *(nn.Linear(channels, channels), nn.ReLU(inplace=True)),
            *(nn.Linear(channels, channels), nn.ReLU(inplace=True)),
            nn.Linear(channels, channels),
        )

    def forward(
        self,
        pixels: Pixels,
        attention_masks: Sequence[Tensor] | None = None,
        *,
        every: bool,
    ) -> list[Prediction]:
        """Return the predictions after the layers, the last one's at the end.

        Args:
            pixels: Of the pixel decoder.
            attention_masks: For each layer, nonzero where a query may not look; instead of the
                masks that the queries predict.
            every: Whether to predict after every layer, and before the first, or only at the end.
        """
        keys, values = self._cells(pixels)
        small = _resized(pixels)
        x = self.query.expand(len(pixels.features), -1, -1)
        predictions = []
        for index, layer in enumerate(self.layers):
            level, query = index % LEVELS, self.norm(x)
            if every:
                predictions.append(self._predict(query, pixels.features))
            if attention_masks is None:
                may_look = self._may_look(query, small[level])
            else:
                may_look = ~attention_masks[index].bool().flatten(2)
            may_look = may_look | ~may_look.any(2, keepdim=True)
            x = layer(x, self.place, key=keys[level], value=values[level], may_look=may_look)
        return [*predictions, self._predict(self.norm(x), pixels.features)]

    def _cells(self, pixels: Pixels) -> tuple[list[Tensor], list[Tensor]]:
        """Return the cells of each level with and without their positions."""
        keys, values = [], []
        for level, x in zip(self.level, pixels.levels, strict=True):
            size = x.shape[2], x.shape[3]
            cells = x.flatten(2).transpose(1, 2) + level
            keys.append(cells + sine_position(size, x.shape[1], like=cells).flatten(0, 1))
            values.append(cells)
        return keys, values

    @torch.no_grad()
    def _may_look(
        self,
        query: Float[Tensor, "batch query channel"],
        features: Float[Tensor, "batch channel cell"],
    ) -> Bool[Tensor, "batch query cell"]:
        """Return where a query's mask is more likely than not."""
        return self.embed(query) @ features >= 0

    def _predict(self, query: Tensor, features: Tensor) -> Prediction:
        masks = self.embed(query) @ features.flatten(2)
        return Prediction(self.classify(query), masks.unflatten(2, features.shape[2:]))


@torch.no_grad()
def _resized(pixels: Pixels) -> list[Float[Tensor, "batch channel _"]]:
    """Return the features at the size of each level, which attention masks are made of.

    Resizing commutes with the product of a query and the features: it is done once for all.
    """
    return [
        F.interpolate(
            pixels.features, size=x.shape[2:], mode="bilinear", align_corners=False
        ).flatten(2)
        for x in pixels.levels
    ]
