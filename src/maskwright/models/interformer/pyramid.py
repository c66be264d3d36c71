"""The simple feature pyramid: maps at strides 4, 8, 16 and 32 from the one map of the encoder.

After Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection", ECCV 2022,
arXiv:2203.16527, with norms over the whole image.
"""

from jaxtyping import Float
from torch import Tensor, nn

from maskwright.models.interformer.config import Quad


class Pyramid(nn.Module):
    """Resize the encoder's map to each of four sizes.

    Args:
        channels: Of the encoder's map.
        widths: Of the four maps.
    """

    def __init__(self, channels: int, widths: Quad) -> None:
        super().__init__()
        half, quarter = channels // 2, channels // 4
        self.levels = nn.ModuleList([
            nn.Sequential(
                nn.ConvTranspose2d(channels, half, 2, stride=2),
                image_norm(half),
                nn.GELU(),
                nn.ConvTranspose2d(half, quarter, 2, stride=2),
                image_norm(quarter),
                *_narrow(quarter, widths[0]),
            ),
            # Not in the paper, but in the official code: no activation before the last layer.
            nn.Sequential(
                nn.ConvTranspose2d(channels, half, 2, stride=2),
                image_norm(half),
                *_narrow(half, widths[1]),
            ),
            nn.Sequential(*_narrow(channels, widths[2])),
            nn.Sequential(
                nn.Conv2d(channels, 2 * channels, 2, stride=2),
                image_norm(2 * channels),
                *_narrow(2 * channels, widths[3]),
            ),
        ])

    def forward(
        self, x: Float[Tensor, "batch channel rows columns"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Return the four maps, the largest first."""
        return [level(x) for level in self.levels]


def image_norm(channels: int) -> nn.GroupNorm:
    """Return a norm over all channels and pixels of an image, with a scale per channel."""
    return nn.GroupNorm(1, channels)


def _narrow(channels: int, width: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 1), image_norm(width), nn.GELU()]
