"""What the network reads of a photo: colours and trimap, and local hints if it was built for them.

The hints are ours, not the paper's: they let a network that has seen few photos know what colours
lie nearby (`layers/hints.py`).
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from maskwright.layers.hints import (
    CHANNELS,
    STRIDES,
    NearColours,
    colour_hints,
    double,
    near_colours,
)
from maskwright.layers.vit import strips, with_halo
from maskwright.models.mematte.tiles import padded_window

PLAIN, HINTED = 4, 3 + CHANNELS  # channels
BAND_ROWS = 8 * STRIDES[-1]  # at half the size, made at once; their windows begin where all do
BAND_HALO = 4 * STRIDES[-1]  # the colours of a row come from no farther


class Inputs(NamedTuple):
    """A photo and what is made of it as a whole; windows are made when they are asked for.

    Attributes:
        x: Normalised RGB and trimap.
        near: Colours of known pixels nearby at half the size, of one more pixel on each side, or
            None without hints.
    """

    x: Float[Tensor, "batch 4 height width"]
    near: Float[Tensor, "batch 6 half_height half_width"] | None

    def window(
        self, rows: slice, columns: slice, *, images: slice = slice(None)
    ) -> Float[Tensor, "batch channel window_height window_width"]:
        """Return a window, which may reach beyond the right and the bottom border, into zeros.

        Args:
            rows: Its rows, from an even one on.
            columns: Its columns, from an even one on.
            images: Which images of the batch.
        """
        x = self.x[images]
        if self.near is None:
            return padded_window(x, rows, columns)
        inside = x[:, :, rows, columns]
        height, width = inside.shape[2:]
        window = x.new_zeros(len(x), HINTED, rows.stop - rows.start, columns.stop - columns.start)
        if not inside.numel():
            return window
        near = self.near[images, :, _halved(rows, inside), _halved(columns, inside, axis=3)]
        near = double(near)[:, :, 2 : 2 + height, 2 : 2 + width]
        rgb, trimap = inside[:, :3], inside[:, 3:]
        window[:, :3, :height, :width] = rgb
        hints = colour_hints(rgb, trimap, NearColours(near[:, :3], near[:, 3:]))
        window[:, 3:, :height, :width] = hints
        return window


def read(x: Float[Tensor, "batch 4 height width"], *, hinted: bool) -> Inputs:
    """Return the inputs of a network with or without hints."""
    if not hinted:
        return Inputs(x, None)
    rows, columns = (-(-side // 2) for side in x.shape[2:])
    near = x.new_empty(len(x), 6, rows + 2, columns + 2)
    for strip in strips(rows, BAND_ROWS):
        band, inner = with_halo(strip, BAND_HALO, height=rows)
        half = F.avg_pool2d(x[:, :, 2 * band.start : 2 * band.stop], 2, ceil_mode=True)
        to = near[:, :, strip.start + 1 : strip.stop + 1, 1:-1]
        for at, colour in enumerate(near_colours(half[:, :3], half[:, 3:])):
            to[:, 3 * at : 3 * at + 3] = colour[:, :, inner]
    for border, beside in ((0, 1), (-1, -2)):  # one more pixel, as interpolation continues it
        near[:, :, border] = near[:, :, beside]
        near[..., border] = near[..., beside]
    return Inputs(x, near)


def _halved(pixels: slice, inside: Tensor, *, axis: int = 2) -> slice:
    """Return where a window lies at half the size, with one more pixel on each side."""
    start = pixels.start // 2
    return slice(start, start + -(-inside.shape[axis] // 2) + 2)
