"""MEMatte: a routed vision transformer and a detail decoder; ViTMatte, its teacher.

Paper: Lin et al., "Memory Efficient Matting with Adaptive Token Routing", AAAI 2025,
arXiv:2412.10702, section 3.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maskwright.errors import ShapeError, UsageError
from maskwright.models.mematte.config import Config
from maskwright.models.mematte.decoder import Decoder
from maskwright.models.mematte.encoder import Bottleneck, Encoded, Encoder, RoutedBlock
from maskwright.models.mematte.inputs import Inputs, read
from maskwright.models.mematte.limits import TOKEN_PX, Limits

ALIGN_PX = 32


class Trace(NamedTuple):
    """Alpha, and what led to it.

    Attributes:
        alpha: (batch, 1, height, width) in (0, 1).
        keep: bool (batch, global block, rows, columns of tokens), which tokens each global block
            attended to; rows and columns are those of the image filled up to `padded_size`.
    """

    alpha: Tensor
    keep: Tensor


class Training(NamedTuple):
    """What the losses need.

    Attributes:
        alpha: (batch, 1, height, width) in (0, 1).
        features: (batch, channel, rows, columns of tokens), as the decoder takes them: what the
            student's are compared to the teacher's by.
        keep: (batch, global block, rows, columns of tokens), 0 and 1 with the gradient of the
            routers' soft decisions, for the budget.
    """

    alpha: Tensor
    features: Tensor
    keep: Tensor


class MemoryEfficientMatting(nn.Module):
    """An image and its trimap in, alpha out.

    Attributes:
        limits: How much is computed at once outside training, without gradient.

    Args:
        encoder: Makes features and decides which tokens attend globally.
        decoder: Makes alpha from the features and the image.
        hinted: Both read local colour hints too.
    """

    def __init__(self, encoder: Encoder, decoder: Decoder, *, hinted: bool = False) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.hinted = hinted
        self.limits = Limits()

    @property
    def routers(self) -> int:
        """How many routers there are: one in every global block, none in a ViTMatte."""
        return sum(isinstance(block, RoutedBlock) for block in self.encoder.blocks)

    def forward(
        self,
        x: Float[Tensor, "batch 4 height width"],
        *,
        keep: Tensor | None = None,
        max_tokens: int | None = None,
    ) -> Float[Tensor, "batch 1 height width"]:
        """Return alpha in (0, 1), also where the trimap is known.

        Args:
            x: RGB, normalised with ImageNet's mean and deviation, and the trimap: 0 background,
                128/255 unknown, 1 foreground. Any size.
            keep: Decisions to follow instead of the routers', as `Trace.keep`.
            max_tokens: Tokens of an image that a global block may attend to; None: as in `limits`.

        Raises:
            ShapeError: If x or `keep` is of another shape.
            UsageError: If `keep` is given to a network without routers.
        """
        return self.trace(x, keep=keep, max_tokens=max_tokens).alpha

    def trace(
        self,
        x: Float[Tensor, "batch 4 height width"],
        *,
        keep: Tensor | None = None,
        max_tokens: int | None = None,
    ) -> Trace:
        """Return alpha and which tokens were sent to global attention; else as `forward`."""
        if self.training:
            alpha, _, chosen = self.forward_training(x, keep=keep)
            return Trace(alpha, chosen.bool())
        limits = self.limits
        if max_tokens is not None:
            limits = replace(limits, max_tokens=max_tokens)
        inputs = self._read(x)
        encoded = self._encode(inputs, limits, keep=keep)
        alpha = self.decoder.in_tiles(inputs, encoded.features, limits)
        return Trace(alpha, encoded.keep)

    def forward_training(
        self, x: Float[Tensor, "batch 4 height width"], *, keep: Tensor | None = None
    ) -> Training:
        """Return alpha of the whole image, the features, and the routers' random decisions.

        Raises:
            ShapeError: If x or `keep` is of another shape.
            UsageError: If `keep` is given to a network without routers.
        """
        inputs = self._read(x)
        features, chosen = self._encode(inputs, self.limits, keep=keep)
        height, width = padded_size(x.shape[2], x.shape[3])
        whole = inputs.window(slice(0, height), slice(0, width))
        alpha = self.decoder(whole, features)[:, :, : x.shape[2], : x.shape[3]]
        return Training(alpha, features, chosen)

    def features(
        self, x: Float[Tensor, "batch 4 height width"], *, keep: Tensor | None = None
    ) -> Float[Tensor, "batch channel rows columns"]:
        """Return what the decoder takes: of a teacher, what its student learns to make.

        Raises:
            ShapeError: If x or `keep` is of another shape.
            UsageError: If `keep` is given to a network without routers.
        """
        return self._encode(self._read(x), self.limits, keep=keep).features

    def _read(self, x: Tensor) -> Inputs:
        _check_image(x)
        return read(x, hinted=self.hinted)

    def _encode(self, inputs: Inputs, limits: Limits, *, keep: Tensor | None) -> Encoded:
        x = inputs.x
        height, width = padded_size(x.shape[2], x.shape[3])
        size = height // TOKEN_PX, width // TOKEN_PX
        if keep is not None:
            self._check_keep(keep, (x.shape[0], *size))
            keep = keep.to(x.device, x.dtype if self.training else torch.bool)
        return self.encoder(inputs, limits, size=size, keep=keep)

    def _check_keep(self, keep: Tensor, tokens: tuple[int, int, int]) -> None:
        if not self.routers:
            raise UsageError(
                "expected no keep for a network without routers, got one; leave it out"
            )
        expected = (tokens[0], self.routers, *tokens[1:])
        if tuple(keep.shape) != expected:
            raise ShapeError(
                f"expected keep of shape {expected} for this image, got {tuple(keep.shape)};"
                " record it with trace on an image of this size"
            )


def build(config: Config) -> MemoryEfficientMatting:
    """Return the network with fresh weights."""
    model = MemoryEfficientMatting(Encoder(config), Decoder(config), hinted=config.hints)
    model.apply(_initialise)
    nn.init.trunc_normal_(model.encoder.position, std=0.02)
    if model.encoder.trunk is not None:
        nn.init.zeros_(model.encoder.trunk.enter.weight)
    return model


def padded_size(height: int, width: int) -> tuple[int, int]:
    """Return the size to which an image is filled up with zeros.

    Not in the paper, but in the official code: if a side is not a multiple of 32, both grow, the
    other one by 32.
    """
    if height % ALIGN_PX == 0 and width % ALIGN_PX == 0:
        return height, width
    return height + ALIGN_PX - height % ALIGN_PX, width + ALIGN_PX - width % ALIGN_PX


def start_from_vitmatte(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a routed network starts from: all of a ViTMatte but its global positions.

    Routers and LTRMs start fresh: load with `strict=False`.

    Args:
        state: A ViTMatte of the same sizes, in our names (`build(config).state_dict()`, or from
            `convert`).
    """
    bottleneck = ".bottleneck.reduce.weight"
    blocks = [name.removesuffix(bottleneck) for name in state if name.endswith(bottleneck)]
    dropped = tuple(f"{block}.attention.relative." for block in blocks)
    return {name: value for name, value in state.items() if not name.startswith(dropped)}


def _initialise(module: nn.Module) -> None:
    """Initialise as the official code does; what is not named here, as torch does."""
    if isinstance(module, Bottleneck):
        for layer in (module.reduce, module.filter, module.expand):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(module.norm3.weight)  # the block starts as the identity
    elif isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def _check_image(x: Tensor) -> None:
    if x.ndim != 4 or x.shape[1] != 4 or min(x.shape[2:]) < 1:
        raise ShapeError(
            "expected images (batch, 4, height, width) of normalised RGB and trimap,"
            f" got {tuple(x.shape)}; join the two along the channels"
        )
