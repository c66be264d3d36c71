"""Ways to halve and double a feature map, all with one interface, compared on reconstruction.

Dai, Lu, Shen, CVPR 2021, arXiv:2011.14288, compare their operator with others this way. Every
sampler belongs to one level of a network and keeps the number of channels.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.a2u.carafe import Carafe
from maskwright.models.a2u.config import MINI_KERNELS, KernelConfig
from maskwright.models.a2u.index_network import IndexNetwork
from maskwright.models.a2u.kernels import AffinityKernels, Kernels, down_sample, up_sample

Small = Float[Tensor, "batch channel half_height half_width"]
Large = Float[Tensor, "batch channel height width"]


@runtime_checkable
class Sampler(Protocol):
    """One level's way down and back up; a module."""

    def down(self, x: Large) -> tuple[Small, Any]:
        """Return x at half the size, and what the way up may know of x; sides are even."""

    def up(self, y: Small, memory: Any) -> Large:
        """Return y at twice the size, given what `down` remembered."""


class AveragePool(nn.Module):
    """Average of 2 x 2 down, interpolation up; nothing is learned or remembered.

    Args:
        channels: Channels of the features; any.
        mode: "bilinear" or "nearest".
    """

    def __init__(self, channels: int, *, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def down(self, x: Large) -> tuple[Small, None]:
        """Return the average of every 2 x 2 pixels."""
        return F.avg_pool2d(x, 2), None

    def up(self, y: Small, memory: None) -> Large:
        """Return the interpolated map."""
        return F.interpolate(y, scale_factor=2.0, mode=self.mode)


class Deconvolution(nn.Module):
    """Strided convolution down, transposed convolution up: fixed kernels, learned."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.smaller = nn.Conv2d(channels, channels, 4, stride=2, padding=1)
        self.larger = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)

    def down(self, x: Large) -> tuple[Small, None]:
        """Return the strided convolution."""
        return self.smaller(x), None

    def up(self, y: Small, memory: None) -> Large:
        """Return the transposed convolution."""
        return self.larger(y)


class PixelShuffle(nn.Module):
    """Space to depth and back, with a 1 x 1 convolution each way to keep the channels.

    Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network", CVPR 2016, arXiv:1609.05158.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gather = nn.Conv2d(4 * channels, channels, 1)
        self.spread = nn.Conv2d(channels, 4 * channels, 1)

    def down(self, x: Large) -> tuple[Small, None]:
        """Return a mix of the four sub-pixels."""
        return self.gather(F.pixel_unshuffle(x, 2)), None

    def up(self, y: Small, memory: None) -> Large:
        """Return the map whose four sub-pixels are mixed from one pixel each."""
        return F.pixel_shuffle(self.spread(y), 2)


class MaxUnpool(nn.Module):
    """Maximum of 2 x 2 down; up, each value goes back to where the maximum was, zeros elsewhere.

    Badrinarayanan et al., "SegNet", TPAMI 2017, arXiv:1511.00561.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()

    def down(self, x: Large) -> tuple[Small, Int[Tensor, "batch channel half_height half_width"]]:
        """Return the maxima and where they were."""
        small, places = F.max_pool2d(x, 2, return_indices=True)
        return small, places

    def up(self, y: Small, memory: Int[Tensor, "batch channel half_height half_width"]) -> Large:
        """Return zeros, but for one pixel in every 2 x 2."""
        return F.max_unpool2d(y, memory, (2, 2))


class Affinity(nn.Module):
    """The paper's operator, or, with `down` off, max-pooling down and the operator up."""

    def __init__(self, channels: int, *, config: KernelConfig) -> None:
        super().__init__()
        self.kernels, self.groups = AffinityKernels(channels, config), config.groups

    def down(self, x: Large) -> tuple[Small, Kernels]:
        """Return the smaller map and the level's kernels."""
        kernels = self.kernels(x)
        return down_sample(x, kernels, groups=self.groups), kernels

    def up(self, y: Small, memory: Kernels) -> Large:
        """Return the map reassembled by the kernels that `down` made."""
        return up_sample(y, memory, groups=self.groups)


# The paper's hybrid makes one of filters and taps static; that it is the filters is our choice.
VARIANTS = {
    "a2u_static_shared": KernelConfig(dynamic_filters=False, dynamic_taps=False),
    "a2u_static_unshared": KernelConfig(dynamic_filters=False, dynamic_taps=False, shared=False),
    "a2u_hybrid_shared": KernelConfig(dynamic_filters=False),
    "a2u_hybrid_unshared": KernelConfig(dynamic_filters=False, shared=False),
    "a2u_dynamic_shared": KernelConfig(),
    "a2u_dynamic_unshared": KernelConfig(shared=False),
}
VARIANTS |= {f"{name}_up": replace(config, down=False) for name, config in VARIANTS.items()}
VARIANTS["a2u_mini"] = MINI_KERNELS  # of the network that ships; up only as well

SAMPLERS: dict[str, Callable[[int], Sampler]] = {
    "nearest": partial(AveragePool, mode="nearest"),
    "bilinear": partial(AveragePool, mode="bilinear"),
    "deconvolution": Deconvolution,
    "pixel_shuffle": PixelShuffle,
    "max_unpool": MaxUnpool,
    "carafe": Carafe,
    "index_holistic": partial(IndexNetwork, kind="holistic"),
    "index_o2o": partial(IndexNetwork, kind="o2o"),
    "index_m2o": partial(IndexNetwork, kind="m2o"),
    **{name: partial(Affinity, config=config) for name, config in VARIANTS.items()},
}
