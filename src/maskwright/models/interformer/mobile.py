"""The pyramid on the four maps of MobileNetV2, in the place of the transformer. Not in the paper.

Unlike the transformer's one map, its large maps know little of what is in the photo: a path from
the smallest map to the largest tells them.
"""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from maskwright.layers.mobilenet import CHANNELS, convert_imagenet
from maskwright.models.interformer.config import Quad
from maskwright.models.interformer.head import resize
from maskwright.models.interformer.pyramid import image_norm


class MobilePyramid(nn.Module):
    """Join the maps from the smallest to the largest, each at its own size.

    Args:
        widths: Channels of the four maps that come out.
    """

    def __init__(self, widths: Quad) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(
            nn.Conv2d(channels, width, 1) for channels, width in zip(CHANNELS, widths, strict=True)
        )
        self.down = nn.ModuleList(
            nn.Conv2d(above, width, 1) for width, above in zip(widths, widths[1:], strict=False)
        )
        self.smooth = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), image_norm(width), nn.GELU())
            for width in widths
        )

    def forward(
        self, maps: list[Float[Tensor, "batch _ _ _"]]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Return the four maps, the largest first."""
        levels = [lateral(x) for lateral, x in zip(self.laterals, maps, strict=True)]
        for index, down in reversed(list(enumerate(self.down))):
            above = resize(down(levels[index + 1]), levels[index].shape[2:])
            levels[index] = levels[index] + above
        return [smooth(x) for smooth, x in zip(self.smooth, levels, strict=True)]


def start_from_imagenet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a network starts from; load with `strict=False`.

    Norms of weights that had them folded want `layers.mobilenet.calibrate_norms` before training.

    Args:
        state: ImageNet weights of MobileNetV2, in torchvision's names, for RGB in [-1, 1].
    """
    converted = convert_imagenet(state)
    return {f"encoder.backbone.{name}": value for name, value in converted.items()}
