"""The size at which a network looks at a photo, and points and masks between the two.

Clicks mean disks of fixed pixels to InterFormer, and its encoder was trained on crops of 512 x 512:
large photos are shrunk for it, tiny ones enlarged. Between, a photo is seen as it is.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from maskwright.image.colour import network_rgb
from maskwright.image.photo import Photo
from maskwright.image.resize import resize
from maskwright.layers.mobilenet import DEVIATION, MEAN
from maskwright.models.interformer.model import ALIGN_PX, padded_size
from maskwright.structures.box import Box
from maskwright.structures.click import Click

LEAST_SIDE_PX = 128  # else a click's disk would cover most of an icon
LONGEST_ENLARGED_PX = 512

Size = tuple[int, int]


@dataclass(frozen=True)
class Scale:
    """A photo's size, and the size at which it is seen.

    Attributes:
        size: Height and width of the upright photo.
        seen: Height and width of what the network sees of it.
    """

    size: Size
    seen: Size

    @property
    def padded(self) -> Size:
        """Height and width of what is seen, filled up to multiples of 32."""
        return padded_size(*self.seen)

    @property
    def is_enlarged(self) -> bool:
        """Whether the network sees more pixels than the photo has."""
        return self.seen > self.size

    def click(self, click: Click) -> Click:
        """Return a click in pixels of what is seen; where that is enlarged, at a pixel's centre.

        Raises:
            UsageError: If the click lies outside the photo.
        """
        row, column = click.pixel(self.size)
        at = (column + 0.5, row + 0.5) if self.is_enlarged else (click.x, click.y)
        x, y = self.point(*at)
        height, width = self.seen
        return Click(
            min(x, math.nextafter(width, 0)), min(y, math.nextafter(height, 0)), click.positive
        )

    def point(self, x: float | int, y: float | int) -> tuple[float, float]:
        """Return (x, y) in pixels of what is seen."""
        return x * (self.seen[1] / self.size[1]), y * (self.seen[0] / self.size[0])

    def box(self, box: Box) -> Box:
        """Return a box in pixels of what is seen.

        Raises:
            UsageError: If the box lies outside the photo.
        """
        box.slices(self.size)
        return Box(*self.point(box.x0, box.y0), *self.point(box.x1, box.y1))

    def mask(self, mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "padded_height padded_width"]:
        """Return a mask of the photo as the network sees it; what fills up is background."""
        grey = resize(mask.astype(np.float32), self.seen)
        return self.fill_up(grey >= 0.5)

    def fill_up(
        self, mask: Bool[np.ndarray, "seen_height seen_width"]
    ) -> Bool[np.ndarray, "padded_height padded_width"]:
        """Return a mask filled up with background."""
        below, beside = (
            padded - seen for padded, seen in zip(self.padded, mask.shape, strict=True)
        )
        return np.pad(mask, ((0, below), (0, beside)))

    def at_centres(
        self, states: UInt8[np.ndarray, "padded_height padded_width"]
    ) -> UInt8[np.ndarray, "h w"]:
        """Return a map of what is seen at the centres of the photo's pixels."""
        rows, columns = (
            ((np.arange(length) + 0.5) * (seen / length)).astype(np.int64)
            for length, seen in zip(self.size, self.seen, strict=True)
        )
        return states[rows[:, None], columns]

    def image(self, photo: Photo) -> Float[Tensor, "1 3 padded_height padded_width"]:
        """Return what the network sees of a photo: normalised RGB, filled up with zeros."""
        pixels = resize(photo.pixels, self.seen)
        rgb = network_rgb(replace(photo, pixels=pixels, alpha=None))
        x = np.zeros((1, 3, *self.padded), np.float32)
        for channel, (mean, deviation) in enumerate(zip(MEAN, DEVIATION, strict=True)):
            plane = x[0, channel, : self.seen[0], : self.seen[1]]
            np.multiply(rgb[..., channel], np.float32(255 / deviation), out=plane)
            plane -= np.float32(mean / deviation)
        return torch.from_numpy(x)


def scale_for(size: Size, most_px: int) -> Scale:
    """Return at which size a network looks at a photo.

    Args:
        size: Height and width of the photo.
        most_px: The network sees about so many pixels at most, what fills up included.
    """
    height, width = size
    longer, shorter = max(size), min(size)
    # A narrow strip is filled up to 32 pixels: its length is what costs.
    most = min(math.sqrt(most_px / (height * width)), most_px / ALIGN_PX / longer)
    enlarged = min(LEAST_SIDE_PX / shorter, LONGEST_ENLARGED_PX / longer)
    factor = min(max(1.0, enlarged), most)
    return Scale(size, (max(round(height * factor), 1), max(round(width * factor), 1)))
