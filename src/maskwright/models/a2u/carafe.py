"""CARAFE: up-sampling kernels predicted from the content of the small map.

Wang et al., "CARAFE: Content-Aware ReAssembly of FEatures", ICCV 2019, arXiv:1905.02188,
section 3.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.ops.affinity import reassemble_up


class Carafe(nn.Module):
    """Maximum of 2 x 2 down, content-aware reassembly up; nothing crosses over.

    Args:
        channels: Channels of the features.
        size: Side of the reassembly kernels, odd.
        width: Channels from which kernels are predicted.
        encoder_size: Side of the convolution that predicts them, odd.
    """

    def __init__(
        self, channels: int, *, size: int = 5, width: int = 64, encoder_size: int = 3
    ) -> None:
        super().__init__()
        self.compress = nn.Conv2d(channels, width, 1)
        self.encode = nn.Conv2d(width, 4 * size**2, encoder_size, padding=encoder_size // 2)

    def down(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> tuple[Float[Tensor, "batch channel half_height half_width"], None]:
        """Return the maximum of every 2 x 2 pixels."""
        return F.max_pool2d(x, 2), None

    def up(
        self, y: Float[Tensor, "batch channel half_height half_width"], memory: None
    ) -> Float[Tensor, "batch channel height width"]:
        """Return the map reassembled by kernels predicted from itself, Eq. (2)."""
        return reassemble_up(y, self.kernels(y))

    def kernels(
        self, y: Float[Tensor, "batch channel half_height half_width"]
    ) -> Float[Tensor, "batch tap height width"]:
        """Return a kernel for every pixel of the large map; its taps sum to one, Eq. (1)."""
        return F.pixel_shuffle(self.encode(self.compress(y)), 2).softmax(1)
