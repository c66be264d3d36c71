"""Layers of premultiplied colour: shapes filled, stacked, and taken apart into colour and alpha.

A layer is float32 (h, w, 4): red, green, blue times alpha, then alpha, all in [0, 1].
Shapes are drawn at a multiple of the size and averaged, which is what a sensor does to an edge;
large pictures in bands of rows, for the enlarged canvas is what takes the memory.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from maskwright.data.procedural.noise import Size, fractal

SHIFT = 4  # fractional bits of the coordinates that OpenCV draws with
CANVAS_BYTES = 2**27  # of an enlarged canvas; a picture that fits is one band


def bands(size: Size, *, bytes_per_pixel: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the end of each band whose canvas fits into `CANVAS_BYTES`."""
    rows = max(16, CANVAS_BYTES // (bytes_per_pixel * size[1]))
    for top in range(0, size[0], rows):
        yield top, min(top + rows, size[0])


def fixed_point(points: Float[np.ndarray, "*n 2"], scale: int) -> np.ndarray:
    """Return points in pixels, corner origin, as the fixed-point samples that OpenCV wants."""
    return np.round((points * scale - 0.5) * 2**SHIFT).astype(np.int32)


def filled(
    polygon: Float[np.ndarray, "n 2"], size: Size, *, scale: int = 4
) -> Float[np.ndarray, "h w"]:
    """Return the share of each pixel that lies in the polygon, in steps of 1/scale²."""
    share = np.empty(size, np.float32)
    for top, end in bands(size, bytes_per_pixel=scale**2):
        canvas = np.zeros(((end - top) * scale, size[1] * scale), np.uint8)
        outline = fixed_point(polygon - [0, top], scale)
        cv2.fillPoly(canvas, [outline], 255, shift=SHIFT)
        share[top:end] = averaged(canvas, (end - top, size[1]))
    return share


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
    stack = np.empty((*alpha.shape, 4), np.float32)
    stack[..., 3] = np.clip(alpha, 0, 1)
    np.clip(colour, 0, 1, out=stack[..., :3], casting="same_kind")
    stack[..., :3] *= stack[..., 3:]
    return stack


def over(
    top: Float[np.ndarray, "h w 4"], bottom: Float[np.ndarray, "h w 4"]
) -> Float[np.ndarray, "h w 4"]:
    """Return `top` laid over `bottom` (Porter and Duff, 1984), in the place of `bottom`."""
    bottom *= 1 - top[..., 3:]
    bottom += top
    return bottom


def lit(rng: np.random.Generator, stack: Float[np.ndarray, "h w 4"]) -> Float[np.ndarray, "h w 4"]:
    """Return the layer with soft light and shade on its colour, in its own place."""
    size = (stack.shape[0], stack.shape[1])
    light = rng.uniform(0.6, 0.9) + rng.uniform(0.2, 0.9) * fractal(rng, size, 3.0, octaves=3)
    stack[..., :3] *= light[..., None]
    return np.minimum(stack, stack[..., 3:], out=stack)


def spread_colour(stack: Float[np.ndarray, "h w 4"]) -> Float[np.ndarray, "h w 3"]:
    """Return the colour alone, in [0, 1], carried on smoothly to where alpha is small or 0."""
    alpha = stack[..., 3:]
    height, width = stack.shape[:2]
    if min(height, width) < 4:
        mean = stack.sum((0, 1), keepdims=True)
        around = np.empty_like(stack[..., :3])
        around[:] = mean[..., :3] / np.maximum(mean[..., 3:], 1e-4)
    else:
        half = cv2.resize(stack, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        around = cv2.resize(spread_colour(half), (width, height), interpolation=cv2.INTER_LINEAR)
    # Own colour stack / alpha, trusted by min(1, 4 alpha): the quotient of both has no pole at 0.
    own = stack[..., :3] * np.minimum(4, 1 / np.maximum(alpha, 1e-4))
    around *= 1 - np.minimum(1, 4 * alpha)
    own += around
    return np.minimum(own, 1, out=own)
