"""What can be chosen in a MEMatte network, or in its teacher, ViTMatte."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Config:
    """A MEMatte network.

    Attributes:
        channels: Channels of a token.
        depth: Number of transformer blocks.
        heads: Attention heads.
        window_blocks: Blocks that attend within windows; the others are global.
        window: Tokens along a side of a window.
        routed: Global blocks attend to the tokens that a router keeps, without positions. False:
            to all, with tables of relative positions: ViTMatte, which is also the teacher.
        position_side: Side of the map that absolute positions were learned on.
        table_side: Side of the map that global relative positions were learned on.
        detail: What the decoder's image stream is: the paper's three convolutions, or the first
            layers of MobileNetV2 at half the size; then the tokens take more of its layers too
            (`trunk.py`). Both can start from `a2u-mini`.
        detail_widths: Channels of the image stream at 1/2, 1/4 and 1/8.
        fusion_widths: Channels of the decoder at 1/8, 1/4, 1/2 and the full size.
        head_width: Channels before the last convolution.
        hints: Read local colour hints beside the photo and its trimap (`inputs.py`); not in the
            paper.
        gathered_training: Train with attention to gathered tokens: cheaper, another gradient of
            the routers (`attention.py`).
    """

    channels: int = 384
    depth: int = 12
    heads: int = 6
    window_blocks: tuple[int, ...] = (0, 1, 3, 4, 6, 7, 9, 10)
    window: int = 14
    routed: bool = True
    position_side: int = 14
    table_side: int = 32
    detail: Literal["convolutions", "mobilenet"] = "convolutions"
    detail_widths: tuple[int, int, int] = (48, 96, 192)
    fusion_widths: tuple[int, int, int, int] = (256, 128, 64, 32)
    head_width: int = 16
    hints: bool = False
    gathered_training: bool = False


SMALL = Config()
BASE = Config(channels=768, heads=12)
MINI = Config(
    channels=128,
    depth=8,
    heads=4,
    window_blocks=(0, 2, 4, 6),
    window=8,
    detail="mobilenet",
    detail_widths=(16, 16, 24),
    fusion_widths=(64, 32, 24, 12),
    head_width=8,
    hints=True,
)
