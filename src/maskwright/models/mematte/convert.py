"""Official checkpoints of MEMatte and ViTMatte, and ViTMatte's on the Hugging Face hub."""

import re
from collections.abc import Mapping
from functools import partial
from math import isqrt
from typing import Any

import torch
from torch import Tensor

from maskwright.layers.official import check_complete, foreign, rename, shape_of, unwrap
from maskwright.models.mematte.config import Config
from maskwright.models.mematte.model import build

DROPPED = ("teacher_backbone.*",)  # a training checkpoint holds the teacher beside the student
_shape = partial(shape_of, network="a MEMatte or ViTMatte")
_foreign = partial(foreign, network="a MEMatte or ViTMatte")

# The hub's names of ViTMatte, to the official ones.
_HUB = [
    (r"backbone\.embeddings\.position_embeddings", "backbone.pos_embed"),
    (r"backbone\.embeddings\.projection\.", "backbone.patch_embed.proj."),
    (r"backbone\.encoder\.layer\.(\d+)\.attention\.", r"backbone.blocks.\1.attn."),
    (r"backbone\.encoder\.layer\.", "backbone.blocks."),
    (r"decoder\.convstream\.convs\.(\d+)\.batch_norm\.", r"decoder.convstream.convs.\1.bn."),
    (r"decoder\.fusion_blocks\.(\d+)\.conv\.batch_norm\.", r"decoder.fusion_blks.\1.conv.bn."),
    (r"decoder\.fusion_blocks\.", "decoder.fusion_blks."),
    (r"decoder\.", "decoder."),
]
_BLOCK = {
    r"attn\.qkv\.": "attention.qkv.",
    r"attn\.proj\.": "attention.out.",
    r"attn\.rel_pos_h": "attention.relative.rows",
    r"attn\.rel_pos_w": "attention.relative.columns",
    r"mlp\.fc1\.": "mlp.widen.",
    r"mlp\.fc2\.": "mlp.narrow.",
    r"efficient_block\.fc1\.": "refine.widen.",
    r"efficient_block\.dwconv\.": "refine.filter.",
    r"efficient_block\.fc2\.": "refine.narrow.",
    r"efficient_block\.eca\.conv\.": "refine.gate.",
    r"residual\.conv1\.": "bottleneck.reduce.",
    r"residual\.conv2\.": "bottleneck.filter.",
    r"residual\.conv3\.": "bottleneck.expand.",
    r"residual\.norm": "bottleneck.norm",
    r"norm1\.": "norm1.",
    r"norm2\.": "norm2.",
}
_ROUTER = {
    r"in_conv\.0\.": "norm.",
    r"in_conv\.1\.": "enter.",
    r"out_conv\.0\.": "mix.",
    r"out_conv\.2\.": "narrow.",
    r"out_conv\.4\.": "leave.",
}
_DECODER = [
    (r"decoder\.convstream\.convs\.(\d+)\.conv\.", r"decoder.detail.\1.conv."),
    (r"decoder\.convstream\.convs\.(\d+)\.bn\.", r"decoder.detail.\1.norm."),
    (r"decoder\.fusion_blks\.(\d+)\.conv\.conv\.", r"decoder.fuse.\1.conv."),
    (r"decoder\.fusion_blks\.(\d+)\.conv\.bn\.", r"decoder.fuse.\1.norm."),
    (r"decoder\.matting_head\.matting_convs\.0\.", "decoder.head.0.conv."),
    (r"decoder\.matting_head\.matting_convs\.1\.", "decoder.head.0.norm."),
    (r"decoder\.matting_head\.matting_convs\.3\.", "decoder.head.1."),
]


def infer_config(official: Any) -> Config:
    """Return the configuration of a checkpoint: its sizes, and whether it is routed.

    Raises:
        WeightsError: If it is neither a MEMatte nor a ViTMatte checkpoint, or lacks a part of one.
    """
    state = _official_names(official)
    config, held = _config(state), convert(state)
    with torch.device("meta"):
        check_complete(held, build(config).state_dict())
    return config


def convert(official: Any) -> dict[str, Tensor]:
    """Return the parameters of a checkpoint under our names.

    Raises:
        WeightsError: If it is neither a MEMatte nor a ViTMatte checkpoint, or a key is not used.
    """
    state = _official_names(official)
    converted = rename(state, _table(_global_blocks(state)), dropped=DROPPED)
    for name, value in converted.items():
        if name == "encoder.position":  # the first entry is that of a token which is not used
            converted[name] = value[0, 1:].unflatten(0, (_side(value), -1))
        elif name.endswith(("bottleneck.reduce.weight", "bottleneck.expand.weight")):
            converted[name] = value.flatten(min(1, value.ndim - 1))
    return converted


def convert_imagenet(official: Any) -> dict[str, Tensor]:
    """Return what a ViTMatte starts from: an ImageNet vision transformer, under our names.

    The patches' filters for the trimap are zero where the checkpoint has none. What comes after
    the blocks is dropped; bottlenecks, relative positions and decoder start fresh.

    Args:
        official: A loaded checkpoint of DINO (ViT-S) or MAE (ViT-B).

    Raises:
        WeightsError: If it is no plain vision transformer with a class token.
    """
    used = ("pos_embed", "patch_embed.", "blocks.")
    state = {
        name if name.startswith("backbone.") else f"backbone.{name}": value
        for name, value in unwrap(official).items()
        if name.removeprefix("backbone.").startswith(used)
    }
    _shape(state, "backbone.patch_embed.proj.weight", axes=4)
    started = convert(state)
    filters = started["encoder.patches.weight"]
    if filters.shape[1] == 3:
        zeros = torch.zeros_like(filters[:, :1])
        started["encoder.patches.weight"] = torch.cat([filters, zeros], 1)
    return started


def _official_names(official: Any) -> dict[str, Tensor]:
    state = unwrap(official)
    if "backbone.embeddings.position_embeddings" in state:
        state = rename(state, _HUB, dropped=())
    positions = _shape(state, "backbone.pos_embed", axes=3)[1] - 1
    if positions < 1 or isqrt(positions) ** 2 != positions:
        raise _foreign("backbone.pos_embed")
    return state


def _config(state: Mapping[str, Tensor]) -> Config:
    global_blocks, depth = _global_blocks(state), 1 + max(_blocks(state, "norm1"), default=-1)
    window_blocks = tuple(index for index in range(depth) if index not in global_blocks)
    routed = bool(_blocks(state, "efficient_block"))
    window, head_channels = _table_side(state, window_blocks)
    channels = state["backbone.pos_embed"].shape[2]
    if channels % head_channels:
        raise _foreign("backbone.blocks.*.attn.rel_pos_h")
    return Config(
        channels=channels,
        depth=depth,
        heads=channels // head_channels,
        window_blocks=window_blocks,
        window=window,
        routed=routed,
        position_side=_side(state["backbone.pos_embed"]),
        table_side=Config.table_side if routed else _table_side(state, global_blocks)[0],
        detail_widths=_widths(state, "convstream.convs.{}.conv", 3),  # type: ignore[arg-type]
        fusion_widths=_widths(state, "fusion_blks.{}.conv.conv", 4),  # type: ignore[arg-type]
        head_width=_widths(state, "matting_head.matting_convs.{}", 1)[0],
    )


def _table_side(state: Mapping[str, Tensor], blocks: tuple[int, ...]) -> tuple[int, int]:
    """Return the side of the map that relative positions were made for, and a head's channels."""
    first = blocks[0] if blocks else 0
    entries, channels = _shape(state, f"backbone.blocks.{first}.attn.rel_pos_h", axes=2)
    return (entries + 1) // 2, channels


def _widths(state: Mapping[str, Tensor], layer: str, count: int) -> tuple[int, ...]:
    names = [f"decoder.{layer.format(index)}.weight" for index in range(count)]
    return tuple(_shape(state, name, axes=4)[0] for name in names)


def _side(position: Tensor) -> int:
    return isqrt(position.shape[1] - 1)


def _global_blocks(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    return _blocks(state, "residual")


def _blocks(state: Mapping[str, Tensor], part: str) -> tuple[int, ...]:
    """Return the numbers of the blocks that have this part."""
    found = (re.match(rf"backbone\.blocks\.(\d+)\.{part}\.", name) for name in state)
    return tuple(sorted({int(match[1]) for match in found if match}))


def _table(global_blocks: tuple[int, ...]) -> list[tuple[str, str]]:
    table = [
        (r"backbone\.pos_embed", "encoder.position"),
        (r"backbone\.patch_embed\.proj\.", "encoder.patches."),
        *_DECODER,
    ]
    table += [
        (rf"backbone\.blocks\.(\d+)\.{part}", rf"encoder.blocks.\1.{ours}")
        for part, ours in _BLOCK.items()
    ]
    table += [
        (rf"backbone\.routers\.{router}\.{part}", f"encoder.blocks.{block}.router.{ours}")
        for router, block in enumerate(global_blocks)
        for part, ours in _ROUTER.items()
    ]
    return table
