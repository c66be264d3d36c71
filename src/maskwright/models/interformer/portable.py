"""The network as two graphs of fixed size for other runtimes: what looks, and what answers clicks.

Of plain operators only, and quick where those are: maps are (batch, channel, height, width), whose
convolutions ONNX Runtime does best. What is said in `quick.py` holds here too: wide maps and scores
exist in strips, norms of windows and of the head are folded.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.conv import ConvNorm, folded
from maskwright.layers.vit import strips, with_halo
from maskwright.models.interformer.attention import KeyValue, PoolingAttention
from maskwright.models.interformer.head import POOLS, Head, resize
from maskwright.models.interformer.model import InterFormer
from maskwright.models.interformer.neck import STRIDES, Block, Downsample, FeedForward, Stage
from maskwright.models.interformer.quick_head import by_row, enlarging_matrix
from maskwright.models.interformer.quick_neck import HIDDEN_ENTRIES, QuickDownsample

DIRECT = 2  # so many of the largest maps meet the last convolution at its own size
NAMES = ("largest", *(f"{kind}{stage}" for stage in range(4) for kind in ("key", "value")))


class PortableEncoder(nn.Module):
    """Return the largest map, then keys and values of each stage: `NAMES`.

    Args:
        network: The network.
    """

    def __init__(self, network: InterFormer) -> None:
        super().__init__()
        network = folded(network)
        self.encoder, self.pyramid = network.encoder, network.pyramid
        self.stages = network.neck.stages
        self.requires_grad_(False)

    def forward(self, image: Float[Tensor, "1 3 height width"]) -> tuple[Tensor, ...]:
        """Return what `NAMES` says of a normalised image, as `QuickDecoder.prepare`."""
        maps = self.pyramid(self.encoder(image))
        found = [maps[0]]
        for stage, x in zip(self.stages, maps, strict=True):
            assert isinstance(stage, Stage)
            found += _read_source(_first(stage), x)
        return tuple(found)


class PortableDecoder(nn.Module):
    """Return the margin at a quarter of the size, as `QuickDecoder.margin`; refines everywhere.

    Args:
        network: The network.
        size: Height and width of the reference maps, multiples of 32.
    """

    table: Tensor

    def __init__(self, network: InterFormer, size: tuple[int, int]) -> None:
        super().__init__()
        network = folded(network)
        self.register_buffer("table", network.neck.embedding.detach() / 4)
        self.stages = network.neck.stages
        for stage in self.stages:
            assert isinstance(stage, Stage)
            for block in (*stage.coarse, *stage.refine):
                assert isinstance(block, Block)
                move_into(block.attention.query, block.norm1)
                move_into(block.feed_forward.widen, block.norm2)
        norms = [stage.norm for stage in self.stages if isinstance(stage, Stage)]
        for lateral, norm in zip(network.head.laterals, norms[:-1], strict=True):
            assert isinstance(lateral, ConvNorm)
            move_into(lateral.conv, norm)
        self.downs = nn.ModuleList(
            PortableDownsample(stage.down)
            for stage in self.stages
            if isinstance(stage, Stage) and stage.down is not None
        )
        self.head = PortableHead(network.head, (size[0] // STRIDES[0], size[1] // STRIDES[0]))
        self.requires_grad_(False)

    def forward(
        self, reference: UInt8[Tensor, "1 1 height width"], *prepared: Tensor
    ) -> Float[Tensor, "1 1 quarter_height quarter_width"]:
        """Return the margin.

        Args:
            reference: As in `InterFormer.decode`.
            prepared: What `NAMES` says.
        """
        largest, *pairs = prepared
        x, read = largest + self._embed(reference[:, 0]), []
        for index, stage in enumerate(self.stages):
            assert isinstance(stage, Stage)
            key_value = pairs[2 * index], pairs[2 * index + 1]
            for number, block in enumerate(stage.coarse):
                x = _answer(block, x, key_value if number == 0 else _read_source(block, x))
            side = x
            for block in stage.refine:
                side = _answer(block, side, _read_source(block, side))
            read.append(normalised(side, stage.norm))
            if stage.down is not None:
                x = self.downs[index](x)
        return self.head(read)

    def _embed(self, states: Tensor) -> Tensor:
        """Return the embedded states; see `neck.embed`."""
        middle = [states[:, top::4, left::4].long() for top in (1, 2) for left in (1, 2)]
        a, b, c, d = (F.embedding(pixels, self.table) for pixels in middle)
        return (a + b + c + d).permute(0, 3, 1, 2)


class PortableDownsample(nn.Module):
    """Halve a map, as `QuickDownsample`.

    Args:
        down: The layer.
    """

    def __init__(self, down: Downsample) -> None:
        super().__init__()
        self.quick = QuickDownsample(down)

    def forward(
        self, x: Float[Tensor, "1 channel height width"]
    ) -> Float[Tensor, "1 channel_out half_height half_width"]:
        """Return the map at half the size."""
        quick = self.quick
        y = F.conv2d(x, quick.weight, stride=2, padding=1)
        # Windows before channels: runtimes pool as they filter, and add up channels slowly.
        mean, square = (
            F.avg_pool2d(each, 3, stride=2, padding=1).mean(1, keepdim=True) for each in (x, x * x)
        )
        scale = torch.rsqrt(F.relu(square - mean * mean) + quick.eps)
        return (y - mean * _by_channel(quick.total)) * scale + _by_channel(quick.shift)


class PortableHead(nn.Module):
    """The head, whose small maps meet the last convolution before they are enlarged.

    Args:
        head: The head, its norms folded.
        size: Rows and columns of the largest map.
    """

    def __init__(self, head: Head, size: tuple[int, int]) -> None:
        super().__init__()
        self.head, self.size = head, size
        fuse, classify = head.fuse.conv, head.classify[1]
        assert isinstance(classify, nn.Conv2d) and classify.bias is not None
        width = classify.in_channels
        direct, *late = fuse.weight.detach().split([DIRECT * width] + (4 - DIRECT) * [width], 1)
        self.direct = nn.Parameter(direct.contiguous())
        sizes = [(size[0] >> level, size[1] >> level) for level in range(4)]
        self.late = nn.ModuleList(
            EnlargedConvolution(filters, smaller, size)
            for filters, smaller in zip(late, sizes[DIRECT:], strict=True)
        )
        self.averages = nn.ModuleList(Averages(sizes[-1], cells) for cells in POOLS)
        margin = classify.weight.detach()[1:] - classify.weight.detach()[:1]
        self.margin = nn.Parameter(margin)
        self.offset = nn.Parameter((classify.bias[1:] - classify.bias[:1]).detach())

    def forward(
        self, maps: Sequence[Float[Tensor, "1 _ _ _"]]
    ) -> Float[Tensor, "1 1 quarter_height quarter_width"]:
        """Return the margin of four normalised maps."""
        levels = [self._look_around(maps[-1])]
        for lateral, x in zip(reversed(self.head.laterals), reversed(maps[:-1]), strict=True):
            levels.insert(0, lateral(x) + resize(levels[0], x.shape[2:]))
        smooth = [each(x) for each, x in zip(self.head.smooth, levels, strict=False)]
        smooth.append(levels[-1])
        joined = torch.cat([smooth[0], *(resize(x, self.size) for x in smooth[1:DIRECT])], 1)
        y = F.conv2d(joined, self.direct, self.head.fuse.conv.bias, padding=1)
        for enlarged, x in zip(self.late, smooth[DIRECT:], strict=True):
            y = y + enlarged(x)
        return F.conv2d(F.relu(y), self.margin, self.offset)

    def _look_around(self, x: Tensor) -> Tensor:
        views = [x]
        for averages, pool in zip(self.averages, self.head.pools, strict=True):
            views.append(resize(pool(averages(x)), x.shape[2:]))
        return self.head.surround(torch.cat(views, 1))


class EnlargedConvolution(nn.Module):
    """A 3x3 convolution of an enlarged map; see `add_enlarged_convolution`.

    Args:
        filters: Its weights.
        size: Rows and columns of the map.
        enlarged: Rows and columns to which it is enlarged.
    """

    down: Tensor
    across: Tensor

    def __init__(
        self,
        filters: Float[Tensor, "channel_out channel 3 3"],
        size: tuple[int, int],
        enlarged: tuple[int, int],
    ) -> None:
        super().__init__()
        self.filters, self.enlarged = nn.Parameter(by_row(filters)), enlarged
        for name, length, wanted in zip(("down", "across"), size, enlarged, strict=True):
            self.register_buffer(name, enlarging_matrix(length, wanted).float())

    def forward(
        self, x: Float[Tensor, "1 channel rows columns"]
    ) -> Float[Tensor, "1 channel_out height width"]:
        """Return the convolution."""
        rows, columns = x.shape[2:]
        products = x[0].permute(1, 2, 0)[:, None] @ self.filters  # row, its row, column, triple
        wide = self.across @ products.reshape(rows, 3, 3 * columns, -1)
        tall = self.down @ wide.reshape(3 * rows, -1)
        return tall.reshape(*self.enlarged, -1).permute(2, 0, 1)[None]


class Averages(nn.Module):
    """`adaptive_avg_pool2d` to so many cells each way, as products with matrices.

    Args:
        size: Rows and columns of the map.
        cells: How many cells along each axis.
    """

    down: Tensor
    across: Tensor

    def __init__(self, size: tuple[int, int], cells: int) -> None:
        super().__init__()
        self.register_buffer("down", mean_matrix(size[0], cells))
        self.register_buffer("across", mean_matrix(size[1], cells).T.contiguous())

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel cell cell"]:
        """Return the mean of each cell."""
        return self.down @ x @ self.across


def normalised(
    x: Float[Tensor, "1 channel height width"], norm: nn.GroupNorm
) -> Float[Tensor, "1 channel height width"]:
    """Return a map after a norm over the image, which may be without scale and shift."""
    flat = F.instance_norm(x.reshape(1, 1, -1), eps=norm.eps)  # which runtimes have as one step
    y = flat.reshape(x.shape)
    if norm.weight is None:
        return y
    return y * _by_channel(norm.weight) + _by_channel(norm.bias)


@torch.no_grad()
def move_into(layer: nn.Conv2d | nn.Linear, norm: nn.GroupNorm) -> None:
    """Make scale and shift of a norm part of the layer of single pixels after it."""
    assert layer.bias is not None
    layer.bias += layer.weight.flatten(1) @ norm.bias
    layer.weight *= norm.weight.reshape(-1, *layer.weight.shape[2:])
    norm.register_parameter("weight", None)
    norm.register_parameter("bias", None)


def maxima(
    x: Float[Tensor, "batch channel height width"], size: tuple[int, int]
) -> Float[Tensor, "batch channel rows columns"]:
    """Return `adaptive_max_pool2d`: along each axis, pixels are gathered by cell and compared."""
    for axis, cells in zip((2, 3), size, strict=True):
        pixels = [list(range(*cell)) for cell in cell_edges(x.shape[axis], cells)]
        longest = max(map(len, pixels))
        gathered = torch.tensor([each + each[-1:] * (longest - len(each)) for each in pixels])
        y = x.index_select(axis, gathered.flatten().to(x.device))
        x = y.unflatten(axis, (cells, longest)).amax(axis + 1)
    return x


def mean_matrix(length: int, cells: int) -> Float[Tensor, "cell length"]:
    """Return the matrix that averages `length` pixels by cell, as `adaptive_avg_pool2d` does."""
    matrix = torch.zeros(cells, length)
    for row, (first, end) in zip(matrix, cell_edges(length, cells), strict=True):
        row[first:end] = 1 / (end - first)
    return matrix


def cell_edges(length: int, cells: int) -> list[tuple[int, int]]:
    """Return first pixel and end of each cell of an adaptive pooling; cells may overlap."""
    return [(cell * length // cells, -(-(cell + 1) * length // cells)) for cell in range(cells)]


def _first(stage: Stage) -> Block:
    block = stage.coarse[0]
    assert isinstance(block, Block)
    return block


def _read_source(block: nn.Module, x: Tensor) -> KeyValue:
    assert isinstance(block, Block)
    return block.attention.read_source(normalised(x, block.norm_source), maxima)


def _answer(block: nn.Module, x: Tensor, key_value: KeyValue) -> Tensor:
    """Return a block's output."""
    assert isinstance(block, Block)
    x = x + _attend(block.attention, normalised(x, block.norm1), key_value)
    return x + _feed_forward(block.feed_forward, normalised(x, block.norm2))


def _attend(attention: PoolingAttention, x: Tensor, key_value: KeyValue) -> Tensor:
    """Return what each pixel has read; scores exist in strips."""
    (key, value), channels = key_value, x.shape[1]
    query, out = attention.query, attention.out
    scale = (channels // attention.heads) ** -0.5
    if attention.heads == 1:  # then both layers are part of the keys and values
        tokens = x.flatten(2).transpose(1, 2)[None]
        bias = (key @ (query.bias * scale)[:, None]).transpose(2, 3)
        key, value = key @ query.weight * scale, value @ out.weight.T
    else:
        tokens = F.conv2d(x, _as_filter(query.weight) * scale, query.bias * scale)
        tokens, bias = attention.split(tokens.flatten(2).transpose(1, 2)), None
    rows = max(1, HIDDEN_ENTRIES // (attention.heads * key.shape[2]))
    parts = []
    for strip in strips(tokens.shape[2], rows):
        scores = tokens[:, :, strip] @ key.transpose(2, 3)
        scores = scores if bias is None else scores + bias
        parts.append(scores.softmax(-1) @ value)
    read = torch.cat(parts, 2).transpose(2, 3).reshape(x.shape)
    if attention.heads == 1:
        return read + _by_channel(out.bias)
    return F.conv2d(read, _as_filter(out.weight), out.bias)


def _feed_forward(layer: FeedForward, x: Tensor) -> Tensor:
    """Return what the feed-forward part adds, in strips; see `QuickFeedForward`."""
    height, width = x.shape[2:]
    filters, hidden = layer.filter, layer.widen.out_channels
    parts = []
    for strip in strips(height, max(1, HIDDEN_ENTRIES // (width * hidden))):
        read, inner = with_halo(strip, 1, height=height)
        above, below = 1 - inner.start, 1 - (read.stop - strip.stop)
        y = F.hardswish(layer.widen(x[:, :, read]))
        y = F.pad(y, (0, 0, above, below)) if above or below else y
        y = F.conv2d(y, filters.weight, filters.bias, padding=(0, 1), groups=hidden)
        parts.append(layer.narrow(F.hardswish(y)))
    return torch.cat(parts, 2)


def _by_channel(values: Tensor) -> Tensor:
    return values[:, None, None]


def _as_filter(weight: Tensor) -> Tensor:
    return weight[:, :, None, None]
