"""The neck of the quick decoder. Maps are (height, width, channel).

A norm over the image and the linear layer after it are one linear layer whose weights depend on
two numbers of the map, its mean and its deviation; see `FoldedNorm`.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.vit import strips, with_halo
from maskwright.models.interformer.attention import KeyValue
from maskwright.models.interformer.neck import Block, Downsample, FeedForward, Stage
from maskwright.structures.box import Box

HIDDEN_ENTRIES = 2**19  # of a wide map that exists at once: 2 MiB in fp32


class Moments(NamedTuple):
    """The mean of a map, and the reciprocal of its deviation."""

    mean: Tensor
    scale: Tensor


class FoldedNorm(nn.Module):
    """A norm over the image, then a linear layer: `(x - mean) scale (gamma W) + (beta W + b)`.

    Args:
        norm: The norm.
        weight: Of the linear layer.
        bias: Of the linear layer.
    """

    weight: Tensor
    total: Tensor
    bias: Tensor

    def __init__(
        self,
        norm: nn.GroupNorm,
        weight: Float[Tensor, "channel_out channel"],
        bias: Float[Tensor, " channel_out"],
    ) -> None:
        super().__init__()
        weight, bias = weight.detach(), bias.detach()
        folded = weight * norm.weight.detach()
        self.register_buffer("weight", folded.T.contiguous())
        self.register_buffer("total", folded.sum(1))
        self.register_buffer("bias", bias + weight @ norm.bias.detach())
        self.eps = norm.eps

    def for_map(self, moments: Moments) -> tuple[Tensor, Tensor]:
        """Return (weight, bias) for a map with these moments."""
        mean, scale = moments
        return self.weight * scale, self.bias - mean * scale * self.total

    def forward(
        self, x: Float[Tensor, "height width channel"]
    ) -> Float[Tensor, "height width channel_out"]:
        """Return the linear layer's output for the normalised map."""
        weight, bias = self.for_map(moments(x, self.eps))
        return torch.addmm(bias, x.flatten(0, 1), weight).unflatten(0, x.shape[:2])


class QuickFeedForward(nn.Module):
    """The feed-forward part with its residual, in strips, so that wide maps stay in the cache."""

    filters: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, norm: nn.GroupNorm, layer: FeedForward) -> None:
        super().__init__()
        assert layer.widen.bias is not None and layer.narrow.bias is not None
        self.widen = FoldedNorm(norm, layer.widen.weight[:, :, 0, 0], layer.widen.bias)
        # Without weights in the order of the map, torch filters ten times slower.
        filters = layer.filter.weight.detach().contiguous(memory_format=torch.channels_last)
        self.register_buffer("filters", filters)
        self.filter_bias = layer.filter.bias
        self.register_buffer("weight", layer.narrow.weight.detach()[:, :, 0, 0].T.contiguous())
        self.bias = layer.narrow.bias

    def forward(
        self, x: Float[Tensor, "height width channel"]
    ) -> Float[Tensor, "height width channel"]:
        """Return x with what the layers add."""
        height, width = x.shape[:2]
        weight, bias = self.widen.for_map(moments(x, self.widen.eps))
        y = torch.empty_like(x)
        rows = max(1, HIDDEN_ENTRIES // (width * weight.shape[1]))
        for strip in strips(height, rows):
            read, inner = with_halo(strip, 1, height=height)
            hidden = torch.addmm(bias, x[read].flatten(0, 1), weight)
            hidden = F.hardswish(hidden, inplace=True).unflatten(0, (-1, width))
            hidden = self._filtered(hidden)[inner]
            hidden = F.hardswish(hidden, inplace=True).flatten(0, 1)
            added = torch.addmm(x[strip].flatten(0, 1), hidden, self.weight)
            torch.add(added.view_as(x[strip]), self.bias, out=y[strip])
        return y

    def _filtered(self, hidden: Tensor) -> Tensor:
        batch, groups = hidden[None].permute(0, 3, 1, 2), hidden.shape[2]
        y = F.conv2d(batch, self.filters, self.filter_bias, padding=1, groups=groups)
        return y[0].permute(1, 2, 0)


class QuickBlock(nn.Module):
    """Attention to keys and values that are known, then the feed-forward part."""

    weight: Tensor

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.norm_source, self.attention = block.norm_source, block.attention
        query, out = block.attention.query, block.attention.out
        self.query = FoldedNorm(block.norm1, query.weight, query.bias)
        self.register_buffer("weight", out.weight.detach().T.contiguous())
        self.bias = out.bias
        self.feed_forward = QuickFeedForward(block.norm2, block.feed_forward)

    def forward(
        self, x: Float[Tensor, "height width channel"], key_value: KeyValue
    ) -> Float[Tensor, "height width channel"]:
        """Return x with what it has read."""
        query = self.query(x).flatten(0, 1)[None]
        read = self.attention.attend(query, key_value)[0]
        y = torch.addmm(x.flatten(0, 1), read, self.weight).add_(self.bias)
        return self.feed_forward(y.unflatten(0, x.shape[:2]))

    def read_source(self, source: Float[Tensor, "1 channel height width"]) -> KeyValue:
        """Return the keys and values of a map."""
        key, value = self.attention.read_source(self.norm_source(source))
        return key.contiguous(), value.contiguous()

    def reread(
        self, x: Float[Tensor, "height width channel"]
    ) -> Float[Tensor, "height width channel"]:
        """Return x with what it has read in itself."""
        return self(x, self.read_source(x[None].permute(0, 3, 1, 2)))


class QuickDownsample(nn.Module):
    """Halve a map by a convolution, corrected by the moments of each 3x3 window."""

    weight: Tensor
    total: Tensor
    shift: Tensor

    def __init__(self, down: Downsample) -> None:
        super().__init__()
        weight, norm = down.reduce.weight.detach(), down.norm
        folded = weight * norm.weight.detach()
        filters = folded.unflatten(1, (-1, 3, 3)).contiguous(memory_format=torch.channels_last)
        self.register_buffer("weight", filters)
        self.register_buffer("total", folded.sum(1))
        self.register_buffer("shift", weight @ norm.bias.detach())
        self.eps = norm.eps

    def forward(
        self, x: Float[Tensor, "height width channel"]
    ) -> Float[Tensor, "half_height half_width channel_out"]:
        """Return the map at half the size."""
        y = F.conv2d(x[None].permute(0, 3, 1, 2), self.weight, stride=2, padding=1)
        sums = torch.stack([x.mean(2), x.square().mean(2)])
        mean, square = F.avg_pool2d(sums[None], 3, stride=2, padding=1)[0, :, :, :, None]
        scale = (square - mean.square()).clamp_min(0).add(self.eps).rsqrt()
        y = y[0].permute(1, 2, 0)
        return torch.addcmul(self.shift, y - mean * self.total, scale)


class QuickStage(nn.Module):
    """The blocks of one size."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.coarse = nn.ModuleList(map(_quick, stage.coarse))
        self.refine = nn.ModuleList(map(_quick, stage.refine))
        self.stride = stage.stride
        self.down = None if stage.down is None else QuickDownsample(stage.down)

    def read_photo(self, photo: Float[Tensor, "1 channel height width"]) -> KeyValue:
        """Return the first block's keys and values, which no click changes."""
        first = self.coarse[0]
        assert isinstance(first, QuickBlock)
        return first.read_source(photo)

    def read(
        self, x: Float[Tensor, "height width channel"], key_value: KeyValue
    ) -> Float[Tensor, "height width channel"]:
        """Return the map after the coarse blocks.

        Args:
            x: What the clicks have made of the photo so far.
            key_value: Of `read_photo`.
        """
        first, *others = self.coarse
        x = first(x, key_value)
        for block in others:
            assert isinstance(block, QuickBlock)
            x = block.reread(x)
        return x

    def sharpen(
        self, x: Float[Tensor, "height width channel"], region: Box | None
    ) -> Float[Tensor, "height width channel"]:
        """Return the map after the refine blocks, not normalised; as `neck.Stage.sharpen`."""
        if region is None or not self.refine:
            return self._refine(x)
        corners = (region.y0, region.y1, region.x0, region.x1)
        top, bottom, left, right = (int(edge) // self.stride for edge in corners)
        x = x.clone()
        x[top:bottom, left:right] = self._refine(x[top:bottom, left:right].contiguous())
        return x

    def _refine(self, x: Tensor) -> Tensor:
        for block in self.refine:
            assert isinstance(block, QuickBlock)
            x = block.reread(x)
        return x


def moments(x: Float[Tensor, "height width channel"], eps: float) -> Moments:
    """Return the mean of a map, and the reciprocal of its deviation."""
    mean = x.mean()
    offsets = (x - mean).flatten()
    variance = torch.dot(offsets, offsets) / len(offsets)  # many times faster than `var_mean`
    return Moments(mean, (variance + eps).rsqrt())


def _quick(block: nn.Module) -> QuickBlock:
    assert isinstance(block, Block)
    return QuickBlock(block)
