"""InterFormer: encode a photo once, then answer every click by the light decoder.

Paper: Huang et al., "InterFormer: Real-time Interactive Image Segmentation", ICCV 2023,
arXiv:2304.02942, section 3.
"""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float, Integer
from torch import Tensor, nn

from maskwright.errors import ShapeError, UsageError
from maskwright.layers.mobilenet import MobileEncoder
from maskwright.models.interformer.config import Config
from maskwright.models.interformer.encoder import Encoder
from maskwright.models.interformer.head import AuxiliaryHead, Head, resize
from maskwright.models.interformer.mobile import MobilePyramid
from maskwright.models.interformer.neck import STRIDES, Neck
from maskwright.models.interformer.pyramid import Pyramid
from maskwright.structures.box import Box

ALIGN_PX = 32


class Training(NamedTuple):
    """What the losses need.

    Attributes:
        logits: Of background and object, at the size of the image.
        auxiliary: The same of the auxiliary head.
    """

    logits: Float[Tensor, "batch 2 height width"]
    auxiliary: Float[Tensor, "batch 2 height width"]


class InterFormer(nn.Module):
    """An image in, a pyramid of maps out; the pyramid and the clicks in, the object out.

    Args:
        encoder: Looks at the image.
        pyramid: Makes four maps of what the encoder gives.
        neck: Reads the clicks into the maps.
        head: Makes logits of the maps.
        auxiliary: Makes logits of one map, to learn from.
    """

    def __init__(
        self,
        encoder: nn.Module,
        pyramid: nn.Module,
        neck: Neck,
        *,
        head: Head,
        auxiliary: AuxiliaryHead,
    ) -> None:
        super().__init__()
        self.encoder, self.pyramid = encoder, pyramid
        self.neck, self.head, self.auxiliary = neck, head, auxiliary

    def forward(
        self,
        image: Float[Tensor, "batch 3 height width"],
        reference: Integer[Tensor, "batch 1 _ _"],
    ) -> Float[Tensor, "batch 2 height width"]:
        """Return the logits of background and object; as `encode`, then `decode`."""
        return self.decode(self.encode(image), reference)

    def encode(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Return the pyramid: maps at strides 4, 8, 16 and 32, which no click changes.

        Args:
            image: RGB, normalised with ImageNet's mean and deviation, then filled up with zeros at
                the right and at the bottom to multiples of 32.

        Raises:
            ShapeError: If a side is not a multiple of 32.
        """
        if image.ndim != 4 or image.shape[1] != 3 or not _is_aligned(image.shape[2:]):
            raise ShapeError(
                "expected images (batch, 3, height, width) with sides that are multiples of"
                f" {ALIGN_PX}, got {tuple(image.shape)}; fill them up with zeros"
            )
        return self.pyramid(self.encoder(image))

    def decode(
        self,
        maps: Sequence[Float[Tensor, "_ _ _ _"]],
        reference: Integer[Tensor, "batch 1 height width"],
        *,
        regions: Sequence[Box] | None = None,
    ) -> Float[Tensor, "batch 2 height width"]:
        """Return the logits of background and object.

        Args:
            maps: Of `encode`: as many as reference maps, or of one image for several objects.
            reference: What is known of each pixel, 0 to 4 (`data/reference.py`).
            regions: For each reference map, the part of the image to which the network's refining
                blocks are confined, in multiples of 32 pixels; None is the whole image.

        Raises:
            ShapeError: If the reference maps are not of the image's size or number.
            UsageError: If there are not as many regions, or one is outside or not on the grid.
        """
        maps = self._for_each(maps, reference)
        check_regions(regions, reference)
        logits = self.head(self.neck(maps, reference, regions=regions))
        return resize(logits, reference.shape[2:])

    def forward_training(
        self,
        image: Float[Tensor, "batch 3 height width"],
        reference: Integer[Tensor, "batch 1 _ _"],
    ) -> Training:
        """Return the logits of both heads, at the size of the image.

        Raises:
            ShapeError: If the image's sides or the reference maps do not fit.
        """
        return self.decode_training(self.encode(image), reference)

    def decode_training(
        self,
        maps: Sequence[Float[Tensor, "_ _ _ _"]],
        reference: Integer[Tensor, "batch 1 height width"],
    ) -> Training:
        """Return the logits of both heads, at the size of the image.

        Args:
            maps: As for `decode`.
            reference: As for `decode`.

        Raises:
            ShapeError: If the reference maps do not fit.
        """
        read = self.neck(self._for_each(maps, reference), reference)
        logits, auxiliary = self.head(read), self.auxiliary(read[2])
        size = reference.shape[2:]
        return Training(resize(logits, size), resize(auxiliary, size))

    def _for_each(self, maps: Sequence[Tensor], reference: Tensor) -> list[Tensor]:
        largest = maps[0]
        size = tuple(STRIDES[0] * side for side in largest.shape[2:])
        count = largest.shape[0]
        shape = tuple(reference.shape)
        if reference.ndim != 4 or shape[1:] != (1, *size) or count not in (1, shape[0]):
            raise ShapeError(
                f"expected reference maps ({count}, 1, {size[0]}, {size[1]}) for this pyramid,"
                f" got {shape}; make them at the size of the encoded image"
            )
        return [x.expand(shape[0], -1, -1, -1) for x in maps]


def build(config: Config) -> InterFormer:
    """Return the network with fresh weights."""
    if config.encoder == "mobilenetv2":
        encoder: nn.Module = MobileEncoder()
        pyramid: nn.Module = MobilePyramid(config.widths)
    else:
        encoder, pyramid = Encoder(config), Pyramid(config.channels, config.widths)
    return InterFormer(
        encoder,
        pyramid,
        Neck(config),
        head=Head(config.widths, config.head_width),
        auxiliary=AuxiliaryHead(config.widths[2], config.head_width),
    )


def padded_size(height: int, width: int) -> tuple[int, int]:
    """Return the size to which a normalised image is filled up with zeros."""
    return height + -height % ALIGN_PX, width + -width % ALIGN_PX


def _is_aligned(size: Sequence[int]) -> bool:
    return min(size) > 0 and not any(side % ALIGN_PX for side in size)


def check_regions(regions: Sequence[Box] | None, reference: Tensor) -> None:
    """Check that there is a region for each reference map, within it and on the grid.

    Raises:
        UsageError: Otherwise.
    """
    if regions is None:
        return
    if len(regions) != len(reference):
        raise UsageError(
            f"expected {len(reference)} regions, one for each reference map, got {len(regions)}"
        )
    height, width = reference.shape[2:]
    for region in regions:
        corners = (region.x0, region.y0, region.x1, region.y1)
        inside = region.x0 >= 0 and region.y0 >= 0 and region.x1 <= width and region.y1 <= height
        if not inside or any(edge % ALIGN_PX for edge in corners):
            raise UsageError(
                f"expected regions within {width} x {height} pixels on multiples of {ALIGN_PX},"
                f" got {corners}; make them with zoom_region"
            )
