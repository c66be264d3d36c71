"""The router: which tokens are worth global attention, section 3.2 (local-global router)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.layers.vit import strips


class Router(nn.Module):
    """Score each token by its own features and the mean of all tokens.

    Always in fp32: the decision is hard, and a rounding error can send a token the other way.

    Args:
        channels: Channels of a token; a multiple of four.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.norm = nn.LayerNorm(channels)
        self.enter = nn.Linear(channels, channels)
        self.mix = nn.Linear(channels, half)
        self.narrow = nn.Linear(half, half // 2)
        self.leave = nn.Linear(half // 2, 2)

    def forward(
        self, x: Float[Tensor, "batch height width channel"], rows: int | None = None
    ) -> Float[Tensor, "batch height width 2"]:
        """Return the log-probabilities of global attention (0) and of the LTRM (1).

        The first layer after the mean is split in two: what it makes of a token's own half, and
        of the mean, once per image.

        Args:
            x: Tokens as they enter the block, not normalised.
            rows: Rows of tokens computed at once.
        """
        with torch.autocast(x.device.type, enabled=False):
            own, overall = self.mix.weight.float().chunk(2, 1)
            parts, total = [], x.new_zeros((), dtype=torch.float32)
            for strip in strips(x.shape[1], rows):
                local, rest = self._enter(x[:, strip].float()).chunk(2, -1)
                parts.append(F.linear(local, own))
                total = total + rest.sum((1, 2))
            mean = total / (x.shape[1] * x.shape[2])
            shift = F.linear(mean, overall, self.mix.bias.float())[:, None, None]
            return torch.cat([self._score(part + shift) for part in parts], 1)

    def _enter(self, x: Tensor) -> Tensor:
        norm = self.norm
        x = F.layer_norm(x, norm.normalized_shape, norm.weight.float(), norm.bias.float(), norm.eps)
        return F.gelu(_linear(self.enter, x))

    def _score(self, x: Tensor) -> Tensor:
        x = F.gelu(_linear(self.narrow, F.gelu(x)))
        return _linear(self.leave, x).log_softmax(-1)


def choose(
    scores: Float[Tensor, "batch height width 2"], max_tokens: int | None
) -> Bool[Tensor, "batch height width"]:
    """Return the tokens that are sent to global attention: score 0 above score 1.

    Args:
        scores: Of the router.
        max_tokens: At most so many of an image, those that score highest.
    """
    margin = (scores[..., 0] - scores[..., 1]).flatten(1)
    keep = margin > 0
    if max_tokens is not None and max_tokens < margin.shape[1]:
        highest = margin.topk(max_tokens, sorted=False).indices
        keep &= torch.zeros_like(keep).scatter_(1, highest, True)
    return keep.unflatten(1, scores.shape[1:3])


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    return F.linear(x, layer.weight.float(), layer.bias.float())
