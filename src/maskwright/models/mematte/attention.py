"""Attention to the tokens that routers keep, in the forms that training needs, section 3.2.

The dense form, after Rao et al., "DynamicViT", NeurIPS 2021, arXiv:2106.02034, Eq. (11), masks
keys instead of leaving them out, so that a gradient reaches the decision about every token.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-6


def attend_masked(
    qkv: Float[Tensor, "3 batch head token channel"], keep: Float[Tensor, "batch token"]
) -> Float[Tensor, "batch head token channel"]:
    """Return what every token reads from the kept ones and from itself.

    `a_ij = (exp(s_ij - max_j s_ij) M_ij + eps / N) / (sum_j exp(s_ij - max_j s_ij) M_ij + eps)`
    with `M_ij = keep_j`, `M_ii = 1`, in fp32 or finer. The routers learn through M.

    Args:
        qkv: Queries, keys and values.
        keep: 1 for kept tokens, 0 for others, with a straight-through gradient.
    """
    q, k, v = qkv
    tokens = keep.shape[1]
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    itself = torch.eye(tokens, dtype=torch.bool, device=keep.device)
    mask = torch.where(itself, 1.0, keep[:, None, :])[:, None]
    shares = (scores - scores.amax(-1, keepdim=True)).exp() * mask
    shares = (shares + EPSILON / tokens) / (shares.sum(-1, keepdim=True) + EPSILON)
    return shares.to(v.dtype) @ v


def attend_gathered(
    qkv: Float[Tensor, "3 batch head token channel"], keep: Float[Tensor, "batch token"]
) -> Float[Tensor, "batch head token channel"]:
    """Return what every token reads from the kept ones; cheaper than `attend_masked`.

    Kept tokens get the same value, up to its eps. The gradient of the routers is another one: it
    comes only through the blend of attention and LTRM, where a token that was not kept is judged
    by attention without itself among the keys. What keeping a token does for the *others* goes
    unseen. The gradients of all other parameters are the same, up to eps.

    Args:
        qkv: As in `attend_masked`.
        keep: As in `attend_masked`; no gradient reaches it.
    """
    read = torch.zeros_like(qkv[2])
    for image in range(keep.shape[0]):
        at = keep[image].nonzero()[:, 0]
        if len(at):
            q, k, v = qkv[:, image : image + 1]
            read[image] = F.scaled_dot_product_attention(q, k[:, :, at], v[:, :, at])[0]
    return read
