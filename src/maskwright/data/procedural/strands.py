"""Strands: thin tapered ribbons, drawn by the thousand."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from maskwright.data.procedural.layers import SHIFT, averaged, bands, fixed_point, over
from maskwright.data.procedural.noise import Size

SCALE = 4  # samples per pixel and axis; the thinnest strand is a quarter of a pixel wide


@dataclass(frozen=True)
class Strands:
    """Curves with their width and colour.

    Attributes:
        points: (x, y) in pixels, root first.
        widths_px: Width at each point.
        colours: RGB in [0, 1] of each strand at its root.
        tips: RGB in [0, 1] of each strand at its tip.
        opacity: Alpha of each strand at its root, in [0, 1].
        fade: Share of the opacity lost at the tip.
    """

    points: Float[np.ndarray, "n p 2"]
    widths_px: Float[np.ndarray, "n p"]
    colours: Float[np.ndarray, "n 3"]
    tips: Float[np.ndarray, "n 3"]
    opacity: Float[np.ndarray, " n"]
    fade: float = 0.0


def grow(
    roots: Float[np.ndarray, "n 2"],
    angles: Float[np.ndarray, "n p"],
    lengths_px: Float[np.ndarray, " n"],
    *,
    gravity: float = 0.0,
) -> Float[np.ndarray, "n p 2"]:
    """Return curves that leave `roots` and head for `angles`, pulled down ever more by gravity."""
    pull = gravity * np.linspace(0, 1, angles.shape[1])
    heading = np.stack([np.cos(angles), np.sin(angles) + pull], axis=-1)
    heading /= np.maximum(np.linalg.norm(heading, axis=-1, keepdims=True), 1e-6)
    steps = heading * (lengths_px / (angles.shape[1] - 1))[:, None, None]
    steps[:, 0] = 0
    return roots[:, None] + np.cumsum(steps, axis=1)


def ribbons(
    points: Float[np.ndarray, "n p 2"], widths_px: Float[np.ndarray, "n p"]
) -> Float[np.ndarray, "n 2*p 2"]:
    """Return each curve as the outline of a ribbon of the given widths."""
    along = np.gradient(points, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
    across = np.stack([-along[..., 1], along[..., 0]], -1) * widths_px[..., None] / 2
    return np.concatenate([points + across, (points - across)[:, ::-1]], axis=1)


def draw_strands(
    strands: Strands, size: Size, *, sheets: int = 3, pieces: int = 3
) -> Float[np.ndarray, "h w 4"]:
    """Return the strands as a layer: dealt to `sheets` that are laid over each other.

    Each strand is cut into `pieces` of constant colour. On one sheet the more opaque piece wins;
    between sheets alpha adds up as `1 - (1 - a)(1 - b)`.
    """
    stack = np.zeros((*size, 4), np.float32)
    count, length = strands.points.shape[:2]
    cuts = np.linspace(0, length - 1, pieces + 1).round().astype(int)
    shapes, paints = [], []
    for piece in range(pieces):
        at = slice(cuts[piece], cuts[piece + 1] + 1)
        outline = ribbons(strands.points[:, at], strands.widths_px[:, at])
        shapes.append(fixed_point(outline, SCALE))
        paints.append(_paint(strands, (piece + 0.5) / pieces))
    for top, end in bands(size, bytes_per_pixel=4 * SCALE**2):
        canvas = np.empty(((end - top) * SCALE, size[1] * SCALE, 4), np.uint8)
        here = [shape - np.array([0, top * SCALE << SHIFT], np.int32) for shape in shapes]
        for sheet in range(sheets):
            _draw_sheet(canvas, here, paints, chosen=range(sheet, count, sheets))
            over(averaged(canvas, (end - top, size[1])), stack[top:end])
    return stack


def _paint(strands: Strands, t: float) -> Float[np.ndarray, "n 4"]:
    """Return premultiplied colour and alpha, 0 to 255, of every strand at `t` of its length."""
    opacity = (strands.opacity * (1 - strands.fade * t))[:, None]
    colour = np.clip((1 - t) * strands.colours + t * strands.tips, 0, 1)
    return 255 * np.concatenate([colour * opacity, opacity], axis=-1)


def _draw_sheet(
    canvas: UInt8[np.ndarray, "H W 4"],
    shapes: list[np.ndarray],
    paints: list[np.ndarray],
    *,
    chosen: range,
) -> None:
    """Draw the chosen strands on a canvas wiped clean, the most opaque pieces last."""
    canvas.fill(0)
    reach = [_is_within(shape[..., 1], canvas.shape[0]) for shape in shapes]
    parts = [(p, n) for p in range(len(shapes)) for n in chosen if reach[p][n]]
    parts.sort(key=lambda part: paints[part[0]][part[1], 3])
    for p, n in parts:
        cv2.fillPoly(canvas, [shapes[p][n]], paints[p][n].tolist(), shift=SHIFT)


def _is_within(y: Int[np.ndarray, "n q"], rows: int) -> Bool[np.ndarray, " n"]:
    """Return which outlines come near a canvas of so many rows."""
    return (y.max(axis=1) >= -1 << SHIFT) & (y.min(axis=1) <= (rows + 1) << SHIFT)
