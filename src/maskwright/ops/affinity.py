"""Affinity-aware up- and down-sampling: kernel generation and reassembly.

Paper: Dai, Lu, Shen, "Learning Affinity-Aware Upsampling for Deep Image Matting", CVPR 2021,
arXiv:2011.14288, section 3. Both directions sample by a factor of two.

Reassembly reads a window of the input around each output pixel and sums it up with that pixel's
own kernel; outside the image there are zeros. A kernel map has `groups * size * size` channels,
group-major: channel `(group * size + row) * size + column`.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

from maskwright.errors import ShapeError


def reassemble_down(
    x: Float[Tensor, "batch channel height width"],
    kernels: Float[Tensor, "batch tap half_height half_width"],
    *,
    groups: int = 1,
) -> Float[Tensor, "batch channel half_height half_width"]:
    """Return x at half the size, each pixel a weighted sum of a window, section 3.1.

    `out[y, x] = sum_ij in[2y - (size - 2) / 2 + i, 2x - (size - 2) / 2 + j] * kernel[y, x][i, j]`

    Args:
        x: Features; height and width are even.
        kernels: One kernel of even size per output pixel and group.
        groups: Groups of consecutive channels; each has its own kernels.

    Raises:
        ShapeError: If sizes do not fit each other.
    """
    size = _kernel_size(x, kernels.shape[1], groups, batch=len(kernels))
    height, width = kernels.shape[2:]
    if size % 2 or x.shape[2:] != (2 * height, 2 * width):
        raise ShapeError(
            f"down-sampling expects an even kernel size and kernels at half the size of x, "
            f"got size {size}, kernels {tuple(kernels.shape)} and x {tuple(x.shape)}"
        )
    if not len(x):
        return x.new_empty(0, x.shape[1], height, width)
    return _call(_Down, x, kernels, groups=groups, size=size)


def reassemble_up(
    x: Float[Tensor, "batch channel height width"],
    kernels: Float[Tensor, "batch tap double_height double_width"],
    *,
    groups: int = 1,
) -> Float[Tensor, "batch channel double_height double_width"]:
    """Return x at twice the size, each pixel a weighted sum of a window, section 3.1.

    `out[Y, X] = sum_ij in[Y // 2 - (size - 1) / 2 + i, X // 2 - (size - 1) / 2 + j]
    * kernel[Y, X][i, j]`; the four output pixels over one input pixel share its window.

    Args:
        x: Features.
        kernels: One kernel of odd size per output pixel and group.
        groups: Groups of consecutive channels; each has its own kernels.

    Raises:
        ShapeError: If sizes do not fit each other.
    """
    size = _kernel_size(x, kernels.shape[1], groups, batch=len(kernels))
    height, width = x.shape[2:]
    if size % 2 == 0 or kernels.shape[2:] != (2 * height, 2 * width):
        raise ShapeError(
            f"up-sampling expects an odd kernel size and kernels at twice the size of x, "
            f"got size {size}, kernels {tuple(kernels.shape)} and x {tuple(x.shape)}"
        )
    if not len(x):  # pixel_unshuffle loses the channels of an empty batch
        return x.new_empty(0, x.shape[1], 2 * height, 2 * width)
    return _call(_Up, x, F.pixel_unshuffle(kernels, 2), groups=groups, size=size)


def reassemble_parts(
    x: Float[Tensor, "batch channel height width"],
    kernels: Float[Tensor, "batch part_tap height width"],
    *,
    groups: int = 1,
) -> Float[Tensor, "batch channel double_height double_width"]:
    """Return `reassemble_up` of kernels that lie at the size of x, four parts to a tap.

    Args:
        x: Features.
        kernels: Channel `tap * 4 + part` holds what channel `tap` of the full-size kernels holds
            at the part `2 * (Y % 2) + X % 2`: they are `pixel_unshuffle`d.
        groups: As in `reassemble_up`.

    Raises:
        ShapeError: If sizes do not fit each other.
    """
    size = _kernel_size(x, kernels.shape[1] // 4, groups, batch=len(kernels))
    if kernels.shape[1] % 4 or size % 2 == 0 or kernels.shape[2:] != x.shape[2:]:
        raise ShapeError(
            f"up-sampling expects four kernels of odd size for each pixel of x, got "
            f"kernels {tuple(kernels.shape)} and x {tuple(x.shape)}"
        )
    return _call(_Up, x, kernels, groups=groups, size=size)


def filter_half(
    x: Float[Tensor, "batch channel height width"],
    filters: Float[Tensor, "filter_batch rank filter_channel size size"],
) -> Float[Tensor, "batch rank channel half_height half_width"]:
    """Return x under depth-wise filters at every second pixel: the linear part of Eq. (4).

    Args:
        x: Features; height and width are even.
        filters: One set per image, or one for all images (filter_batch 1); one filter per
            channel, or one for all channels (filter_channel 1).
    """
    batch, channels, height, width = x.shape
    rank, size = filters.shape[1], filters.shape[-1]
    padding = (size - 1) // 2
    if len(filters) == 1:
        weight = filters[0].expand(-1, channels, -1, -1).transpose(0, 1).reshape(-1, 1, size, size)
        y = F.conv2d(x, weight, stride=2, padding=padding, groups=channels)
        return y.unflatten(1, (channels, rank)).transpose(1, 2)
    weight = filters.expand(-1, -1, channels, -1, -1).transpose(1, 2).reshape(-1, 1, size, size)
    images = x.reshape(1, batch * channels, height, width)
    y = F.conv2d(images, weight, stride=2, padding=padding, groups=batch * channels)
    return y.view(batch, channels, rank, *y.shape[2:]).transpose(1, 2)


def affinity(
    left: Float[Tensor, "batch rank channel height width"],
    right: Float[Tensor, "batch rank channel height width"],
) -> Float[Tensor, "batch rank height width"]:
    """Return the second-order affinity of two embeddings, `left . right / sqrt(channel)`, Eq. (5).

    The paper's bilinear form `x^T M x` with `M = U V^T` of low rank: U and V made the embeddings.
    """
    return (left * right).sum(2) / math.sqrt(left.shape[2])


def _kernel_size(x: Tensor, taps: int, groups: int, *, batch: int) -> int:
    size = math.isqrt(taps // groups)
    if groups * size * size != taps or x.shape[1] % groups or len(x) != batch:
        raise ShapeError(
            f"kernels need groups * size * size channels, channels a multiple of groups and equal "
            f"batches, got {batch} kernels of {taps} taps, x {tuple(x.shape)}, groups={groups}"
        )
    return size


def _call(
    function: type["_Down"] | type["_Up"], x: Tensor, kernels: Tensor, *, groups: int, size: int
) -> Tensor:
    if torch.is_grad_enabled() and (x.requires_grad or kernels.requires_grad):
        return function.apply(x, kernels, groups, size)  # type: ignore[no-untyped-call]
    return function.sample(x, kernels, groups, size)


# Both directions are sums over taps of `map * weight`, accumulated in place. Their gradients are
# written out, because autograd would keep one full-size product alive for every tap.


class _Down(torch.autograd.Function):
    @staticmethod
    def sample(x: Tensor, kernels: Tensor, groups: int, size: int) -> Tensor:
        height, width = kernels.shape[2:]
        parities, weights = _Down._arrange(x, kernels, groups, size)
        total = torch.zeros_like(parities[:, :, :, 0, :height, :width])
        for tap, parity, rows, columns in _Down._taps(size, height, width):
            total.addcmul_(parities[:, :, :, parity, rows, columns], weights[:, :, :, tap])
        return total.flatten(1, 2)

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, kernels: Tensor, groups: int, size: int) -> Tensor:
        ctx.save_for_backward(x, kernels)
        ctx.groups, ctx.size = groups, size  # type: ignore[attr-defined]
        return _Down.sample(x, kernels, groups, size)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, kernels = ctx.saved_tensors
        height, width = kernels.shape[2:]
        parities, weights = _Down._arrange(x, kernels, ctx.groups, ctx.size)
        gradient = gradient.unflatten(1, (ctx.groups, x.shape[1] // ctx.groups))
        to_x, to_weights = torch.zeros_like(parities), []
        for tap, parity, rows, columns in _Down._taps(ctx.size, height, width):
            to_x[:, :, :, parity, rows, columns].addcmul_(gradient, weights[:, :, :, tap])
            to_weights.append((gradient * parities[:, :, :, parity, rows, columns]).sum(2))
        margin = ctx.size // 2 - 1
        to_padded = F.pixel_shuffle(to_x.flatten(1, 3), 2)
        to_x = to_padded[:, :, margin : margin + x.shape[2], margin : margin + x.shape[3]]
        return to_x, torch.stack(to_weights, 2).flatten(1, 2), None, None

    @staticmethod
    def _arrange(x: Tensor, kernels: Tensor, groups: int, size: int) -> tuple[Tensor, Tensor]:
        # Rows and columns of one parity lie side by side: every tap reads a plain shifted map.
        parities = F.pixel_unshuffle(F.pad(x, [size // 2 - 1] * 4), 2)
        weights = kernels.unflatten(1, (groups, 1, size * size))
        return parities.unflatten(1, (groups, x.shape[1] // groups, 4)), weights

    @staticmethod
    def _taps(size: int, height: int, width: int) -> Iterator[tuple[int, int, slice, slice]]:
        for row, column in itertools.product(range(size), repeat=2):
            rows = slice(row // 2, row // 2 + height)
            columns = slice(column // 2, column // 2 + width)
            yield row * size + column, row % 2 * 2 + column % 2, rows, columns


class _Up(torch.autograd.Function):
    @staticmethod
    def sample(x: Tensor, kernels: Tensor, groups: int, size: int) -> Tensor:
        padded, weights = _Up._arrange(x, kernels, groups, size)
        total = x.new_zeros(*padded.shape[:3], 4, *x.shape[2:])
        for tap, rows, columns in _Up._taps(size, *x.shape[2:]):
            total.addcmul_(padded[..., None, rows, columns], weights[:, :, :, tap])
        if x.is_contiguous(memory_format=torch.channels_last):
            return _shuffled_channels_last(total.flatten(1, 2))
        return F.pixel_shuffle(total.flatten(1, 3), 2)

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, kernels: Tensor, groups: int, size: int) -> Tensor:
        ctx.save_for_backward(x, kernels)
        ctx.groups, ctx.size = groups, size  # type: ignore[attr-defined]
        return _Up.sample(x, kernels, groups, size)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, kernels = ctx.saved_tensors
        padded, weights = _Up._arrange(x, kernels, ctx.groups, ctx.size)
        gradient = F.pixel_unshuffle(gradient.contiguous(), 2)
        gradient = gradient.unflatten(1, (ctx.groups, x.shape[1] // ctx.groups, 4))
        to_padded, to_weights = torch.zeros_like(padded), []
        for tap, rows, columns in _Up._taps(ctx.size, *x.shape[2:]):
            for sub in range(4):
                to_padded[..., rows, columns].addcmul_(
                    gradient[:, :, :, sub], weights[:, :, :, tap, sub]
                )
            to_weights.append((gradient * padded[..., None, rows, columns]).sum(2))
        margin = ctx.size // 2
        to_x = to_padded.flatten(1, 2)
        to_x = to_x[:, :, margin : margin + x.shape[2], margin : margin + x.shape[3]]
        return to_x, torch.stack(to_weights, 2).flatten(1, 3), None, None

    @staticmethod
    def _arrange(x: Tensor, kernels: Tensor, groups: int, size: int) -> tuple[Tensor, Tensor]:
        # All work is done at the low resolution, on four sub-pixels at once.
        padded = F.pad(x.contiguous(), [size // 2] * 4).unflatten(1, (groups, x.shape[1] // groups))
        return padded, kernels.unflatten(1, (groups, 1, size * size, 4))

    @staticmethod
    def _taps(size: int, height: int, width: int) -> Iterator[tuple[int, slice, slice]]:
        for row, column in itertools.product(range(size), repeat=2):
            yield row * size + column, slice(row, row + height), slice(column, column + width)


def _shuffled_channels_last(
    x: Float[Tensor, "batch channel 4 height width"],
) -> Float[Tensor, "batch channel double_height double_width"]:
    """Shuffle pixels and reorder memory in one copy."""
    batch, channels, _, height, width = x.shape
    x = x.view(batch, channels, 2, 2, height, width).permute(0, 4, 2, 5, 3, 1)
    return x.reshape(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)
