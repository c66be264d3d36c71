"""What can be chosen in a Mask2Former network."""

from dataclasses import dataclass
from typing import Literal

Quad = tuple[int, int, int, int]


@dataclass(frozen=True)
class Config:
    """A Mask2Former network; tuples of four go from stride 4 to stride 32.

    Attributes:
        backbone: Which of the paper's two kinds, or MobileNetV2, which is light enough for a
            laptop; not in the paper, and nothing of it can be chosen.
        depths: Blocks of each stage of the backbone.
        frozen: Whether a ResNet's norms are frozen; where batches are large they learn.
        embed: Channels of the first stage of a Swin transformer.
        swin_heads: Heads of its stages.
        window: Rows and columns of its windows.
        classes: What is told apart, without "no object".
        queries: How many segments are proposed.
        width: Channels of a query and of a cell of the pixel decoder; a multiple of 32.
        heads: Heads of every attention but the backbone's.
        pixel_layers: Layers of the pixel decoder.
        pixel_hidden: Channels within their feed-forward parts.
        layers: Layers of the masked-attention decoder.
        hidden: Channels within their feed-forward parts.
        names: Of the classes; without them those of the published set with so many are taken.
        things: Whether each class is one of things that can be counted; all are without it.
        task: What it was trained for. Whatever is trained for panoptic segmentation can do the
            other two as well.
        short_side_px: Photos are brought to this shorter side for it.
        long_side_px: But no longer side than this.
    """

    backbone: Literal["resnet", "swin", "mobilenetv2"] = "resnet"
    depths: Quad = (3, 4, 6, 3)
    frozen: bool = True
    embed: int = 96
    swin_heads: Quad = (3, 6, 12, 24)
    window: int = 7
    classes: int = 133
    queries: int = 100
    width: int = 256
    heads: int = 8
    pixel_layers: int = 6
    pixel_hidden: int = 1024
    layers: int = 9
    hidden: int = 2048
    names: tuple[str, ...] = ()
    things: tuple[bool, ...] = ()
    task: Literal["panoptic", "instance", "semantic"] = "panoptic"
    short_side_px: int = 800
    long_side_px: int = 1333


# As for COCO panoptic; the larger transformers are trained with windows of 12.
R50 = Config()
R101 = Config(depths=(3, 4, 23, 3))
SWIN_T = Config(backbone="swin", depths=(2, 2, 6, 2))
SWIN_S = Config(backbone="swin", depths=(2, 2, 18, 2))
SWIN_B = Config(
    backbone="swin", depths=(2, 2, 18, 2), embed=128, swin_heads=(4, 8, 16, 32), window=12
)
SWIN_L = Config(
    backbone="swin",
    depths=(2, 2, 18, 2),
    embed=192,
    swin_heads=(6, 12, 24, 48),
    window=12,
    queries=200,
)
MINI = Config(
    backbone="mobilenetv2",
    classes=4,
    queries=24,
    width=128,
    heads=4,
    pixel_layers=3,
    pixel_hidden=256,
    layers=6,
    hidden=256,
)
