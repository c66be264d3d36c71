"""The geometric and colour steps of both papers' augmentations, each a function of a sample."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float64

from maskwright.data.composition import Sample, pick

LARGE_PX = 1024  # images smaller than this are not rotated
FEW = 10  # unknown pixels; with fewer to choose from, the crop lies anywhere


def squared(
    sample: Sample, rng: np.random.Generator, *, side_px: int, interpolations: tuple[int, ...]
) -> Sample:
    """Return the sample with foreground and alpha resized to a square."""
    side = (side_px, side_px)
    return replace(
        sample,
        foreground=cv2.resize(sample.foreground, side, interpolation=pick(rng, interpolations)),
        alpha=cv2.resize(sample.alpha, side, interpolation=pick(rng, interpolations)),
    )


@dataclass(frozen=True)
class Affine:
    """A random turn, stretch, shear and flip.

    Attributes:
        rotation: In radians.
        shear: In radians.
        scale: Along x and y; above 1 enlarges.
        flip: -1 mirrors, 1 does not; along x and y.
    """

    rotation: float
    shear: float
    scale: tuple[float, float]
    flip: tuple[int, int]


def draw_affine(rng: np.random.Generator, size: tuple[int, int]) -> Affine:
    """Return a rotation in ±30° (large images only), shear in ±10°, scales in 0.8 to 1.25."""
    degrees = rng.uniform(-30, 30)
    return Affine(
        rotation=math.radians(degrees) if max(size) >= LARGE_PX else 0.0,
        shear=math.radians(rng.uniform(-10, 10)),
        scale=(rng.uniform(0.8, 1.25), rng.uniform(0.8, 1.25)),
        flip=(1 - 2 * int(rng.integers(2)), 1 - 2 * int(rng.integers(2))),
    )


def inverse_matrix(affine: Affine, size: tuple[int, int]) -> Float64[np.ndarray, "2 3"]:
    """Return the matrix from a pixel of the result to the pixel it is read from.

    With k = flip / scale, angle t, shear s and d = cos(t + s) cos t + sin(t + s) sin t, it is
    `[kx cos t, kx sin(t + s); -ky sin t, ky cos(t + s)] / d` about the point half a pixel beyond
    the middle of `size`.
    """
    t, s = affine.rotation, affine.shear
    kx, ky = (flip / scale for flip, scale in zip(affine.flip, affine.scale, strict=True))
    determinant = math.cos(t + s) * math.cos(t) + math.sin(t + s) * math.sin(t)
    turn = np.array([
        [kx * math.cos(t), kx * math.sin(t + s)],
        [-ky * math.sin(t), ky * math.cos(t + s)],
    ])
    turn /= determinant
    centre = np.array([size[1] / 2 + 0.5, size[0] / 2 + 0.5])
    return np.column_stack([turn, centre - turn @ centre])


def deformed(
    sample: Sample, rng: np.random.Generator, *, interpolations: tuple[int, ...]
) -> Sample:
    """Return the sample with foreground and alpha under one random affine map, zero outside."""
    height, width = sample.size
    matrix = inverse_matrix(draw_affine(rng, sample.size), sample.size)

    def warped(array: np.ndarray) -> np.ndarray:
        flags = pick(rng, interpolations) | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(array, matrix, (width, height), flags=flags)

    return replace(sample, foreground=warped(sample.foreground), alpha=warped(sample.alpha))


def mirrored(sample: Sample) -> Sample:
    """Return the sample with foreground and alpha mirrored left to right."""
    return replace(
        sample,
        foreground=np.ascontiguousarray(sample.foreground[:, ::-1]),
        alpha=np.ascontiguousarray(sample.alpha[:, ::-1]),
    )


def with_background_stretched(
    sample: Sample, rng: np.random.Generator, *, interpolations: tuple[int, ...]
) -> Sample:
    """Return the sample with its background resized to the foreground's size, aspect not kept."""
    size = sample.size[::-1]
    scene = cv2.resize(sample.background, size, interpolation=pick(rng, interpolations))
    return replace(sample, background=scene)


def with_background_cut(sample: Sample) -> Sample:
    """Return the sample with the top left of its background, enlarged only if it is too small."""
    height, width = sample.size
    scene = sample.background
    ratio = max(height / scene.shape[0], width / scene.shape[1])
    if ratio > 1:
        size = (math.ceil(scene.shape[1] * ratio), math.ceil(scene.shape[0] * ratio))
        scene = cv2.resize(scene, size, interpolation=cv2.INTER_CUBIC)
    return replace(sample, background=scene[:height, :width])


def cropped(
    sample: Sample,
    rng: np.random.Generator,
    *,
    side_px: int,
    stride_px: int,
    interpolations: tuple[int, ...],
) -> Sample:
    """Return a square of the sample, centred on a random unknown pixel.

    A sample not larger than the square is enlarged first, to 1.1 times its side. With fewer
    than ten unknown pixels to choose from the square lies anywhere; without any in the whole
    trimap, all of the sample is resized to the square.

    Args:
        sample: With trimap, and a background of the foreground's size.
        rng: Draws interpolations, then the place.
        side_px: Side of the square.
        stride_px: The unknown pixels looked at: every one (1, A2U) or every fourth per axis on a
            trimap reduced by nearest neighbour (4, MEMatte).
        interpolations: OpenCV interpolations to draw from; the trimap always uses the nearest.

    Returns:
        The sample, `side_px` by `side_px`.
    """
    if min(sample.size) <= side_px:
        ratio = 1.1 * side_px / min(sample.size)
        height, width = (int(side * ratio) for side in sample.size)
        sample = _resized(sample, rng, size=(height, width), interpolations=interpolations)
    trimap = sample.trimap
    assert trimap is not None
    if not bool(np.any(trimap == 128)):
        return _resized(sample, rng, size=(side_px, side_px), interpolations=interpolations)
    top, left = _corner(trimap, rng, side_px=side_px, stride_px=stride_px)
    window = np.s_[top : top + side_px, left : left + side_px]
    return Sample(
        foreground=sample.foreground[window],
        alpha=sample.alpha[window],
        background=sample.background[window],
        trimap=trimap[window],
    )


def _resized(
    sample: Sample,
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    interpolations: tuple[int, ...],
) -> Sample:
    def scaled(array: np.ndarray, interpolation: int) -> np.ndarray:
        return cv2.resize(array, size[::-1], interpolation=interpolation)

    assert sample.trimap is not None
    return Sample(
        foreground=scaled(sample.foreground, pick(rng, interpolations)),
        alpha=scaled(sample.alpha, pick(rng, interpolations)),
        background=scaled(sample.background, pick(rng, interpolations)),
        trimap=scaled(sample.trimap, cv2.INTER_NEAREST),
    )


def _corner(
    trimap: np.ndarray, rng: np.random.Generator, *, side_px: int, stride_px: int
) -> tuple[int, int]:
    """Return row and column of the square's corner; its middle is unknown where that can be."""
    height, width = trimap.shape
    margin = side_px // 2
    small = (width // stride_px, height // stride_px)
    reduced = cv2.resize(trimap, small, interpolation=cv2.INTER_NEAREST)
    inner = reduced[
        margin // stride_px : (height - margin) // stride_px,
        margin // stride_px : (width - margin) // stride_px,
    ]
    unknown = np.argwhere(inner == 128)
    if len(unknown) < FEW:
        top = rng.integers(height - side_px + 1)
        left = rng.integers(width - side_px + 1)
        return int(top), int(left)
    row, column = unknown[rng.integers(len(unknown))] * stride_px
    return int(row), int(column)


def jittered(sample: Sample, rng: np.random.Generator) -> Sample:
    """Return the sample with hue, saturation and value of its foreground shifted at random.

    Hue turns by a whole number of degrees in [-40, 40). Saturation and value move by
    `U(-1, 1) (1.1 - mean) / 10`, the mean being over alpha > 0; what leaves [0, 1] is reflected.
    """
    visible = sample.alpha > 0
    if not visible.any():
        return sample
    colour = sample.foreground.astype(np.float32) / np.float32(255)
    hue, saturation, value = cv2.split(cv2.cvtColor(colour, cv2.COLOR_RGB2HSV))
    turned = np.mod(hue + rng.integers(-40, 40), 360).astype(np.float32)
    shifted = [_shifted(channel, visible, rng) for channel in (saturation, value)]
    back = cv2.cvtColor(cv2.merge([turned, *shifted]), cv2.COLOR_HSV2RGB)
    return replace(sample, foreground=back * np.float32(255))


def _shifted(channel: np.ndarray, visible: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mean = float(channel[visible].mean())
    moved = np.abs(channel + np.float32(rng.uniform(-1, 1) * (1.1 - mean) / 10))
    return np.where(moved > 1, 2 - moved, moved)
