"""The straightforward form of InterFormer: the baseline of `benchmarks/click.py`.

Written once, module by module, on the parameter names of the official checkpoints, and left alone
since: the bias of relative positions is looked up in every layer and, for images of another size
than 512 x 512, resampled over queries and over keys; each click embeds the reference map at full
size, pools keys anew, cuts windows for down-sampling, and enlarges both logits before it compares
them. Nothing is kept from click to click but the pyramid, norms are not folded. Do not speed it up.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

State = Mapping[str, Tensor]
Region = tuple[int, int, int, int]  # left, top, right, bottom
SIDE = 32
RATIOS = ((12, 16, 20, 24), (6, 8, 10, 12), (3, 4, 5, 6), (1, 2, 3, 4))


def encode(state: State, image: Tensor) -> list[Tensor]:
    """Return the pyramid of a normalised image (batch, 3, h, w), sides multiples of 32."""
    weight, bias = (state[f"backbone.patch_embed.projection.{leaf}"] for leaf in ("weight", "bias"))
    patches = F.conv2d(image, weight, bias, stride=16)
    size = patches.shape[2], patches.shape[3]
    first = state["backbone.cls_token"].expand(len(image), -1, -1)
    x = torch.cat([first, patches.flatten(2).transpose(1, 2)], 1)
    x = x + _position(state["backbone.pos_embed"], size)
    for layer in range(_count(state, "backbone.layers.{}.ln1.weight")):
        x = _layer(state, f"backbone.layers.{layer}", x, size)
    x = x[:, 1:].transpose(1, 2).reshape(len(image), -1, *size)
    return [_level(state, f"backbone.fpn.rescale_ops.{level}", level, x) for level in range(4)]


def click(
    state: State, maps: Sequence[Tensor], reference: Tensor, *, region: Region | None = None
) -> Tensor:
    """Return the mask (batch, h, w), True on the object, of a reference map (batch, 1, h, w)."""
    return decode(state, maps, reference, region=region).argmax(1) == 1


def decode(
    state: State, maps: Sequence[Tensor], reference: Tensor, *, region: Region | None = None
) -> Tensor:
    """Return the logits (batch, 2, h, w) of a reference map (batch, 1, h, w), states 0 to 4."""
    logits = _head(state, _neck(state, maps, reference, region))
    return F.interpolate(logits, size=reference.shape[2:], mode="bilinear", align_corners=False)


def _position(position: Tensor, size: tuple[int, int]) -> Tensor:
    if size == (SIDE, SIDE):
        return position
    grid = position[:, 1:].reshape(1, SIDE, SIDE, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=size, mode="nearest").flatten(2).transpose(1, 2)
    return torch.cat([position[:, :1], grid], 1)


def _layer(state: State, name: str, x: Tensor, size: tuple[int, int]) -> Tensor:
    y = _attention(state, f"{name}.attn", _layer_norm(state, f"{name}.ln1", x, eps=1e-6), size)
    x = x + state[f"{name}.gamma_1"] * y
    y = _linear(state, f"{name}.ffn.layers.0.0", _layer_norm(state, f"{name}.ln2", x, eps=1e-6))
    y = _linear(state, f"{name}.ffn.layers.1", F.gelu(y))
    return x + state[f"{name}.gamma_2"] * y


def _attention(state: State, name: str, x: Tensor, size: tuple[int, int]) -> Tensor:
    batch, tokens, channels = x.shape
    table = state[f"{name}.relative_position_bias_table"]
    heads = table.shape[1]
    qkv = _linear(state, f"{name}.qkv", x).reshape(batch, tokens, 3, heads, -1)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    bias = table[_index().flatten()].reshape(SIDE**2 + 1, SIDE**2 + 1, heads).permute(2, 0, 1)
    if size != (SIDE, SIDE):
        bias = _resampled(bias.contiguous(), size)
        bias = _resampled(bias.transpose(1, 2).contiguous(), size).transpose(1, 2)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3) + bias
    read = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, tokens, channels)
    return _linear(state, f"{name}.proj", read)


@lru_cache(1)
def _index() -> Tensor:
    """Return which entry of the table each pair of tokens has; a buffer of the official network."""
    row, column = torch.arange(SIDE**2) // SIDE, torch.arange(SIDE**2) % SIDE
    down, right = row[:, None] - row + SIDE - 1, column[:, None] - column + SIDE - 1
    width = 2 * SIDE - 1
    index = torch.full((SIDE**2 + 1, SIDE**2 + 1), width**2)
    index[1:, 1:] = down * width + right
    index[:, 0] = width**2 + 1
    index[0, 0] = width**2 + 2
    return index


def _resampled(bias: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the bias (head, token, other) with its first tokens on a grid of another size."""
    heads, _, others = bias.shape
    grid = bias[:, 1:].transpose(1, 2).reshape(heads, others, SIDE, SIDE)
    grid = F.interpolate(grid, size=size, mode="nearest").flatten(2).transpose(1, 2)
    return torch.cat([bias[:, :1], grid], 1)


def _level(state: State, name: str, level: int, x: Tensor) -> Tensor:
    if level == 0:
        x = F.gelu(_image_norm(state, f"{name}.1", _enlarged(state, f"{name}.0", x)))
        x = _image_norm(state, f"{name}.4", _enlarged(state, f"{name}.3", x))
    elif level == 1:
        x = _image_norm(state, f"{name}.1", _enlarged(state, f"{name}.0", x))
    elif level == 3:
        x = _image_norm(state, f"{name}.1", _conv(state, f"{name}.0", x, stride=2))
    slot = (5, 2, 0, 2)[level]
    x = _conv(state, f"{name}.{slot}", x)
    return F.gelu(_image_norm(state, f"{name}.{slot + 1}", x))


def _neck(
    state: State, maps: Sequence[Tensor], reference: Tensor, region: Region | None
) -> list[Tensor]:
    states = F.one_hot(reference[:, 0].long(), 5).to(maps[0].dtype) @ state["neck.patch_embed"]
    states = states.permute(0, 3, 1, 2)
    size = maps[0].shape[2:]
    x = maps[0] + F.interpolate(states, size=size, mode="bilinear", align_corners=False)
    out = []
    for stage in range(4):
        name = f"neck.stages.{stage}"
        for block in range(_count(state, name + ".blocks.{}.norm1.weight")):
            source = x if block else maps[stage]
            x = _block(state, f"{name}.blocks.{block}", stage, x, source)
        refined = _refined(state, stage, x, region)
        out.append(_image_norm(state, f"neck.norm{stage}", refined))
        if stage < 3:
            x = _downsampled(state, f"{name}.downsample", x)
    return out


def _refined(state: State, stage: int, x: Tensor, region: Region | None) -> Tensor:
    if region is not None:
        left, top, right, bottom = (edge // (4 * 2**stage) for edge in region)
        whole, x = x.clone(), x[:, :, top:bottom, left:right]
    name = f"neck.refine_stages.{stage}.blocks"
    for block in range(_count(state, name + ".{}.norm1.weight")):
        x = _block(state, f"{name}.{block}", stage, x, x)
    if region is None:
        return x
    whole[:, :, top:bottom, left:right] = x
    return whole


def _block(state: State, name: str, stage: int, x: Tensor, source: Tensor) -> Tensor:
    normed = _image_norm(state, f"{name}.norm_kv", source)
    y = _image_norm(state, f"{name}.norm1", x)
    x = x + _pooling_attention(state, f"{name}.attn", stage, y, normed)
    y = _conv(state, f"{name}.mlp.0", _image_norm(state, f"{name}.norm2", x))
    y = _conv(state, f"{name}.mlp.2", F.hardswish(y), padding=1)
    return x + _conv(state, f"{name}.mlp.4", F.hardswish(y))


def _pooling_attention(state: State, name: str, stage: int, x: Tensor, source: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    heads, grids = channels // 32, []
    for index, ratio in enumerate(RATIOS[stage]):
        size = tuple(_pooled(side, 128 // 2**stage, ratio) for side in source.shape[2:])
        grid = source if ratio == 1 or size == source.shape[2:] else None
        if grid is None:
            grid = F.adaptive_max_pool2d(source, size)
        grid = grid + _conv(state, f"{name}.dconvs.{index}", grid, padding=1)
        grids.append(grid.flatten(2))
    tokens = _layer_norm(state, f"{name}.norm", torch.cat(grids, 2).transpose(1, 2).contiguous())
    pair = _linear(state, f"{name}.key_value_proj", tokens).reshape(batch, -1, 2, heads, 32)
    k, v = pair.permute(2, 0, 3, 1, 4)
    q = _linear(state, f"{name}.query_proj", x.flatten(2).transpose(1, 2).contiguous())
    q = q.reshape(batch, -1, heads, 32).transpose(1, 2)
    read = ((q * 32**-0.5) @ k.transpose(2, 3)).softmax(-1) @ v
    read = _linear(state, f"{name}.proj", read.transpose(1, 2).reshape(batch, -1, channels))
    return read.transpose(1, 2).reshape(batch, channels, height, width)


def _pooled(length: int, target: int, ratio: int) -> int:
    return round(length / round(length / min(target / ratio, length)))


def _downsampled(state: State, name: str, x: Tensor) -> Tensor:
    windows = F.unfold(x, 3, padding=1, stride=2).transpose(1, 2)
    y = _linear(state, f"{name}.reduction", _layer_norm(state, f"{name}.norm", windows))
    return y.transpose(1, 2).reshape(len(x), -1, x.shape[2] // 2, x.shape[3] // 2)


def _head(state: State, maps: Sequence[Tensor]) -> Tensor:
    name, views = "decode_head", [maps[3]]
    for index, side in enumerate((1, 2, 3, 6)):
        pooled = F.adaptive_avg_pool2d(maps[3], side)
        pooled = _activated(state, f"{name}.psp_modules.{index}.1", pooled)
        views.append(_resized(pooled, maps[3]))
    levels = [_activated(state, f"{name}.lateral_convs.{i}", maps[i]) for i in range(3)]
    levels.append(_activated(state, f"{name}.bottleneck", torch.cat(views, 1), padding=1))
    for i in (3, 2, 1):
        levels[i - 1] = levels[i - 1] + _resized(levels[i], levels[i - 1])
    for i in range(3):
        levels[i] = _activated(state, f"{name}.fpn_convs.{i}", levels[i], padding=1)
    joined = torch.cat([_resized(level, levels[0]) for level in levels], 1)
    y = _activated(state, f"{name}.fpn_bottleneck", joined, padding=1)
    return _conv(state, f"{name}.conv_seg", y)


def _activated(state: State, name: str, x: Tensor, *, padding: int = 0) -> Tensor:
    x = _conv(state, f"{name}.conv", x, padding=padding)
    parts = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (state[f"{name}.bn.{part}"] for part in parts)
    return F.relu(F.batch_norm(x, mean, variance, weight, bias, eps=1e-5))


def _conv(state: State, name: str, x: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    weight = state[f"{name}.weight"]
    groups = x.shape[1] // weight.shape[1]
    return F.conv2d(x, weight, state.get(f"{name}.bias"), stride, padding, 1, groups)


def _enlarged(state: State, name: str, x: Tensor) -> Tensor:
    return F.conv_transpose2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=2)


def _linear(state: State, name: str, x: Tensor) -> Tensor:
    return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))


def _layer_norm(state: State, name: str, x: Tensor, *, eps: float = 1e-5) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)


def _image_norm(state: State, name: str, x: Tensor) -> Tensor:
    return F.group_norm(x, 1, state[f"{name}.weight"], state[f"{name}.bias"])


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def _count(state: State, name: str) -> int:
    count = 0
    while name.format(count) in state:
        count += 1
    return count
