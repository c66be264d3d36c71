"""Mask2Former: queries that become masks and classes, for panoptic, instance, semantic alike.

Paper: Cheng et al., "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR
2022, arXiv:2112.01527, figure 2.
"""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.errors import ShapeError
from maskwright.layers import mobilenet, resnet
from maskwright.layers.mobilenet import MobileEncoder
from maskwright.layers.resnet import ResNet
from maskwright.layers.swin import Swin
from maskwright.models.mask2former.config import Config
from maskwright.models.mask2former.decoder import Decoder, Prediction
from maskwright.models.mask2former.pixel_decoder import PixelDecoder

ALIGN_PX = 32
STRIDE = 4  # of the masks


class Segments(NamedTuple):
    """What the queries stand for in the end, and on the way.

    Attributes:
        class_logits: Of each query's classes, the last being "no object".
        mask_logits: Of each query's mask, at a quarter of the image's size.
        auxiliary: The same before the first layer and after each but the last; from training,
            and where attention masks are given.
    """

    class_logits: Float[Tensor, "batch query class"]
    mask_logits: Float[Tensor, "batch query height width"]
    auxiliary: tuple[Prediction, ...] = ()


class Mask2Former(nn.Module):
    """An image in, classes and masks of a fixed number of queries out.

    Args:
        backbone: Makes four maps of the image.
        pixel_decoder: Makes of them what queries attend to, and what masks are made of.
        decoder: Makes segments of queries.
    """

    def __init__(self, backbone: nn.Module, pixel_decoder: PixelDecoder, decoder: Decoder) -> None:
        super().__init__()
        self.backbone, self.pixel_decoder, self.decoder = backbone, pixel_decoder, decoder

    def forward(
        self,
        image: Float[Tensor, "batch 3 height width"],
        *,
        attention_masks: Sequence[Tensor] | None = None,
    ) -> Segments:
        """Return the segments of an image.

        Args:
            image: RGB, normalised with ImageNet's mean and deviation. Of any size: it is filled up
                with zeros at the right and at the bottom, to multiples of 32, and what the masks
                hold of these is cut off.
            attention_masks: For each layer of the decoder (batch, queries, cells), nonzero where
                a query may not look; instead of the network's own, to compare it with another. A
                query that may look nowhere looks everywhere.

        Raises:
            ShapeError: If it is no batch of images, or the masks do not fit it.
        """
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < 1:
            raise ShapeError(
                "expected images (batch, 3, height, width) of normalised RGB,"
                f" got {tuple(image.shape)}; put the channels first"
            )
        height, width = image.shape[2:]
        image = F.pad(image, (0, -width % ALIGN_PX, 0, -height % ALIGN_PX))
        pixels = self.pixel_decoder(self.backbone(image))
        if attention_masks is not None:
            sizes = [(x.shape[2], x.shape[3]) for x in pixels.levels]
            self._check_masks(attention_masks, sizes, batch=len(image))
        every = self.training or attention_masks is not None
        size = -(-height // STRIDE), -(-width // STRIDE)
        found = [_cut(each, size) for each in self.decoder(pixels, attention_masks, every=every)]
        return Segments(found[-1].class_logits, found[-1].mask_logits, tuple(found[:-1]))

    def _check_masks(
        self, masks: Sequence[Tensor], sizes: Sequence[tuple[int, int]], *, batch: int
    ) -> None:
        count, queries = len(self.decoder.layers), len(self.decoder.query)
        cells = [height * width for height, width in sizes]
        expected = [(batch, queries, cells[index % len(cells)]) for index in range(count)]
        found = [tuple(mask.flatten(2).shape) for mask in masks]
        if found != expected:
            raise ShapeError(
                f"expected {count} attention masks of {expected[: len(cells)]} in turn,"
                f" got {len(found)}, first {found[: len(cells)]}; give each layer its own"
            )


def build(config: Config) -> Mask2Former:
    """Return the network with fresh weights."""
    backbone, widths = _build_backbone(config)
    return Mask2Former(
        backbone,
        PixelDecoder(
            widths,
            config.width,
            heads=config.heads,
            layers=config.pixel_layers,
            hidden=config.pixel_hidden,
        ),
        Decoder(
            config.width,
            config.queries,
            classes=config.classes,
            heads=config.heads,
            layers=config.layers,
            hidden=config.hidden,
        ),
    )


def _build_backbone(config: Config) -> tuple[nn.Module, tuple[int, ...]]:
    """Return the backbone and the channels of its maps."""
    if config.backbone == "mobilenetv2":
        return MobileEncoder(), mobilenet.CHANNELS
    if config.backbone == "swin":
        swin = Swin(config.embed, config.depths, heads=config.swin_heads, window=config.window)
        return swin, tuple(config.embed << stage for stage in range(4))
    return ResNet(config.depths, frozen=config.frozen), resnet.CHANNELS


def _cut(found: Prediction, size: tuple[int, int]) -> Prediction:
    """Return a prediction without what lies beyond the image."""
    return found._replace(mask_logits=found.mask_logits[:, :, : size[0], : size[1]])
