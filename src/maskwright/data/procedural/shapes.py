"""Outlines, as polygons of (x, y) in pixels."""

import numpy as np
from jaxtyping import Float

from maskwright.data.procedural.noise import Size


def blob(
    rng: np.random.Generator,
    size: Size,
    *,
    radius: float,
    roughness: float = 0.3,
    centre: tuple[float, float] | None = None,
) -> Float[np.ndarray, "n 2"]:
    """Return a closed wavy outline; `radius` is a share of the shorter side."""
    x, y = centre or (
        size[1] * rng.uniform(0.35, 0.65),
        size[0] * rng.uniform(0.35, 0.65),
    )
    theta = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    distance = np.ones_like(theta)
    for k in range(1, 9):
        distance += roughness * rng.normal() / k * np.cos(k * theta + rng.uniform(0, 2 * np.pi))
    distance = np.maximum(distance, 0.3) * radius * min(size)
    stretch = rng.uniform(0.7, 1.4)
    return np.stack([x + distance * np.cos(theta) * stretch, y + distance * np.sin(theta)], -1)


def star(rng: np.random.Generator, size: Size, *, radius: float) -> Float[np.ndarray, "n 2"]:
    """Return a hard-edged outline: a box, a regular polygon or a star, turned."""
    corners = int(rng.integers(3, 12))
    inner = rng.uniform(0.35, 1.0)
    theta = np.linspace(0, 2 * np.pi, 2 * corners, endpoint=False) + rng.uniform(0, np.pi)
    distance = np.where(np.arange(2 * corners) % 2, inner, 1.0) * radius * min(size)
    x, y = size[1] * rng.uniform(0.35, 0.65), size[0] * rng.uniform(0.35, 0.65)
    stretch = rng.uniform(0.5, 1.5)
    return np.stack([x + distance * np.cos(theta) * stretch, y + distance * np.sin(theta)], -1)


def leaf(
    base: Float[np.ndarray, "2"], angle: float, length: float, width: float, bend: float
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "k 2"]]:
    """Return the outline of a leaf and its middle vein, from `base` in direction `angle`."""
    t = np.linspace(0, 1, 40)
    turn = angle + bend * t
    vein = base + np.cumsum(np.stack([np.cos(turn), np.sin(turn)], -1), axis=0) * length / 40
    normal = np.stack([-np.sin(turn), np.cos(turn)], -1)
    half = (width * np.sin(np.pi * t**0.8) ** 1.2)[:, None] * normal
    return np.concatenate([vein + half, (vein - half)[::-1]]), vein
