"""Random numbers of a batch that do not depend on how its images are dealt out.

All processes that train together share one random state, torch's on the CPU. A draw for images
takes a seed for every image of the whole batch from it, so that the state goes on alike everywhere,
and each image's numbers come from its own seed. What an image meets is thus the same in one process
or several, and in one part or several (`part_of_batch`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from maskwright.ops.processes import count, rank

# No context variable: torch computes gradients, and blocks anew for them, in threads of its own.
_part: tuple[int, int] | None = None


@contextmanager
def part_of_batch(first: int, whole: int) -> Iterator[None]:
    """Say which images of a batch are being computed, gradients included.

    Where nothing is said, each process has as many images at once as any other, in the order of
    processes.

    Args:
        first: Index of the first of them in the whole batch.
        whole: Images of the whole batch, over all processes and parts.
    """
    global _part
    before, _part = _part, (first, whole)
    try:
        yield
    finally:
        _part = before


def image_seeds(images: int) -> list[int]:
    """Return seeds for so many images, drawn from the state that all processes share."""
    first, whole = _part or (images * rank(), images * count())
    return torch.randint(2**62, (whole,))[first : first + images].tolist()


def generators(images: int, device: torch.device) -> list[torch.Generator]:
    """Return a source of random numbers for each image."""
    return [torch.Generator(device).manual_seed(seed) for seed in image_seeds(images)]


def uniform(like: Float[Tensor, "image ..."], *shape: int) -> Float[Tensor, "image ..."]:
    """Return numbers in [0, 1), of this shape for each image, drawn in fp32.

    Args:
        like: Has as many images, and lies where the numbers are wanted.
        shape: Of each image's numbers.
    """
    found = like.new_empty((len(like), *shape), dtype=torch.float32)
    for numbers, generator in zip(found, generators(len(like), like.device), strict=True):
        numbers.uniform_(generator=generator)
    return found


def drop(x: Float[Tensor, "image ..."], rate: float, *shape: int) -> Float[Tensor, "image ..."]:
    """Return x with parts of each image set to 0 at random, and scaled to keep its mean.

    Args:
        x: Of which parts are dropped.
        rate: Probability, 0 to less than 1.
        shape: For which parts of an image it is drawn, to be broadcast to its shape: (1, 1, 1)
            for an image as a whole, (channels, 1, 1) for channels.
    """
    kept = uniform(x, *shape) >= rate
    return x * (kept.to(x.dtype) / (1 - rate))
