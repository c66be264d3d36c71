"""The papers' augmentations, in order: MEMatte's and A2U's, as plain parameters of one function."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from maskwright.data.composition import (
    ANY_INTERPOLATION,
    NEAREST,
    Sample,
    composite,
    joined,
)
from maskwright.data.foreground import Foreground
from maskwright.data.transforms import (
    cropped,
    deformed,
    jittered,
    mirrored,
    squared,
    with_background_cut,
    with_background_stretched,
)
from maskwright.data.trimaps import random_trimap


@dataclass(frozen=True)
class Augmentation:
    """What a paper's data pipeline does; `MEMATTE` and `A2U` are the published ones.

    Attributes:
        interpolations: OpenCV interpolations that each resize and warp draws from.
        joint_probability: How often a second foreground is put behind the first.
        joint_weighted: Whether the second's alpha weighs its colour.
        square_probability: How often foreground and alpha become a square of `square_px`.
        square_px: Side of that square.
        extra_flip: Whether half the samples are mirrored once more, after the affine map.
        trimap_px: Side of the square on which the trimap is made; None is full resolution.
        random_background: Whether the scene is drawn anew instead of being the sample's own.
        stretch_background: Whether the scene is stretched to the foreground's size, else cut.
        crop_px: Side of the training crop.
        crop_stride_px: Step between the unknown pixels that a crop may be centred on.
    """

    interpolations: tuple[int, ...]
    joint_weighted: bool
    extra_flip: bool
    trimap_px: int | None
    random_background: bool
    stretch_background: bool
    crop_stride_px: int
    crop_px: int = 512
    joint_probability: float = 0.5
    square_probability: float = 0.25
    square_px: int = 640


MEMATTE = Augmentation(
    interpolations=ANY_INTERPOLATION,
    joint_weighted=False,
    extra_flip=False,
    trimap_px=640,
    random_background=False,
    stretch_background=True,
    crop_stride_px=4,
)
A2U = Augmentation(
    interpolations=NEAREST,
    joint_weighted=True,
    extra_flip=True,
    trimap_px=None,
    random_background=True,
    stretch_background=False,
    crop_stride_px=1,
)


def augment(
    sample: Sample,
    rng: np.random.Generator,
    *,
    plan: Augmentation,
    second: Callable[[np.random.Generator], Foreground],
) -> Sample:
    """Return the sample composited and cropped as the plan says.

    Args:
        sample: Foreground, alpha and background as read.
        rng: Every random draw, so that equal generators give equal samples.
        plan: Which steps, how often, with what parameters.
        second: Returns another foreground; called only when one is wanted.

    Returns:
        The sample with image and trimap, `plan.crop_px` by `plan.crop_px`.
    """
    ways = plan.interpolations
    if rng.random() < plan.joint_probability:
        other = second(rng)
        sample = joined(sample, other, rng, interpolations=ways, weighted=plan.joint_weighted)
    if rng.random() < plan.square_probability:
        sample = squared(sample, rng, side_px=plan.square_px, interpolations=ways)
    sample = deformed(sample, rng, interpolations=ways)
    if plan.extra_flip and rng.random() < 0.5:
        sample = mirrored(sample)
    trimap = random_trimap(sample.alpha, rng, side_px=plan.trimap_px, interpolations=ways)
    sample = replace(sample, trimap=trimap)
    sample = (
        with_background_stretched(sample, rng, interpolations=ways)
        if plan.stretch_background
        else with_background_cut(sample)
    )
    sample = cropped(
        sample,
        rng,
        side_px=plan.crop_px,
        stride_px=plan.crop_stride_px,
        interpolations=ways,
    )
    return composite(jittered(sample, rng))


def tensors(sample: Sample) -> dict[str, Tensor]:
    """Return a composited sample as float32 tensors (channel, h, w).

    Keys: image, foreground, background (3 channels, RGB in [0, 1]), alpha (1, in [0, 1]),
    trimap (1; 0, 128, 255), unknown (1; 1 where the trimap is 128).
    """
    assert sample.image is not None and sample.trimap is not None
    unknown = (sample.trimap == 128).astype(np.float32)
    return {
        "image": _colour(sample.image),
        "foreground": _colour(sample.foreground),
        "background": _colour(sample.background),
        "alpha": torch.from_numpy(sample.alpha)[None],
        "trimap": torch.from_numpy(sample.trimap.astype(np.float32))[None],
        "unknown": torch.from_numpy(unknown)[None],
    }


def _colour(pixels: Float32[np.ndarray, "h w 3"]) -> Float32[Tensor, "3 h w"]:
    channels_first = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return torch.from_numpy(channels_first) / 255
