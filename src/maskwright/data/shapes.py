"""Small grey pictures: clothes, letters and shapes drawn from a seed, or any folder of pictures.

What Fashion-MNIST is to the papers on sampling operators, for machines without it: flat fabric
with fine stripes and sharp outlines on black. Pictures are drawn four times too large, then
averaged.
"""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from maskwright.data.matting import pictures
from maskwright.data.sources import read_colour
from maskwright.image.resize import resize

CANVAS = 4  # pixels of the canvas per pixel of the picture, along each axis
HALF_GARMENTS = {  # right halves, downwards; x from the middle, both axes in [-1, 1]
    "shirt": ((0.2, -0.85), (0.5, -0.75), (0.95, -0.1), (0.75, 0.05), (0.5, -0.25), (0.5, 0.85)),
    "pullover": ((0.2, -0.9), (0.5, -0.8), (0.9, 0.7), (0.65, 0.75), (0.5, -0.1), (0.5, 0.8)),
    "trousers": ((0.45, -0.95), (0.5, -0.5), (0.45, 0.95), (0.15, 0.95), (0.05, -0.2)),
    "dress": ((0.15, -0.9), (0.3, -0.85), (0.35, -0.5), (0.22, -0.1), (0.6, 0.9)),
    "bag": ((0.6, -0.3), (0.75, 0.7)),
}
GARMENTS = {
    name: (*half, *((-x, y) for x, y in reversed(half))) for name, half in HALF_GARMENTS.items()
} | {
    "boot": ((-0.4, -0.9), (0.2, -0.9), (0.2, 0.1), (0.9, 0.4), (0.95, 0.75), (-0.45, 0.75)),
    "shoe": ((-0.9, -0.3), (-0.5, -0.3), (0.2, 0.1), (0.85, 0.2), (0.95, 0.5), (-0.9, 0.5)),
}


def draw_pictures(count: int, side_px: int, *, seed: int = 0) -> UInt8[np.ndarray, "n side side"]:
    """Return grey pictures drawn from the seed; every second one is a garment.

    Args:
        count: How many; the first ones are the same for every count.
        side_px: Height and width.
        seed: Changes them all.
    """
    found = np.zeros((count, side_px, side_px), np.uint8)
    kinds = (_garment, _glyph, _garment, _shapes)
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        canvas = kinds[index % len(kinds)](rng, CANVAS * side_px)
        found[index] = resize(np.rint(255 * canvas).astype(np.uint8), (side_px, side_px))
    return found


def read_pictures(folder: Path, side_px: int) -> UInt8[np.ndarray, "n side side"]:
    """Return the pictures of a folder by name, in grey, squeezed or stretched to a square.

    Raises:
        DataError: If it is no folder of pictures, or two have one stem.
        ImageError: If one cannot be read.
    """
    files = pictures(folder).values()
    greys = (cv2.cvtColor(read_colour(file), cv2.COLOR_RGB2GRAY) for file in files)
    return np.stack([resize(grey, (side_px, side_px)) for grey in greys])


def _garment(rng: np.random.Generator, side: int) -> Float[np.ndarray, "side side"]:
    name = sorted(GARMENTS)[rng.integers(len(GARMENTS))]
    outline = np.array(GARMENTS[name]) + rng.uniform(-0.06, 0.06, (len(GARMENTS[name]), 2))
    corners = _pixels(outline * rng.uniform(0.75, 1, 2), side)
    cloth = _fabric(rng, side)
    for _ in range(rng.integers(0, 4)):  # seams
        start, end = corners[rng.integers(len(corners), size=2)]
        cv2.line(cloth, start, end, rng.uniform(0, 1), side // 48 + 1)
    canvas = cloth * _inside(corners, side)
    if name == "bag":
        middle, axes = (side // 2, round(0.36 * side)), (side // 5, side // 4)
        cv2.ellipse(canvas, middle, axes, 0, 180, 360, rng.uniform(0.4, 1), side // 24 + 1)
    return canvas


def _fabric(rng: np.random.Generator, side: int) -> Float[np.ndarray, "side side"]:
    """Return a bright surface: shaded, and striped, checked or speckled at times."""
    x, y = np.meshgrid(*[np.linspace(-1, 1, side)] * 2)
    cloth = rng.uniform(0.45, 0.9) + rng.uniform(-0.2, 0.2) * x + rng.uniform(-0.2, 0.2) * y
    kind = rng.integers(4)
    if kind < 2:  # stripes, or their product
        angle = rng.uniform(0, np.pi)
        waves = rng.uniform(5, 25, 2)  # per unit; the finest are three pixels of 32 wide
        wave = np.sin(waves[0] * (x * np.cos(angle) + y * np.sin(angle)))
        if kind:
            wave = wave * np.sin(waves[1] * (y * np.cos(angle) - x * np.sin(angle)))
        cloth = cloth + rng.uniform(0.1, 0.3) * np.sign(wave)
    if kind == 2:
        speckle = rng.uniform(-0.3, 0.3, (side // CANVAS, side // CANVAS))
        cloth = cloth + cv2.resize(speckle, (side, side), interpolation=cv2.INTER_NEAREST)
    return np.clip(cloth, 0.05, 1)


def _glyph(rng: np.random.Generator, side: int) -> Float[np.ndarray, "side side"]:
    """Return a letter of no alphabet: strokes and bows between nine places."""
    canvas, brightness = np.zeros((side, side)), rng.uniform(0.5, 1)
    thickness = int(rng.integers(side // 24 + 1, side // 10 + 2))
    places = _pixels(rng.uniform(0.4, 0.75) * rng.integers(-1, 2, (10, 2)), side)
    for start, end in places[: 2 * rng.integers(2, 5)].reshape(-1, 2, 2):
        cv2.line(canvas, start, end, brightness, thickness)
    for _ in range(rng.integers(0, 3)):
        axes = [int(axis) for axis in rng.integers(side // 8, side // 3, 2)]
        start, sweep = 90 * rng.integers(4), 90 * rng.integers(1, 5)
        arc = 0.0, float(start), float(start + sweep)
        cv2.ellipse(canvas, places[-1].tolist(), axes, *arc, brightness, thickness)
    return canvas


def _shapes(rng: np.random.Generator, side: int) -> Float[np.ndarray, "side side"]:
    canvas = np.full((side, side), rng.uniform(0, 0.3))
    for _ in range(rng.integers(1, 5)):
        middle, radius = rng.uniform(-0.6, 0.6, 2), rng.uniform(0.15, 0.7, 2)
        corners = int(rng.choice((3, 4, 5, 6, 48)))
        angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, np.pi)
        outline = middle + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
        inside = _inside(_pixels(outline, side), side)
        surface = _fabric(rng, side) if rng.random() < 0.5 else rng.uniform(0, 1)
        canvas = np.where(inside > 0, surface, canvas)
    return canvas


def _pixels(points: Float[np.ndarray, "n 2"], side: int) -> np.ndarray:
    return np.rint((points + 1) / 2 * (side - 1)).astype(np.int32)


def _inside(corners: np.ndarray, side: int) -> Float[np.ndarray, "side side"]:
    return cv2.fillPoly(np.zeros((side, side)), [corners], 1.0)
