"""Tokens from the first layers of MobileNetV2 over the image at half its size; not in the paper.

A vision transformer that has seen few photos knows little of what things look like. What the
layers that `a2u-mini` has trained know of it is added to the patches' tokens.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.conv import channels_last
from maskwright.layers.mobilenet import STAGES, MobileNetV2
from maskwright.layers.vit import strips, with_halo
from maskwright.models.mematte.inputs import Inputs
from maskwright.models.mematte.limits import TOKEN_PX

BUILT, FIRST = 5, 2  # stages in all, and those that end at 1/8 of the image
FIRST_REACH, REACH = 2, 18  # tokens that those and the others see to each side
LATER_ROWS = 4  # times as many rows of tokens are cheap enough after the first stages


class Trunk(nn.Module):
    """The layers, and a linear map to the width of a token that starts at zero.

    Args:
        channels: Of the input; the first three are RGB.
        width: Channels of a token.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.backbone = MobileNetV2(
            stages=BUILT, channels=channels, output_stride=TOKEN_PX // 2, normed=False
        )
        self.enter = nn.Linear(STAGES[BUILT - 1][1], width)
        channels_last(self)

    def forward(
        self, inputs: Inputs, size: tuple[int, int], rows: int | None
    ) -> Iterator[tuple[slice, Float[Tensor, "batch rows width channel"]]]:
        """Yield rows of tokens, and what is added to them.

        Args:
            inputs: Of the network.
            size: Rows and columns of tokens.
            rows: Rows of tokens to compute at once; None: all.
        """
        eighths = self._first(inputs, size, rows)
        later = nn.Sequential(*self.backbone.stages[FIRST:])
        for strip in strips(size[0], None if rows is None else LATER_ROWS * rows):
            read, inner = with_halo(strip, REACH, height=size[0])
            x = later(eighths[:, :, 2 * read.start : 2 * read.stop])
            yield strip, self.enter(x[:, :, inner].permute(0, 2, 3, 1))

    def _first(self, inputs: Inputs, size: tuple[int, int], rows: int | None) -> Tensor:
        """Return the map at 1/8 of the image."""
        first = nn.Sequential(self.backbone.stem, *self.backbone.stages[:FIRST])
        parts = []
        for strip in strips(size[0], rows):
            read, inner = with_halo(strip, FIRST_REACH, height=size[0])
            pixels = slice(TOKEN_PX * read.start, TOKEN_PX * read.stop)
            x = F.avg_pool2d(inputs.window(pixels, slice(0, TOKEN_PX * size[1])), 2)
            x = first(x.contiguous(memory_format=torch.channels_last))
            parts.append(x[:, :, 2 * inner.start : 2 * inner.stop])
        return torch.cat(parts, 2)
