"""Official checkpoints of InterFormer, and the pre-trained encoders that it starts from."""

import re
from collections.abc import Mapping
from functools import partial
from math import isqrt
from typing import Any

import torch
from torch import Tensor

from maskwright.layers.official import check_complete, foreign, rename, shape_of, unwrap
from maskwright.layers.position import resize_position
from maskwright.models.interformer.config import Config
from maskwright.models.interformer.model import build

DROPPED = ("backbone.layers.*.attn.relative_position_index",)  # computed
HEAD_CHANNELS = 32  # of the neck's attention; no weight tells them
_shape = partial(shape_of, network="an InterFormer")
_foreign = partial(foreign, network="an InterFormer")

_ENCODER = [
    (r"backbone\.cls_token", "encoder.class_token"),
    (r"backbone\.pos_embed", "encoder.position"),
    (r"backbone\.patch_embed\.projection\.", "encoder.patches."),
    (r"backbone\.fpn\.rescale_ops\.", "pyramid.levels."),
]
_LAYER = {
    r"gamma_1": "scale1",
    r"gamma_2": "scale2",
    r"ln1\.": "norm1.",
    r"ln2\.": "norm2.",
    r"attn\.relative_position_bias_table": "bias",
    r"attn\.qkv\.": "attention.qkv.",
    r"attn\.proj\.": "attention.out.",
    r"ffn\.layers\.0\.0\.": "mlp.widen.",
    r"ffn\.layers\.1\.": "mlp.narrow.",
}
_BLOCK = {
    r"norm1\.": "norm1.",
    r"norm_kv\.": "norm_source.",
    r"norm2\.": "norm2.",
    r"attn\.query_proj\.": "attention.query.",
    r"attn\.key_value_proj\.": "attention.key_value.",
    r"attn\.proj\.": "attention.out.",
    r"attn\.norm\.": "attention.norm.",
    r"attn\.dconvs\.": "attention.filters.",
    r"mlp\.0\.": "feed_forward.widen.",
    r"mlp\.2\.": "feed_forward.filter.",
    r"mlp\.4\.": "feed_forward.narrow.",
}
_STAGE = [
    (r"neck\.patch_embed", "neck.embedding"),
    (r"neck\.norm(\d+)\.", r"neck.stages.\1.norm."),
    (r"neck\.stages\.(\d+)\.downsample\.norm\.", r"neck.stages.\1.down.norm."),
    (r"neck\.stages\.(\d+)\.downsample\.reduction\.", r"neck.stages.\1.down.reduce."),
]
_CONVS = {
    r"decode_head\.psp_modules\.(\d+)\.1": r"head.pools.\1",
    r"decode_head\.bottleneck": "head.surround",
    r"decode_head\.lateral_convs\.(\d+)": r"head.laterals.\1",
    r"decode_head\.fpn_convs\.(\d+)": r"head.smooth.\1",
    r"decode_head\.fpn_bottleneck": "head.fuse",
    r"auxiliary_head\.convs\.0": "auxiliary.enter",
}
_CLASSIFIERS = [
    (r"decode_head\.conv_seg\.", "head.classify.1."),
    (r"auxiliary_head\.conv_seg\.", "auxiliary.classify.1."),
]
_TABLE = [
    *_ENCODER,
    *((rf"backbone\.layers\.(\d+)\.{a}", rf"encoder.blocks.\1.{b}") for a, b in _LAYER.items()),
    *_STAGE,
    *(
        (rf"neck\.{theirs}\.(\d+)\.blocks\.(\d+)\.{a}", rf"neck.stages.\1.{ours}.\2.{b}")
        for theirs, ours in (("stages", "coarse"), ("refine_stages", "refine"))
        for a, b in _BLOCK.items()
    ),
    *((rf"{a}\.conv\.", rf"{b}.conv.") for a, b in _CONVS.items()),
    *((rf"{a}\.bn\.", rf"{b}.norm.") for a, b in _CONVS.items()),
    *_CLASSIFIERS,
]
# Names of masked autoencoders, and of most other plain vision transformers, to the official ones.
_PRETRAINED = [
    (r"blocks\.(\d+)\.norm", r"backbone.layers.\1.ln"),
    (r"blocks\.(\d+)\.attn\.", r"backbone.layers.\1.attn."),
    (r"blocks\.(\d+)\.mlp\.fc1\.", r"backbone.layers.\1.ffn.layers.0.0."),
    (r"blocks\.(\d+)\.mlp\.fc2\.", r"backbone.layers.\1.ffn.layers.1."),
    (r"patch_embed\.proj\.", "backbone.patch_embed.projection."),
    (r"(cls_token|pos_embed)", r"backbone.\1"),
]
_PRETRAINED_DROPPED = (
    *("norm.*", "fc_norm.*", "head.*"),
    *("mask_token", "decoder_*"),  # of a whole masked autoencoder
)


def infer_config(official: Any) -> Config:
    """Return the configuration of a checkpoint: its sizes and its numbers of blocks.

    Raises:
        WeightsError: If it is no InterFormer checkpoint, or lacks a part of one.
    """
    state = unwrap(official)
    config, held = _config(state), convert(state)
    with torch.device("meta"):
        check_complete(held, build(config).state_dict())
    return config


def convert(official: Any) -> dict[str, Tensor]:
    """Return the parameters of a checkpoint under our names.

    Args:
        official: An InterFormer, or what its encoder starts from, as for `convert_pretrained`.

    Raises:
        WeightsError: If it is neither, or a key is not used.
    """
    state = unwrap(official)
    if "patch_embed.proj.weight" in state:
        return convert_pretrained(state)
    converted = rename(state, _TABLE, dropped=DROPPED)
    for name in ("encoder.class_token", "encoder.position"):
        if name in converted:
            converted[name] = converted[name].flatten(0, -2)
    return converted


def convert_pretrained(official: Any, *, side: int = Config.position_side) -> dict[str, Tensor]:
    """Return what an encoder starts from: a masked autoencoder's, under our names.

    Positions are resized to the larger map (bicubic); relative ones and what comes after the
    blocks start fresh.

    Args:
        official: A loaded checkpoint of MAE, ViT-B or ViT-L.
        side: Side of the map of tokens that the encoder's positions are for.

    Raises:
        WeightsError: If it is no plain vision transformer with a class token.
    """
    state = rename(unwrap(official), _PRETRAINED, dropped=_PRETRAINED_DROPPED)
    _shape(state, "backbone.patch_embed.projection.weight", axes=4)
    learned = _position_side(state)
    started = convert(state)
    position = started["encoder.position"]
    grid = resize_position(position[1:].unflatten(0, (learned, learned)), (side, side))
    started["encoder.position"] = torch.cat([position[:1], grid.flatten(0, 1)])
    return started


def _config(state: Mapping[str, Tensor]) -> Config:
    side = _position_side(state)
    widths, expansions = [], []
    for stage in range(4):
        hidden, width = _shape(state, f"neck.stages.{stage}.blocks.0.mlp.0.weight", axes=4)[:2]
        widths.append(width)
        expansions.append(hidden // width)
    table = "backbone.layers.0.attn.relative_position_bias_table"
    return Config(
        channels=_shape(state, "backbone.pos_embed", axes=3)[2],
        depth=_count(state, r"backbone\.layers"),
        heads=_shape(state, table, axes=2)[1],
        position_side=side,
        widths=tuple(widths),  # type: ignore[arg-type]
        neck_heads=tuple(max(1, width // HEAD_CHANNELS) for width in widths),  # type: ignore[arg-type]
        expansions=tuple(expansions),  # type: ignore[arg-type]
        coarse=_blocks(state, "stages"),
        refine=_blocks(state, "refine_stages"),
        head_width=_shape(state, "decode_head.conv_seg.weight", axes=4)[1],
    )


def _position_side(state: Mapping[str, Tensor]) -> int:
    positions = _shape(state, "backbone.pos_embed", axes=3)[1] - 1
    if positions < 1 or isqrt(positions) ** 2 != positions:
        raise _foreign("backbone.pos_embed")
    return isqrt(positions)


def _blocks(state: Mapping[str, Tensor], part: str) -> tuple[int, int, int, int]:
    counts = [_count(state, rf"neck\.{part}\.{stage}\.blocks") for stage in range(4)]
    return tuple(counts)  # type: ignore[return-value]


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """Return how many numbers follow a prefix, if they are counted from 0."""
    found = (re.match(rf"{prefix}\.(\d+)\.", name) for name in state)
    return 1 + max((int(match[1]) for match in found if match), default=-1)
