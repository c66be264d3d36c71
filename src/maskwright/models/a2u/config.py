"""What can be chosen in an A2U matting network."""

from dataclasses import dataclass, field
from typing import Literal

Normalisation = Literal["softmax", "sigmoid", "sigmoid_softmax", "none"]


@dataclass(frozen=True)
class KernelConfig:
    """The variants of the operator, sections 3.2 and 3.3.

    Attributes:
        dynamic_filters: Filters U and V are made from each image ("dynamic") or learned ("static").
        dynamic_taps: Tap weights P are made from each image or learned. One of the two dynamic and
            the other static is the paper's "hybrid".
        shared: One filter for all channels, or one per channel.
        up_size: Side of the up-sampling kernels: 1, 3 or 5.
        filter_size: Side of the filters U and V.
        groups: Groups of channels with kernels of their own.
        rank: Rank of the bilinear form.
        down: Also down-sample by kernels (of twice the up-sampling side); else by max-pooling.
        up_normalisation: How the taps of an up-sampling kernel are normalised.
        down_normalisation: How the taps of a down-sampling kernel are normalised.
        embedding_norm: Normalisation of the embeddings: over groups of channels and the whole
            image, or per channel with running statistics, which makes the operator local.
    """

    dynamic_filters: bool = True
    dynamic_taps: bool = True
    shared: bool = True
    up_size: int = 3
    filter_size: int = 6
    groups: int = 1
    rank: int = 1
    down: bool = True
    up_normalisation: Normalisation = "sigmoid_softmax"
    down_normalisation: Normalisation = "softmax"
    embedding_norm: Literal["group", "batch"] = "group"


MINI_KERNELS = KernelConfig(
    dynamic_filters=False,
    dynamic_taps=False,
    shared=False,
    filter_size=4,
    down=False,
    up_normalisation="softmax",
    embedding_norm="batch",
)


@dataclass(frozen=True)
class Config:
    """An A2U matting network.

    Attributes:
        encoder: "resnet34" is the network of the paper; "mobilenetv2" the compact one with local
            colour hints, whose answer at a pixel depends on a bounded window only.
        kernels: The operator's variant, the same at every level.
        widths: Channels of the decoder at 1/8, 1/4, 1/2 and the full size.
        context_width: Channels of the context module at 1/16.
    """

    encoder: Literal["resnet34", "mobilenetv2"] = "resnet34"
    kernels: KernelConfig = field(default_factory=KernelConfig)
    widths: tuple[int, int, int, int] = (128, 64, 64, 32)
    context_width: int = 256

    @property
    def reach_px(self) -> int | None:
        """How far from a pixel the network looks, or None if at the whole image.

        Pooled kernels and the mean in the ASPP see everything. The compact network's layers and
        hints end further out in theory; what lies beyond 320 pixels changes alpha by less than
        1/255 (`benchmarks/tiles.py`).
        """
        return 320 if self.encoder == "mobilenetv2" else None

    @property
    def bytes_per_pixel(self) -> int:
        """Memory at the peak of inference in fp32, per pixel of the input; measured, rounded up."""
        return 500 if self.encoder == "mobilenetv2" else 1400

    @property
    def multiply_adds_per_pixel(self) -> int:
        """Multiply-adds of inference per pixel of the input, every block computed; counted."""
        return 9_100 if self.encoder == "mobilenetv2" else 202_000

    @property
    def align_px(self) -> int:
        """Pixels after which the network's inner grids repeat."""
        return 64 if self.encoder == "mobilenetv2" else 16


MINI = Config("mobilenetv2", MINI_KERNELS, widths=(64, 32, 16, 12), context_width=96)
