"""Classifiers that a network's backbone starts from."""

from collections.abc import Mapping

from torch import Tensor

from maskwright.layers.mobilenet import convert_imagenet
from maskwright.layers.official import rename

_RESNET = [
    (r"conv1\.", "backbone.stem.conv1."),
    (r"bn1\.", "backbone.stem.conv1.norm."),
    *(
        (rf"layer{stage}\.(\d+)\.{theirs}\.", rf"backbone.res{stage + 1}.\1.{ours}.")
        for stage in range(1, 5)
        for theirs, ours in (
            *((f"conv{i}", f"conv{i}") for i in (1, 2, 3)),
            *((f"bn{i}", f"conv{i}.norm") for i in (1, 2, 3)),
            (r"downsample\.0", "shortcut"),
            (r"downsample\.1", "shortcut.norm"),
        )
    ),
]
_RESNET_DROPPED = ("fc.*", "*.num_batches_tracked")
_SWIN = [(r"(patch_embed|layers)\.", r"backbone.\1.")]
_SWIN_DROPPED = ("norm.*", "head.*", "*.attn_mask", "*.relative_position_index")


def is_classifier(state: Mapping[str, Tensor]) -> bool:
    """Say whether it is a ResNet in torchvision's names or a Swin transformer in its authors'."""
    return "patch_embed.proj.weight" in state or "layer1.0.conv1.weight" in state


def backbone_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a backbone starts from, in the names of an official Mask2Former.

    Raises:
        WeightsError: If a key is not used.
    """
    if "patch_embed.proj.weight" in state:
        return rename(state, _SWIN, dropped=_SWIN_DROPPED)
    return rename(state, _RESNET, dropped=_RESNET_DROPPED)


def start_from_imagenet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a network on MobileNetV2 starts from; load with `strict=False`.

    Norms of weights that had them folded want `layers.mobilenet.calibrate_norms` before training.

    Args:
        state: ImageNet weights of MobileNetV2, in torchvision's names, for RGB in [-1, 1].
    """
    converted = convert_imagenet(state)
    return {f"backbone.backbone.{name}": value for name, value in converted.items()}
