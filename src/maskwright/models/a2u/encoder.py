"""The paper's encoder: ResNet-34 less its last stages, down-sampling by affinity kernels."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.a2u.blocks import ResidualUnit, conv_abn
from maskwright.models.a2u.config import KernelConfig
from maskwright.models.a2u.kernels import SLOPE, AffinityKernels, Kernels, down_sample

Pyramid = tuple[list[Tensor], list[Kernels]]


class Encoder(nn.Module):
    """Return maps at 1, 1/2, 1/4, 1/8, 1/16 and the kernels of the four levels between them.

    Args:
        config: The kernels' variant.
        channels: Channels of the input.
    """

    channels = (4, 64, 64, 128, 256)

    def __init__(self, config: KernelConfig, *, channels: int = 4) -> None:
        super().__init__()
        self.groups = config.groups
        self.stem = conv_abn(channels, 64, 7)
        self.kernels = nn.ModuleList([AffinityKernels(64, config) for _ in range(2)])
        self.stage1 = _blocks(64, 3)
        self.down2, self.stage2 = DownBlock(64, 128, config), _blocks(128, 3)
        # ResNet-34 has five more blocks in the third stage; the official network has three.
        self.down3, self.stage3 = DownBlock(128, 256, config), _blocks(256, 3)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Pyramid:
        """Return (maps, kernels), the largest first; the first map is the input itself."""
        full = self.stem(x)
        kernels_1 = self.kernels[0](full)
        half = down_sample(full, kernels_1, groups=self.groups)
        kernels_2 = self.kernels[1](half)
        quarter = self.stage1(down_sample(half, kernels_2, groups=self.groups))
        eighth, kernels_4 = self.down2(quarter)
        eighth = self.stage2(eighth)
        sixteenth, kernels_8 = self.down3(eighth)
        sixteenth = self.stage3(sixteenth)
        return [x, half, quarter, eighth, sixteenth], [kernels_1, kernels_2, kernels_4, kernels_8]


class DownBlock(nn.Module):
    """A residual unit that halves the size between its two convolutions."""

    def __init__(self, channels: int, channels_out: int, config: KernelConfig) -> None:
        super().__init__()
        self.groups = config.groups
        self.first = conv_abn(channels, channels_out)
        self.kernels = AffinityKernels(channels_out, config)
        self.second = conv_abn(channels_out, channels_out, activate=False)
        self.shortcut = conv_abn(channels, channels_out, 1, stride=2, activate=False)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, Kernels]:
        """Return the map at half the size, and the kernels that lead back up."""
        y = self.first(x)
        kernels = self.kernels(y)
        y = self.second(down_sample(y, kernels, groups=self.groups))
        return F.leaky_relu(y + self.shortcut(x), SLOPE, inplace=True), kernels


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualUnit(channels, channels) for _ in range(count)))
