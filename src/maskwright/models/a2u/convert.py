"""Official A2U checkpoints: which variant they hold, and their parameters under our names."""

from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from maskwright.errors import WeightsError
from maskwright.layers.official import rename, unwrap
from maskwright.models.a2u.config import Config

DROPPED = ("*.num_batches_tracked",)

_INNER = {  # inside a kernel generator
    r"bnu\.0": "norm_u",
    r"bnv\.0": "norm_v",
    r"bconv_U\.1": "filter_u.from_image",
    r"bconv_V\.1": "filter_v.from_image",
    r"bconv_UP\.1": "taps_up.from_mean",
    r"bconv_DP\.1": "taps_down.from_mean",
}
_GENERATORS = {
    "bilinear0": "encoder.kernels.0",
    "bilinear1": "encoder.kernels.1",
    r"layer2_1\.bilinear": "encoder.down2.kernels",
    r"layer3_1\.bilinear": "encoder.down3.kernels",
}
_STAGES = {
    "layer1": "encoder.stage1",
    "layer2_2": "encoder.stage2",
    "layer3_2": "encoder.stage3",
}
_UNIT = {
    "conv1": "first.conv",
    "bn1": "first.norm",
    "conv2": "second.conv",
    "bn2": "second.norm",
}
_PAIR = ("conv", "norm")  # of a sequential: index 0 and index 1
_IMAGENET_BLOCKS = (
    "mod1.",
    *(f"mod2.block{block}." for block in (1, 2, 3)),
    *(f"mod{stage}.block{block}." for stage in (3, 4) for block in (1, 2, 3, 4)),
)


def infer_config(official: Any) -> Config:
    """Return the configuration of an official checkpoint: shared or one filter per channel.

    Raises:
        WeightsError: If it is not an A2U checkpoint.
    """
    state = unwrap(official)
    if "bilinear0.bconv_U.1.weight" not in state:
        raise WeightsError(
            "expected an A2U checkpoint, bilinear0.bconv_U.1.weight is missing; "
            "is it of another network?"
        )
    config = Config()
    shared = state["bilinear0.bconv_U.1.weight"].shape[0] == 1
    return replace(config, kernels=replace(config.kernels, shared=shared))


def convert(official: Any) -> dict[str, Tensor]:
    """Return the parameters of an official checkpoint under our names.

    Raises:
        WeightsError: If a key is not used.
    """
    return rename(unwrap(official), _table(), dropped=DROPPED)


def convert_imagenet(official: Any) -> dict[str, Tensor]:
    """Return the encoder's parameters from an ImageNet ResNet-34 with activated batch norm.

    The blocks that the encoder does not have are ignored. Its first convolution reads RGB; the
    trimap's weights start at zero.

    Args:
        official: In the names of the in-place activated batch norm release, `mod1` to `mod4`.

    Raises:
        WeightsError: If it is another network.
    """
    state = unwrap(official)
    table = _imagenet_table()
    known = {name: value for name, value in state.items() if name.startswith(_IMAGENET_BLOCKS)}
    converted = rename(known, table, dropped=DROPPED)
    if "encoder.stem.conv.weight" not in converted:
        raise WeightsError(
            "expected a ResNet-34 with activated batch norm, mod1.conv1.weight is missing; "
            "is it of another network?"
        )
    rgb = converted["encoder.stem.conv.weight"]
    converted["encoder.stem.conv.weight"] = F.pad(rgb, (0, 0, 0, 0, 0, 1))
    return converted


def _table() -> list[tuple[str, str]]:
    table = [
        (rf"{generator}\.{part}\.", f"{ours}.{our_part}.")
        for generator, ours in _GENERATORS.items()
        for part, our_part in _INNER.items()
    ]
    table += [(rf"layer0\.{i}\.", f"encoder.stem.{leaf}.") for i, leaf in enumerate(_PAIR)]
    table += [
        (rf"{stage}\.block{block}\.convs\.{part}\.", f"{ours}.{block - 1}.{our_part}.")
        for stage, ours in _STAGES.items()
        for block in (1, 2, 3)
        for part, our_part in _UNIT.items()
    ]
    for level in (2, 3):
        block = f"encoder.down{level}"
        table += [
            (rf"layer{level}_1\.layer{part[-1]}\.{part}\.", f"{block}.{ours}.")
            for part, ours in _UNIT.items()
        ]
        table += [
            (rf"layer{level}_1\.proj_conv\.", f"{block}.shortcut.conv."),
            (rf"layer{level}_1\.proj_bn\.", f"{block}.shortcut.norm."),
        ]
    return table + _context() + _decoder()


def _context() -> list[tuple[str, str]]:
    table = []
    for i, leaf in enumerate(_PAIR):
        table += [
            (rf"dconv_pp\.aspp1\.atrous_conv\.{i}\.", f"context.local.{leaf}."),
            (rf"dconv_pp\.global_avg_pool\.{i + 1}\.", f"context.overall.{leaf}."),
            (rf"dconv_pp\.bottleneck_conv\.{i}\.", f"context.merge.{leaf}."),
        ]
        for branch in (2, 3, 4):
            at = f"context.dilated.{branch - 2}"
            table += [
                (rf"dconv_pp\.aspp{branch}\.atrous_conv\.{i}\.", f"{at}.0.{leaf}."),
                (rf"dconv_pp\.aspp{branch}\.atrous_conv\.{i + 2}\.", f"{at}.1.{leaf}."),
            ]
    return table


def _decoder() -> list[tuple[str, str]]:
    table = []
    for level in (4, 3, 2, 1):
        stage = f"decoder.{4 - level}"
        for unit, at in (("dconv", 0), ("dconv1", 1)):
            table += [
                (
                    rf"decoder_layer{level}\.{unit}\.dep_sep_conv\.{part}\.",
                    f"{stage}.refine.{at}.{ours}.",
                )
                for part, ours in _UNIT.items()
            ]
        table += [
            (rf"decoder_layer{level}\.dconv\.proj_conv\.", f"{stage}.refine.0.shortcut.conv."),
            (rf"decoder_layer{level}\.dconv\.proj_bn\.", f"{stage}.refine.0.shortcut.norm."),
        ]
        table += [
            (rf"short{level - 1}\.{i}\.", f"{stage}.skip.{leaf}.") for i, leaf in enumerate(_PAIR)
        ]
    table += [(rf"pred\.0\.{i}\.", f"head.0.{leaf}.") for i, leaf in enumerate(_PAIR)]
    return [*table, (r"pred\.1\.", "head.1.")]


def _imagenet_table() -> list[tuple[str, str]]:
    table = [(r"mod1\.conv1\.", "encoder.stem.conv."), (r"mod1\.bn1\.", "encoder.stem.norm.")]
    for stage, first in ((1, 1), (2, 2), (3, 2)):  # block 1 of the later stages goes down
        for block in range(first, first + 3):
            for part, ours in _UNIT.items():
                at = rf"mod{stage + 1}\.block{block}\.convs\.{part}\."
                table.append((at, f"encoder.stage{stage}.{block - first}.{ours}."))
    for stage in (2, 3):
        first_block, down = rf"mod{stage + 1}\.block1\.", f"encoder.down{stage}"
        table += [
            (rf"{first_block}convs\.{part}\.", f"{down}.{ours}.") for part, ours in _UNIT.items()
        ]
        table += [
            (rf"{first_block}proj_conv\.", f"{down}.shortcut.conv."),
            (rf"{first_block}proj_bn\.", f"{down}.shortcut.norm."),
        ]
    return table
