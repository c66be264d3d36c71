"""Lace, nets and webs."""

import math

import cv2
import numpy as np
from jaxtyping import Float

from maskwright.data.procedural import layers, shapes
from maskwright.data.procedural.noise import (
    Size,
    detail,
    fractal,
    noise_bands,
    random_colour,
    smooth_noise,
    texture,
)
from maskwright.data.procedural.strands import Strands, draw_strands

Layer = Float[np.ndarray, "h w 4"]
_SCALE = 2  # samples per pixel and axis of the repeated tile


def lace(rng: np.random.Generator, size: Size) -> Layer:
    """Return a piece of lace: two repeated thread motifs with holes, a hem, sometimes tulle."""
    cell = min(size) * rng.uniform(0.035, 0.12)
    fine = detail(size) ** 0.5
    ground = _repeated(rng, _tile(rng, cell, thread_px=fine * rng.uniform(0.7, 2.0)), size)
    wide = cell * rng.uniform(2, 4)
    motif = _repeated(rng, _tile(rng, wide, thread_px=fine * rng.uniform(2, 5)), size)
    tulle = rng.uniform(0.0, 0.25) if rng.random() < 0.5 else 0.0
    cloth = 1 - (1 - ground * rng.uniform(0.6, 1)) * (1 - motif * rng.uniform(0.85, 1))
    cloth = 1 - (1 - cloth) * (1 - tulle)

    outline = _scalloped(rng, size)
    shape = layers.filled(outline, size)
    relief = cv2.GaussianBlur(cloth, (0, 0), 1.2)
    white = random_colour(rng, saturation=rng.choice([0.15, 1.0]))
    white = white if rng.random() < 0.4 else 0.5 + 0.5 * white
    shade = 0.45 + 0.35 * relief + 0.45 * fractal(rng, size, 4.0, octaves=6, gain=0.6)
    stack = layers.layer(white * shade[..., None], cloth * shape)
    return layers.over(_hem(rng, outline, white, size), stack)


def _tile(
    rng: np.random.Generator, cell_px: float, *, thread_px: float
) -> Float[np.ndarray, "t t"]:
    """Return one period of a motif, drawn so that it joins itself on every side.

    In half the cases the first curve, when closed, is filled with dense stitches.
    """
    side = max(8, round(cell_px * _SCALE))
    canvas = np.zeros((3 * side, 3 * side), np.uint8)
    curves = _MOTIFS[rng.integers(len(_MOTIFS))](rng)
    places = [[c, r] for r in range(-1, 4) for c in range(-1, 4)]
    drawn = [[layers.fixed_point((curve + at) * side, 1) for at in places] for curve in curves]
    if rng.random() < 0.5 and np.allclose(curves[0][0], curves[0][-1]):
        cv2.fillPoly(canvas, drawn[0], rng.uniform(120, 255), cv2.LINE_AA, layers.SHIFT)
    thick = max(1, round(thread_px * _SCALE))
    for lines in drawn:
        cv2.polylines(canvas, lines, False, 255, thick, cv2.LINE_AA, layers.SHIFT)
    return canvas[side : 2 * side, side : 2 * side].astype(np.float32) / 255


def _circle(x: float, y: float, radius: float, lobes: int = 0, depth: float = 0.0) -> np.ndarray:
    theta = np.linspace(0, 2 * np.pi, 48)
    r = radius * (1 + depth * np.cos(lobes * theta))
    return np.stack([x + r * np.cos(theta), y + r * np.sin(theta)], -1)


def _flowers(rng: np.random.Generator) -> list[np.ndarray]:
    petals = int(rng.integers(4, 9))
    curves = [_circle(0.5, 0.5, 0.36, petals, 0.35), _circle(0.5, 0.5, rng.uniform(0.06, 0.14))]
    return [
        *curves,
        _circle(0.0, 0.0, 0.14),
        np.array([[0.0, 0.0], [0.3, 0.3]]),
        np.array([[1.0, 0.0], [0.0, 1.0]]),
    ]


def _honeycomb(rng: np.random.Generator) -> list[np.ndarray]:
    """Return hexagons of side 1/3: two zigzags and the two upright edges between them."""
    return [
        np.array([[0.0, 1 / 6], [0.5, 0.0], [1.0, 1 / 6]]),
        np.array([[0.0, 1 / 2], [0.5, 2 / 3], [1.0, 1 / 2]]),
        np.array([[0.0, 1 / 6], [0.0, 1 / 2]]),
        np.array([[0.5, 2 / 3], [0.5, 1.0]]),
    ]


def _rings(rng: np.random.Generator) -> list[np.ndarray]:
    radius = rng.uniform(0.3, 0.55)
    return [_circle(0.0, 0.0, radius), _circle(0.5, 0.5, radius), _circle(0.5, 0.5, radius / 2)]


def _diamonds(rng: np.random.Generator) -> list[np.ndarray]:
    lines = [np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])]
    return [
        *lines,
        _circle(0.5, 0.5, rng.uniform(0.05, 0.2)),
        _circle(0.0, 0.0, rng.uniform(0.05, 0.2)),
    ]


_MOTIFS = (_flowers, _honeycomb, _rings, _diamonds)


def _repeated(
    rng: np.random.Generator, tile: Float[np.ndarray, "t t"], size: Size
) -> Float[np.ndarray, "h w"]:
    """Return the tile repeated over the plane, turned and softly folded."""
    big = (size[0] * _SCALE, size[1] * _SCALE)
    angle, fold = rng.uniform(0, np.pi), min(big) * rng.uniform(0.0, 0.12)
    cos, sin, side = math.cos(angle), math.sin(angle), tile.shape[0]
    across, down = noise_bands(rng, big, 3.0), noise_bands(rng, big, 3.0)
    wrapped = np.pad(tile, ((0, 1), (0, 1)), mode="wrap")
    repeated = np.empty(size, np.float32)
    x = np.arange(big[1], dtype=np.float32)
    for top, end in layers.bands(size, bytes_per_pixel=4 * 4 * _SCALE**2):
        rows = (top * _SCALE, end * _SCALE)
        y = np.arange(*rows, dtype=np.float32)[:, None]
        u = np.mod(x * cos - y * sin + fold * across(*rows), side)
        v = np.mod(x * sin + y * cos + fold * down(*rows), side)
        pattern = cv2.remap(wrapped, u, v, cv2.INTER_LINEAR)
        band = (size[1], end - top)
        repeated[top:end] = cv2.resize(pattern, band, interpolation=cv2.INTER_AREA)
    return repeated


def _scalloped(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "n 2"]:
    outline = shapes.blob(rng, size, radius=rng.uniform(0.3, 0.42), roughness=0.15)
    middle = outline.mean(0)
    wave = 1 + rng.uniform(0.01, 0.04) * np.abs(
        np.sin(np.linspace(0, np.pi * rng.integers(15, 50), len(outline)))
    )
    return middle + (outline - middle) * wave[:, None]


def _hem(
    rng: np.random.Generator,
    outline: Float[np.ndarray, "n 2"],
    colour: Float[np.ndarray, "3"],
    size: Size,
) -> Layer:
    closed = np.concatenate([outline, outline[:1]])[None]
    tone = np.clip(colour * rng.uniform(0.7, 1.1), 0, 1)[None]
    width = np.full(closed.shape[:2], detail(size) ** 0.5 * rng.uniform(1, 4))
    strand = Strands(closed, width, colours=tone, tips=tone, opacity=np.ones(1))
    return draw_strands(strand, size, sheets=1, pieces=1)


def net(rng: np.random.Generator, size: Size) -> Layer:
    """Return a net or wire mesh: two or three families of threads, softly deformed."""
    spacing = min(size) * rng.uniform(0.015, 0.09)
    families = int(rng.choice([2, 2, 3]))
    turn, reach = rng.uniform(0, np.pi), 0.75 * max(size)
    angles = turn + np.arange(families) * np.pi / families + rng.normal(0, 0.05, families)
    offsets = np.arange(-reach, reach, spacing)
    t = np.linspace(-reach, reach, 60 * math.ceil(detail(size)))
    curves = []
    for angle in angles:
        along, across = (
            np.array([np.cos(angle), np.sin(angle)]),
            np.array([-np.sin(angle), np.cos(angle)]),
        )
        curves.append(t[None, :, None] * along + offsets[:, None, None] * across)
    points = np.concatenate(curves) + np.array([size[1] / 2, size[0] / 2])
    points = points + _folds(rng, size, points)
    colour = np.tile(random_colour(rng, saturation=0.7), (len(points), 1))
    colour = np.clip(colour * rng.normal(1, 0.15, (len(points), 1)), 0, 1)
    width = np.full(points.shape[:2], rng.uniform(0.5, max(0.6, spacing / 6)))
    strands = Strands(
        points,
        width,
        colours=colour,
        tips=colour,
        opacity=np.full(len(points), rng.uniform(0.6, 1)),
    )
    stack = layers.lit(rng, draw_strands(strands, size, sheets=2, pieces=1))
    if rng.random() < 0.6:
        stack = stack * layers.filled(_scalloped(rng, size), size)[..., None]
    return layers.over(stack, _pole(rng, size)) if rng.random() < 0.5 else stack


def _folds(
    rng: np.random.Generator, size: Size, points: Float[np.ndarray, "n p 2"]
) -> Float[np.ndarray, "n p 2"]:
    depth = min(size) * rng.uniform(0.02, 0.2)
    rows = np.clip(points[..., 1], 0, size[0] - 1).astype(int)
    columns = np.clip(points[..., 0], 0, size[1] - 1).astype(int)
    fields = [smooth_noise(rng, size, 3.0)[rows, columns] - 0.5 for _ in range(2)]
    return depth * np.stack(fields, -1)


def _pole(rng: np.random.Generator, size: Size) -> Layer:
    """Return a solid thing behind or beside the threads."""
    outline = shapes.blob(rng, size, radius=rng.uniform(0.1, 0.2), roughness=0.1)
    return layers.layer(texture(rng, size), layers.filled(outline, size))


def web(rng: np.random.Generator, size: Size) -> Layer:
    """Return a spider's web: spokes, sagging spiral turns, sometimes dew, on twigs."""
    spokes, turns = int(rng.integers(12, 28)), int(rng.integers(10, 30))
    middle = np.array([size[1], size[0]]) * rng.uniform(0.35, 0.65, 2)
    fine = detail(size)
    theta = np.sort(np.linspace(0, 2 * np.pi, spokes, endpoint=False) + rng.normal(0, 0.06, spokes))
    reach = min(size) * rng.uniform(0.3, 0.5) * rng.uniform(0.85, 1.25, spokes)
    rays = np.stack([np.cos(theta), np.sin(theta)], -1)
    t = np.linspace(0, 1, 8 * math.ceil(fine))
    straight = middle + reach[:, None, None] * rays[:, None] * t[:, None] * 1.15
    share = np.linspace(0.08, 1, turns)[:, None] * rng.normal(1, 0.01, (turns, spokes))
    here = middle + (share * reach)[..., None] * rays
    there = np.roll(here, -1, axis=1)
    sag = 1 - rng.uniform(0.02, 0.12) * 4 * (t * (1 - t))[:, None]
    arcs = here[:, :, None] * (1 - t)[:, None] + there[:, :, None] * t[:, None]
    arcs = (middle + (arcs - middle) * sag).reshape(-1, len(t), 2)
    arcs = arcs[rng.random(len(arcs)) > rng.uniform(0, 0.15)]
    points = np.concatenate([straight, arcs])
    colour = np.clip(0.6 + 0.4 * rng.random((len(points), 3)), 0, 1)
    strands = Strands(
        points,
        np.full(points.shape[:2], fine**0.5 * rng.uniform(0.35, 1.3)),
        colours=colour,
        tips=colour,
        opacity=rng.uniform(0.35, 1.0, len(points)),
    )
    stack = layers.lit(rng, draw_strands(strands, size, sheets=2, pieces=1))
    return layers.over(stack, _twigs(rng, size)) if rng.random() < 0.7 else stack


def _twigs(rng: np.random.Generator, size: Size) -> Layer:
    count = int(rng.integers(2, 6))
    ends = np.array([size[1], size[0]]) * rng.random((count, 2, 2))
    ends[:, 0] = np.where(rng.random((count, 1)) < 0.5, ends[:, 0] * [0, 1], ends[:, 0] * [1, 0])
    t = np.linspace(0, 1, 30)[:, None]
    points = ends[:, :1] * (1 - t) + ends[:, 1:] * t
    points = points + np.cumsum(rng.normal(0, 0.003 * min(size), points.shape), axis=1)
    width = detail(size) * rng.uniform(2, 12, count)[:, None] * (1 - 0.7 * t[:, 0])
    colour = np.array([0.35, 0.26, 0.18]) * rng.uniform(0.5, 1.5, (count, 1))
    strands = Strands(points, width, colours=colour, tips=colour, opacity=np.ones(count))
    stack = draw_strands(strands, size, sheets=1, pieces=1)
    return layers.layer(layers.spread_colour(stack) * texture(rng, size) * 1.6, stack[..., 3])
