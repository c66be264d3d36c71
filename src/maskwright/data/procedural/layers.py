"""Layers of premultiplied colour: shapes filled, stacked, and taken apart into colour and alpha.

A layer is float32 (h, w, 4): red, green, blue times alpha, then alpha, all in [0, 1].
Shapes are drawn at a multiple of the size and averaged, which is what a sensor does to an edge.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from maskwright.data.procedural.noise import Size, fractal

SHIFT = 4  # fractional bits of the coordinates that OpenCV draws with


def fixed_point(points: Float[np.ndarray, "*n 2"], scale: int) -> np.ndarray:
    """Return points in pixels, corner origin, as the fixed-point samples that OpenCV wants."""
    return np.round((points * scale - 0.5) * 2**SHIFT).astype(np.int32)


def filled(
    polygon: Float[np.ndarray, "n 2"], size: Size, *, scale: int = 4
) -> Float[np.ndarray, "h w"]:
    """Return the share of each pixel that lies in the polygon, in steps of 1/scale²."""
    canvas = np.zeros((size[0] * scale, size[1] * scale), np.uint8)
    cv2.fillPoly(canvas, [fixed_point(polygon, scale)], 255, shift=SHIFT)
    return averaged(canvas, size)


def averaged(canvas: UInt8[np.ndarray, "H W *c"], size: Size) -> Float[np.ndarray, "h w *c"]:
    """Return the canvas, once, twice or four times as large, averaged to `size`, in [0, 1]."""
    while canvas.shape[0] > size[0]:  # halving is far faster than one step by four
        half = (canvas.shape[1] // 2, canvas.shape[0] // 2)
        canvas = cv2.resize(canvas, half, interpolation=cv2.INTER_AREA)
    return canvas.astype(np.float32) / np.float32(255)


def layer(
    colour: Float[np.ndarray, "h w 3"] | Float[np.ndarray, "3"], alpha: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w 4"]:
    """Return colour and alpha as one premultiplied layer."""
    alpha = np.clip(alpha, 0, 1).astype(np.float32)
    return np.dstack([np.clip(colour, 0, 1) * alpha[..., None], alpha]).astype(np.float32)


def over(
    top: Float[np.ndarray, "h w 4"], bottom: Float[np.ndarray, "h w 4"]
) -> Float[np.ndarray, "h w 4"]:
    """Return `top` laid over `bottom` (Porter and Duff, 1984)."""
    below = bottom * (1 - top[..., 3:])
    below += top
    return below


def lit(rng: np.random.Generator, stack: Float[np.ndarray, "h w 4"]) -> Float[np.ndarray, "h w 4"]:
    """Return the layer with soft bands of light and shade on its colour; alpha stays."""
    size = (stack.shape[0], stack.shape[1])
    light = rng.uniform(0.6, 0.9) + rng.uniform(0.2, 0.9) * fractal(rng, size, 3.0, octaves=3)
    colour = np.minimum(stack[..., :3] * light[..., None], stack[..., 3:])
    return np.dstack([colour, stack[..., 3]]).astype(np.float32)


def spread_colour(stack: Float[np.ndarray, "h w 4"]) -> Float[np.ndarray, "h w 3"]:
    """Return the colour alone, in [0, 1], carried on smoothly to where alpha is small or 0."""
    alpha = stack[..., 3:]
    height, width = stack.shape[:2]
    if min(height, width) < 4:
        mean = stack.sum((0, 1), keepdims=True)
        around = np.broadcast_to(
            mean[..., :3] / np.maximum(mean[..., 3:], 1e-4), stack[..., :3].shape
        )
    else:
        half = cv2.resize(stack, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        around = cv2.resize(spread_colour(half), (width, height), interpolation=cv2.INTER_LINEAR)
    # Own colour stack / alpha, trusted by min(1, 4 alpha): the quotient of both has no pole at 0.
    own = stack[..., :3] * np.minimum(4, 1 / np.maximum(alpha, 1e-4))
    own += (1 - np.minimum(1, 4 * alpha)) * around
    return np.minimum(own, 1)
