"""What can be chosen in an InterFormer network."""

from dataclasses import dataclass
from typing import Literal

Quad = tuple[int, int, int, int]


@dataclass(frozen=True)
class Config:
    """An InterFormer network; tuples of four go from stride 4 to stride 32.

    Attributes:
        encoder: The paper's plain vision transformer, or MobileNetV2, which is light enough to
            encode a photo in a moment on a laptop; not in the paper.
        channels: Channels of a token of the transformer; of MobileNetV2 nothing can be chosen.
        depth: Blocks of the transformer.
        heads: Heads of its attention.
        position_side: Side of the map of tokens that its positions were learned on.
        widths: Channels of the pyramid's maps, which the neck keeps.
        neck_heads: Heads of the neck's attention.
        expansions: How many times wider the neck's feed-forward parts are than its maps.
        pools: At each stage, by how much smaller than the stage's map of a 512 x 512 image each of
            the grids is that keys and values are pooled to.
        coarse: Blocks of each stage that lead on to the next stage.
        refine: Blocks of each stage that only sharpen what the head reads of it.
        head_width: Channels of the head.
    """

    encoder: Literal["vit", "mobilenetv2"] = "vit"
    channels: int = 768
    depth: int = 12
    heads: int = 12
    position_side: int = 32
    widths: Quad = (32, 64, 128, 256)
    neck_heads: Quad = (1, 2, 4, 8)
    expansions: Quad = (8, 8, 4, 4)
    pools: tuple[tuple[int, ...], ...] = (
        (12, 16, 20, 24),
        (6, 8, 10, 12),
        (3, 4, 5, 6),
        (1, 2, 3, 4),
    )
    coarse: Quad = (1, 1, 2, 1)
    refine: Quad = (0, 0, 0, 0)
    head_width: int = 64


LIGHT = Config()
# The paper's name; it is the larger of its two networks.
TINY = Config(channels=1024, depth=24, heads=16, refine=(1, 1, 4, 2))
MINI = Config(
    encoder="mobilenetv2",
    widths=(32, 64, 96, 96),
    neck_heads=(1, 2, 3, 3),
    expansions=(3, 4, 4, 4),
    pools=((12, 24), (6, 12), (3, 6), (1, 2)),
    coarse=(1, 1, 3, 2),  # more of those that carry clicks far: small maps cost little
    head_width=32,
)
