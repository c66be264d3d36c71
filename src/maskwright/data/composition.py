"""What a training sample is, and the two formulas that make one: two things as one, one on a scene.

The augmentations of MEMatte (Lin et al., "Memory Efficient Matting with Adaptive Token Routing",
AAAI 2025, arXiv:2412.10702) and A2U matting (Dai et al., "Learning Affinity-Aware Upsampling for
Deep Image Matting", CVPR 2021, arXiv:2011.14288) are built from steps on this `Sample`.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32, Num, UInt8

from maskwright.data.foreground import Foreground

NEAREST = (cv2.INTER_NEAREST,)
ANY_INTERPOLATION = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


@dataclass(frozen=True)
class Sample:
    """One foreground on its way to a composite. Sizes agree once the background is fitted.

    Attributes:
        foreground: RGB, 0 to 255; float32 (and perhaps slightly outside) after the jitter.
        alpha: Nominally in [0, 1]; cubic and Lanczos resizing overshoot until `composite` clips.
        background: RGB, 0 to 255, of any size before `transforms.crop`.
        trimap: 0 background, 128 unknown, 255 foreground, once computed.
        image: RGB, 0 to 255, once composited.
    """

    foreground: Num[np.ndarray, "h w 3"]
    alpha: Float32[np.ndarray, "h w"]
    background: Num[np.ndarray, "background_h background_w 3"]
    trimap: UInt8[np.ndarray, "h w"] | None = None
    image: Float32[np.ndarray, "h w 3"] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the foreground, in pixels."""
        return self.alpha.shape[0], self.alpha.shape[1]


def pick(rng: np.random.Generator, interpolations: tuple[int, ...]) -> int:
    """Return one of the OpenCV interpolations, all equally likely."""
    return interpolations[rng.integers(len(interpolations))]


def joined(
    sample: Sample,
    second: Foreground,
    rng: np.random.Generator,
    *,
    interpolations: tuple[int, ...],
    weighted: bool,
) -> Sample:
    """Return the sample with a second foreground behind its own, as one thing.

    Its alpha is `1 - (1 - a)(1 - b)`. Its colour is `a F + (1 - a) G` (MEMatte) or, weighted,
    `(a F + (1 - a) b G) / (alpha + 1e-5)` (A2U), truncated to 8 bits. Nothing changes where the
    two would cover every pixel.

    Args:
        sample: The first foreground, F and a.
        second: G and b; resized to the first's size.
        rng: Draws one interpolation for G, then one for b.
        interpolations: OpenCV interpolations to draw from.
        weighted: Whether b weighs G, as in A2U.

    Returns:
        The joint foreground and alpha; the rest as it was.
    """
    size = sample.size[::-1]
    behind = cv2.resize(second.colour, size, interpolation=pick(rng, interpolations))
    alpha_behind = cv2.resize(second.alpha, size, interpolation=pick(rng, interpolations))
    alpha = 1 - (1 - sample.alpha) * (1 - alpha_behind)
    if not (alpha < 1).any():
        return sample
    front = sample.alpha[..., None]
    if weighted:
        colour = sample.foreground * front + behind * ((1 - front) * alpha_behind[..., None])
        colour /= alpha[..., None] + np.float32(1e-5)
    else:
        colour = sample.foreground * front + behind * (1 - front)
    return replace(sample, foreground=np.clip(colour, 0, 255).astype(np.uint8), alpha=alpha)


def composite(sample: Sample) -> Sample:
    """Return the sample with its image `I = a F + (1 - a) B`, after clipping a, F and B."""
    alpha = np.clip(sample.alpha, 0, 1)
    foreground = np.clip(sample.foreground, 0, 255).astype(np.float32)
    background = np.clip(sample.background, 0, 255).astype(np.float32)
    share = alpha[..., None]
    return replace(
        sample,
        foreground=foreground,
        alpha=alpha,
        background=background,
        image=share * foreground + (1 - share) * background,
    )
