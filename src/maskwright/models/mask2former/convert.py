"""Official checkpoints of Mask2Former: the configuration read off them, and our names."""

import re
from collections.abc import Mapping
from functools import partial
from math import isqrt
from typing import Any

import torch
from torch import Tensor

from maskwright.layers.official import check_complete, foreign, rename, shape_of, unwrap
from maskwright.models.mask2former import hub, starts
from maskwright.models.mask2former.config import Config
from maskwright.models.mask2former.model import build
from maskwright.models.mask2former.pixel_decoder import GROUPS, LEVELS, POINTS

DROPPED = (
    "criterion.empty_weight",  # of the loss
    "backbone.layers.*.attn.relative_position_index",  # computed
    *hub.DROPPED,
)
_shape = partial(shape_of, network="a Mask2Former")
_foreign = partial(foreign, network="a Mask2Former")

_PIXELS, _PREDICTOR = r"sem_seg_head\.pixel_decoder", r"sem_seg_head\.predictor"
_RESNET = {"conv1": "reduce", "conv2": "filter", "conv3": "expand", "shortcut": "shortcut"}
_SWIN_BLOCK = {
    r"norm": "norm",
    r"attn\.relative_position_bias_table": "attention.bias",
    r"attn\.qkv\.": "attention.qkv.",
    r"attn\.proj\.": "attention.out.",
    r"mlp\.fc1\.": "mlp.widen.",
    r"mlp\.fc2\.": "mlp.narrow.",
}
_BACKBONES = [
    (r"backbone\.stem\.conv1\.weight", "backbone.stem.conv.weight"),
    (r"backbone\.stem\.conv1\.norm\.", "backbone.stem.norm."),
    *(
        (rf"backbone\.res{stage + 2}\.(\d+)\.{a}\.{theirs}", rf"backbone.stages.{stage}.\1.{b}.{c}")
        for stage in range(4)
        for a, b in _RESNET.items()
        for theirs, c in ((r"weight", "conv.weight"), (r"norm\.", "norm."))
    ),
    (r"backbone\.patch_embed\.proj\.", "backbone.patches."),
    (r"backbone\.patch_embed\.norm\.", "backbone.norm."),
    *(
        (rf"backbone\.layers\.(\d+)\.blocks\.(\d+)\.{a}", rf"backbone.stages.\1.blocks.\2.{b}")
        for a, b in _SWIN_BLOCK.items()
    ),
    (r"backbone\.layers\.(\d+)\.downsample\.norm\.", r"backbone.stages.\1.down.norm."),
    (r"backbone\.layers\.(\d+)\.downsample\.reduction\.", r"backbone.stages.\1.down.reduce."),
    (r"backbone\.norm(\d)\.", r"backbone.stages.\1.norm."),
]
_PIXEL_LAYER = {
    r"self_attn\.sampling_offsets": "attention.offsets",
    r"self_attn\.attention_weights": "attention.weights",
    r"self_attn\.value_proj": "attention.value",
    r"self_attn\.output_proj": "attention.out",
    r"norm": "norm",
    r"linear1": "widen",
    r"linear2": "narrow",
}
_PIXEL_DECODER = [
    (rf"{_PIXELS}\.input_proj\.", "pixel_decoder.enter."),
    (rf"{_PIXELS}\.transformer\.level_embed", "pixel_decoder.level"),
    *(
        (rf"{_PIXELS}\.transformer\.encoder\.layers\.(\d+)\.{a}", rf"pixel_decoder.layers.\1.{b}")
        for a, b in _PIXEL_LAYER.items()
    ),
    (rf"{_PIXELS}\.adapter_1\.weight", "pixel_decoder.lateral.0.weight"),
    (rf"{_PIXELS}\.adapter_1\.norm\.", "pixel_decoder.lateral.1."),
    (rf"{_PIXELS}\.layer_1\.weight", "pixel_decoder.smooth.0.weight"),
    (rf"{_PIXELS}\.layer_1\.norm\.", "pixel_decoder.smooth.1."),
    (rf"{_PIXELS}\.mask_features\.", "pixel_decoder.leave."),
]
_LAYER = {
    r"cross_attention_layers\.(\d+)\.multihead_attn\.in_proj_": "cross.qkv.",
    r"cross_attention_layers\.(\d+)\.multihead_attn\.out_proj\.": "cross.out.",
    r"cross_attention_layers\.(\d+)\.norm\.": "norm1.",
    r"self_attention_layers\.(\d+)\.self_attn\.in_proj_": "own.qkv.",
    r"self_attention_layers\.(\d+)\.self_attn\.out_proj\.": "own.out.",
    r"self_attention_layers\.(\d+)\.norm\.": "norm2.",
    r"ffn_layers\.(\d+)\.linear1\.": "widen.",
    r"ffn_layers\.(\d+)\.linear2\.": "narrow.",
    r"ffn_layers\.(\d+)\.norm\.": "norm3.",
}
_DECODER = [
    *((rf"{_PREDICTOR}\.transformer_{a}", rf"decoder.layers.\1.{b}") for a, b in _LAYER.items()),
    (rf"{_PREDICTOR}\.decoder_norm\.", "decoder.norm."),
    (rf"{_PREDICTOR}\.(query_feat|static_query)\.weight", "decoder.query"),
    (rf"{_PREDICTOR}\.query_embed\.weight", "decoder.place"),
    (rf"{_PREDICTOR}\.level_embed\.weight", "decoder.level"),
    (rf"{_PREDICTOR}\.class_embed\.", "decoder.classify."),
    *((rf"{_PREDICTOR}\.mask_embed\.layers\.{i}\.", f"decoder.embed.{2 * i}.") for i in range(3)),
]
_TABLE = [*_BACKBONES, *_PIXEL_DECODER, *_DECODER]


def infer_config(official: Any) -> Config:
    """Return the configuration of a checkpoint: its sizes and its numbers of layers.

    Raises:
        WeightsError: If it is no Mask2Former checkpoint, or lacks a part of one.
    """
    state = unwrap(official)
    if not any(name.startswith(("sem_seg_head.", hub.PREFIX)) for name in state):
        raise _foreign("sem_seg_head.predictor.query_embed.weight")
    held = convert(state)
    config = _config(held)
    with torch.device("meta"):
        check_complete(held, build(config).state_dict())
    return config


def convert(official: Any) -> dict[str, Tensor]:
    """Return the parameters of a checkpoint under our names.

    Args:
        official: A Mask2Former of detectron2 (the layout of today, or one of the two older ones)
            or of the Hugging Face hub; or a classifier that its backbone starts from: a ResNet in
            torchvision's names, a Swin transformer in its authors'. Tensors or numpy arrays.

    Raises:
        WeightsError: If it is none of these, or a key is not used.
    """
    state = unwrap(official)
    if starts.is_classifier(state):
        state = starts.backbone_names(state)
    elif any(name.startswith(hub.PREFIX) for name in state):
        return hub.convert(state)
    return rename(_current_names(state), _TABLE, dropped=DROPPED)


def _current_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return an older layout in today's: the head itself held what the pixel decoder holds."""
    head, predictor = "sem_seg_head.", "sem_seg_head.predictor."
    pixels = f"{head}pixel_decoder."
    if any(name.startswith(pixels) for name in state):
        return dict(state)
    return {
        name.replace(head, pixels, 1)
        if name.startswith(head) and not name.startswith(predictor)
        else name: value
        for name, value in state.items()
    }


def _config(state: Mapping[str, Tensor]) -> Config:
    queries, width = _shape(state, "decoder.query", axes=2)
    weights = "pixel_decoder.layers.0.attention.weights.weight"
    heads = _shape(state, weights, axes=2)[0] // (LEVELS * POINTS)
    if not heads or width % heads or width % GROUPS:
        raise _foreign(weights)
    return Config(
        **_backbone(state),
        classes=_shape(state, "decoder.classify.weight", axes=2)[0] - 1,
        queries=queries,
        width=width,
        heads=heads,
        pixel_layers=_count(state, r"pixel_decoder\.layers"),
        pixel_hidden=_shape(state, "pixel_decoder.layers.0.widen.weight", axes=2)[0],
        layers=_count(state, r"decoder\.layers"),
        hidden=_shape(state, "decoder.layers.0.widen.weight", axes=2)[0],
    )


def _backbone(state: Mapping[str, Tensor]) -> dict[str, Any]:
    if "backbone.stem.conv.weight" in state:
        depths = tuple(_count(state, rf"backbone\.stages\.{stage}") for stage in range(4))
        frozen = not any(name.endswith("num_batches_tracked") for name in state)
        return {"backbone": "resnet", "depths": depths, "frozen": frozen}
    tables = [
        _shape(state, f"backbone.stages.{stage}.blocks.0.attention.bias", axes=2)
        for stage in range(4)
    ]
    entries = tables[0][0]
    return {
        "backbone": "swin",
        "depths": tuple(_count(state, rf"backbone\.stages\.{stage}\.blocks") for stage in range(4)),
        "embed": _shape(state, "backbone.patches.weight", axes=4)[0],
        "swin_heads": tuple(heads for _, heads in tables),
        "window": (isqrt(entries) + 1) // 2,
    }


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """Return how many numbers follow a prefix, if they are counted from 0."""
    found = (re.match(rf"{prefix}\.(\d+)\.", name) for name in state)
    return 1 + max((int(match[1]) for match in found if match), default=-1)
