"""The neck: the clicks enter the largest map and travel down through the pyramid, section 3.3.

Each stage's first block reads the photo as it is; what follows reads what the clicks made of it.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.stochastic_depth import StochasticDepth, rates
from maskwright.models.interformer.attention import TARGET_PX, PoolingAttention
from maskwright.models.interformer.config import Config
from maskwright.models.interformer.pyramid import image_norm
from maskwright.structures.box import Box

STATES = 5  # of a pixel of the reference map
STRIDES = (4, 8, 16, 32)


class FeedForward(nn.Module):
    """Widen, filter each channel by 3x3, narrow."""

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        hidden = expansion * channels
        self.widen = nn.Conv2d(channels, hidden, 1)
        self.filter = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.narrow = nn.Conv2d(hidden, channels, 1)

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Return the pixels' new features."""
        return self.narrow(F.hardswish(self.filter(F.hardswish(self.widen(x)))))


class Block(nn.Module):
    """Attention to a source, then the feed-forward part.

    Args:
        channels: Channels of the maps.
        heads: Heads of the attention.
        expansion: Of the feed-forward part.
        side: Side of the map of an image of 512 x 512.
        ratios: By how much smaller than that side each grid of keys is.
        drop: Rate at which each of the two branches is left out in training.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        expansion: int,
        *,
        side: int,
        ratios: Sequence[int],
        drop: float,
    ) -> None:
        super().__init__()
        self.norm1, self.norm_source = image_norm(channels), image_norm(channels)
        self.attention = PoolingAttention(channels, heads, side=side, ratios=ratios)
        self.norm2 = image_norm(channels)
        self.feed_forward = FeedForward(channels, expansion)
        self.drop = StochasticDepth(drop)

    def forward(
        self,
        x: Float[Tensor, "batch channel height width"],
        source: Float[Tensor, "batch channel height width"],
    ) -> Float[Tensor, "batch channel height width"]:
        """Return x with what it has read from the source."""
        x = x + self.drop(self.attention(self.norm1(x), self.norm_source(source)))
        return x + self.drop(self.feed_forward(self.norm2(x)))


class Downsample(nn.Module):
    """Halve a map: each 3x3 window is normalised, then made one pixel."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(9 * channels)
        self.reduce = nn.Linear(9 * channels, channels_out, bias=False)

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel_out half_height half_width"]:
        """Return the map at half the size; zeros take part beyond the border."""
        size = (x.shape[2] + 1) // 2, (x.shape[3] + 1) // 2
        windows = F.unfold(x, 3, padding=1, stride=2).transpose(1, 2)
        return self.reduce(self.norm(windows)).transpose(1, 2).unflatten(2, size)


class Stage(nn.Module):
    """The blocks of one size.

    Args:
        coarse: Blocks that lead on to the next stage.
        refine: Blocks that sharpen what the head reads.
        down: Leads on to the next stage; None at the last one.
        channels: Channels of the map.
        stride: Of the map, in pixels.
    """

    def __init__(
        self,
        coarse: Sequence[Block],
        refine: Sequence[Block],
        down: Downsample | None,
        *,
        channels: int,
        stride: int,
    ) -> None:
        super().__init__()
        self.coarse, self.refine = nn.ModuleList(coarse), nn.ModuleList(refine)
        self.norm = image_norm(channels)
        self.down = down
        self.stride = stride

    def read(
        self,
        x: Float[Tensor, "batch channel height width"],
        photo: Float[Tensor, "batch channel height width"],
    ) -> Float[Tensor, "batch channel height width"]:
        """Return the map after the coarse blocks.

        Args:
            x: What the clicks have made of the photo so far.
            photo: The pyramid's map of this size.
        """
        for index, block in enumerate(self.coarse):
            x = block(x, photo if index == 0 else x)
        return x

    def sharpen(
        self, x: Float[Tensor, "batch channel height width"], regions: Sequence[Box] | None = None
    ) -> Float[Tensor, "batch channel height width"]:
        """Return what the head reads: after the refine blocks, and normalised.

        Args:
            x: Of `read`.
            regions: Of each sample, the part of the photo to which refinement is confined, in
                multiples of 32 pixels; None refines the whole.
        """
        if regions is not None and self.refine:
            x = torch.cat([
                self._refine_within(sample[None], region)
                for sample, region in zip(x, regions, strict=True)
            ])
        else:
            x = self._refine(x)
        return self.norm(x)

    def _refine_within(self, x: Tensor, region: Box) -> Tensor:
        corners = (region.y0, region.y1, region.x0, region.x1)
        top, bottom, left, right = (int(edge) // self.stride for edge in corners)
        x = x.clone()
        x[:, :, top:bottom, left:right] = self._refine(x[:, :, top:bottom, left:right])
        return x

    def _refine(self, x: Tensor) -> Tensor:
        for block in self.refine:
            x = block(x, x)
        return x


class Neck(nn.Module):
    """Return the four maps after the clicks have been read.

    Args:
        config: The network's sizes.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(STATES, config.widths[0]))
        nn.init.xavier_normal_(self.embedding)
        self.stages = nn.ModuleList(_stages(config))

    def forward(
        self,
        maps: Sequence[Float[Tensor, "batch _ _ _"]],
        reference: Integer[Tensor, "batch 1 height width"],
        *,
        regions: Sequence[Box] | None = None,
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Return four maps of the pyramid's shapes.

        Args:
            maps: The pyramid.
            reference: States 0 to 4 of the pixels.
            regions: As in `Stage.sharpen`.
        """
        clicked = embed(self.embedding, reference[:, 0])
        x, read = maps[0] + clicked.permute(0, 3, 1, 2), []
        for stage, photo in zip(self.stages, maps, strict=True):
            assert isinstance(stage, Stage)
            x = stage.read(x, photo)
            read.append(stage.sharpen(x, regions))
            if stage.down is not None:
                x = stage.down(x)
        return read


def embed(
    embedding: Float[Tensor, "state channel"], states: Integer[Tensor, "*axes height width"]
) -> Float[Tensor, "*axes quarter_height quarter_width channel"]:
    """Return the embedded states: of each 4x4 pixels, the mean of the four in the middle.

    That is what bilinear interpolation to a quarter of the size reads.
    """
    middle = [states[..., top::4, left::4] for top in (1, 2) for left in (1, 2)]
    pixels = torch.stack(middle)
    counts = [(pixels == state).sum(0, dtype=torch.uint8) for state in range(STATES)]
    return torch.stack(counts, -1).to(embedding.dtype) @ (embedding / len(middle))


def _stages(config: Config) -> list[Stage]:
    drops = iter(rates(sum(config.coarse) + sum(config.refine)))
    stages = []
    for index, (channels, stride) in enumerate(zip(config.widths, STRIDES, strict=True)):

        def blocks(count: int, index: int = index) -> list[Block]:
            return [_block(config, index, drop=next(drops)) for _ in range(count)]

        is_last = index == len(STRIDES) - 1
        down = None if is_last else Downsample(channels, config.widths[index + 1])
        coarse, refine = blocks(config.coarse[index]), blocks(config.refine[index])
        stages.append(Stage(coarse, refine, down, channels=channels, stride=stride))
    return stages


def _block(config: Config, stage: int, *, drop: float) -> Block:
    return Block(
        config.widths[stage],
        config.neck_heads[stage],
        config.expansions[stage],
        side=TARGET_PX // STRIDES[stage],
        ratios=config.pools[stage],
        drop=drop,
    )
