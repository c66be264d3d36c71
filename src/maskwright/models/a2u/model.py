"""The A2U matting network: encoder, context, decoder, head.

Paper: Dai, Lu, Shen, CVPR 2021, arXiv:2011.14288, section 4.
"""

from jaxtyping import Float
from torch import Tensor, nn

from maskwright.models.a2u.blocks import ResidualUnit, check_sides, conv_abn
from maskwright.models.a2u.compact import CompactMatting
from maskwright.models.a2u.config import Config
from maskwright.models.a2u.decoder import Context, DecoderStage
from maskwright.models.a2u.encoder import Encoder
from maskwright.models.a2u.kernels import SLOPE

STRIDE = 16


class AffinityMatting(nn.Module):
    """An image and its trimap in, raw alpha out.

    Args:
        encoder: Returns five maps and four levels of kernels.
        context: Refines the smallest map.
        decoder: Four stages, the smallest first.
        head: Makes one channel of the full-size map.
    """

    def __init__(
        self, encoder: nn.Module, context: nn.Module, decoder: list[DecoderStage], head: nn.Module
    ) -> None:
        super().__init__()
        self.encoder, self.context = encoder, context
        self.decoder = nn.ModuleList(decoder)
        self.head = head

    def forward(
        self, x: Float[Tensor, "batch 4 height width"]
    ) -> Float[Tensor, "batch 1 height width"]:
        """Return alpha, not clipped: about 0 to 1, free to overshoot.

        Args:
            x: RGB, normalised with ImageNet's mean and deviation, and the trimap: 0 background,
                128/255 unknown, 1 foreground. Height and width are multiples of 16.

        Raises:
            ShapeError: If a side is not a multiple of 16.
        """
        check_sides(x, STRIDE)
        maps, kernels = self.encoder(x)
        y = self.context(maps.pop())
        for stage in self.decoder:
            y = stage(y, maps.pop(), kernels.pop())
        return self.head(y)


def build(config: Config) -> AffinityMatting | CompactMatting:
    """Return the network with fresh weights."""
    return CompactMatting(config) if config.encoder == "mobilenetv2" else _resnet(config)


def _resnet(config: Config) -> AffinityMatting:
    encoder = Encoder(config.kernels)
    stages, width = [], config.context_width
    for channels, width_out in zip(reversed(Encoder.channels[:-1]), config.widths, strict=True):
        skip = conv_abn(channels, width)
        stages.append(
            DecoderStage(width, skip, width_out, unit=ResidualUnit, groups=config.kernels.groups)
        )
        width = width_out
    # Not in the paper, but in the official code: an activated norm on the single channel.
    head = nn.Sequential(conv_abn(width, 1), nn.Conv2d(1, 1, 3, padding=1, bias=False))
    model = AffinityMatting(encoder, Context(config.context_width), stages, head)
    _initialise(model)
    return model


def _initialise(model: nn.Module) -> None:
    """Xavier with the gain of the leaky ReLU everywhere, as the official code does."""
    gain = nn.init.calculate_gain("leaky_relu", SLOPE)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.xavier_normal_(module.weight, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
