"""Checkpoints in the names of the Hugging Face hub, of transformers before 5 and since."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from maskwright.layers.official import check_complete, rename

PREFIX = "model.pixel_level_module."
DROPPED = (
    "criterion.empty_weight",  # of the loss
    f"{PREFIX}encoder.*.relative_position_index",  # computed
    f"{PREFIX}encoder.layernorm.*",  # not used
    f"{PREFIX}encoder.swin.layernorm.*",
)
_BACKBONE = rf"{re.escape(PREFIX)}encoder\.(?:swin\.)?"
_STAGE = rf"{_BACKBONE}encoder\.layers\.(\d+)"
_PIXELS = rf"{re.escape(PREFIX)}decoder"
_QUERIES = r"model\.transformer_module"
_SWIN_BLOCK = {
    r"layernorm_before\.": "norm1.",
    r"layernorm_after\.": "norm2.",
    r"attention\.self\.(q|k|v)\w+\.": r"attention.qkv@\3.",
    r"attention\.(q|k|v)_proj\.": r"attention.qkv@\3.",
    r"attention\.\w+\.relative_position_bias_table": "attention.bias",
    r"attention\.(?:output\.dense|o_proj)\.": "attention.out.",
    r"(?:intermediate\.dense|mlp\.fc1)\.": "mlp.widen.",
    r"(?:output\.dense|mlp\.fc2)\.": "mlp.narrow.",
}
_RESNET = {
    r"shortcut": "shortcut",
    r"layer\.0": "reduce",
    r"layer\.1": "filter",
    r"layer\.2": "expand",
}
_CONV_NORM = {r"convolution": "conv", r"normalization": "norm"}
_PIXEL_LAYER = {
    r"self_attn\.sampling_offsets": "attention.offsets",
    r"self_attn\.attention_weights": "attention.weights",
    r"self_attn\.value_proj": "attention.value",
    r"self_attn\.output_proj": "attention.out",
    r"self_attn_layer_norm": "norm1",
    r"final_layer_norm": "norm2",
    r"fc1": "widen",
    r"fc2": "narrow",
}
_LAYER = {
    r"cross_attn\.in_proj_": "cross.qkv.",
    r"cross_attn\.out_proj": "cross.out",
    r"cross_attn_layer_norm": "norm1",
    r"self_attn\.(q|k|v)_proj": r"own.qkv@\2",
    r"self_attn\.out_proj": "own.out",
    r"self_attn_layer_norm": "norm2",
    r"fc1": "widen",
    r"fc2": "narrow",
    r"final_layer_norm": "norm3",
}
_TABLE = [
    (rf"{_BACKBONE}embeddings\.patch_embeddings\.projection\.", "backbone.patches."),
    (rf"{_BACKBONE}embeddings\.norm\.", "backbone.norm."),
    *(
        (rf"{_STAGE}\.blocks\.(\d+)\.{a}", rf"backbone.stages.\1.blocks.\2.{b}")
        for a, b in _SWIN_BLOCK.items()
    ),
    (rf"{_STAGE}\.downsample\.norm\.", r"backbone.stages.\1.down.norm."),
    (rf"{_STAGE}\.downsample\.reduction\.", r"backbone.stages.\1.down.reduce."),
    *(
        (rf"{_BACKBONE}hidden_states_norms\.stage{stage + 1}\.", f"backbone.stages.{stage}.norm.")
        for stage in range(4)
    ),
    *(
        (rf"{_BACKBONE}embedder\.embedder\.{a}\.", f"backbone.stem.{b}.")
        for a, b in _CONV_NORM.items()
    ),
    *(
        (
            rf"{_BACKBONE}encoder\.stages\.(\d+)\.layers\.(\d+)\.{a}\.{c}\.",
            rf"backbone.stages.\1.\2.{b}.{d}.",
        )
        for a, b in _RESNET.items()
        for c, d in _CONV_NORM.items()
    ),
    (rf"{_PIXELS}\.input_projections\.", "pixel_decoder.enter."),
    (rf"{_PIXELS}\.level_embed", "pixel_decoder.level"),
    *(
        (rf"{_PIXELS}\.encoder\.layers\.(\d+)\.{a}\.", rf"pixel_decoder.layers.\1.{b}.")
        for a, b in _PIXEL_LAYER.items()
    ),
    (rf"{_PIXELS}\.adapter_1\.", "pixel_decoder.lateral."),
    (rf"{_PIXELS}\.layer_1\.", "pixel_decoder.smooth."),
    (rf"{_PIXELS}\.mask_projection\.", "pixel_decoder.leave."),
    *(
        (rf"{_QUERIES}\.decoder\.layers\.(\d+)\.{a}", rf"decoder.layers.\1.{b}")
        for a, b in _LAYER.items()
    ),
    (rf"{_QUERIES}\.decoder\.layernorm\.", "decoder.norm."),
    *(
        (
            rf"{_QUERIES}\.decoder\.mask_predictor\.mask_embedder\.{i}\.0\.",
            f"decoder.embed.{2 * i}.",
        )
        for i in range(3)
    ),
    (rf"{_QUERIES}\.queries_features\.weight", "decoder.query"),
    (rf"{_QUERIES}\.queries_embedder\.weight", "decoder.place"),
    (rf"{_QUERIES}\.level_embed\.weight", "decoder.level"),
    (r"class_predictor\.", "decoder.classify."),
]


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the parameters under our names; queries, keys and values are joined to one matrix.

    Raises:
        WeightsError: If a key is not used, or a third is missing.
    """
    renamed = rename(state, _TABLE, dropped=DROPPED)
    converted = {name: value for name, value in renamed.items() if "@" not in name}
    for name in renamed:
        third = re.fullmatch(r"(.+)@[qkv]\.(weight|bias)", name)
        joined = f"{third[1]}.{third[2]}" if third else name
        if third and joined not in converted:
            thirds = [f"{third[1]}@{each}.{third[2]}" for each in "qkv"]
            check_complete(renamed, thirds)
            converted[joined] = torch.cat([renamed[each] for each in thirds])
    return converted
