"""Index networks: soft pooling indices predicted from the features, used on both ways.

Lu et al., "Index Networks", TPAMI 2020, arXiv:1908.09895; the non-linear variant without the
weak context.
"""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Kind = Literal["holistic", "o2o", "m2o"]


class IndexNetwork(nn.Module):
    """Weighted pooling down, weighted nearest neighbours up.

    An index map holds one weight for each pixel. What it is predicted from, in the same 2 x 2
    pixels, and what it holds for:

    - holistic: from all channels one map for all channels;
    - o2o, one to one: from every channel the map of that channel;
    - m2o, many to one: from all channels a map for every channel.

    Args:
        channels: Channels of the features.
        kind: One of the three.
    """

    def __init__(self, channels: int, *, kind: Kind) -> None:
        super().__init__()
        maps = 1 if kind == "holistic" else channels
        width = 2 * channels if kind == "holistic" else 4 * channels
        groups = channels if kind == "o2o" else 1
        self.predict = nn.Sequential(
            nn.Conv2d(channels, width, 2, stride=2, groups=groups, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU6(),
            nn.Conv2d(width, 4 * maps, 1, groups=groups),
        )

    def down(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> tuple[
        Float[Tensor, "batch channel half_height half_width"],
        Float[Tensor, "batch map height width"],
    ]:
        """Return each 2 x 2 pixels summed up by their indices, and the indices for the way up."""
        pooling, memory = self.indices(x)
        return 4 * F.avg_pool2d(x * pooling, 2), memory

    def up(
        self,
        y: Float[Tensor, "batch channel half_height half_width"],
        memory: Float[Tensor, "batch map height width"],
    ) -> Float[Tensor, "batch channel height width"]:
        """Return each pixel copied to 2 x 2 pixels and weighted there by their indices."""
        return F.interpolate(y, scale_factor=2.0, mode="nearest") * memory

    def indices(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> tuple[Float[Tensor, "batch map height width"], Float[Tensor, "batch map height width"]]:
        """Return the indices for the way down and up: both in (0, 1).

        The former are the softmax of the latter over each 2 x 2 pixels: they sum to one.
        """
        up = self.predict(x).sigmoid().unflatten(1, (-1, 4))
        down = up.softmax(2)
        return F.pixel_shuffle(down.flatten(1, 2), 2), F.pixel_shuffle(up.flatten(1, 2), 2)
