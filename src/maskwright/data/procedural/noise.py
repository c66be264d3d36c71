"""Smooth and fractal noise, colour ramps and textures."""

import math
from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float

Size = tuple[int, int]
FINE_PX = 1024  # a picture whose shorter side is longer gets finer detail, not only a larger one


def detail(size: Size) -> float:
    """Return how many times finer a picture is than one of 1024 pixels, 1 or more."""
    return max(1.0, min(size) / FINE_PX)


def smooth_noise(rng: np.random.Generator, size: Size, cells: float) -> Float[np.ndarray, "h w"]:
    """Return noise of about [0, 1] that varies over 1/`cells` of the shorter side."""
    return noise_bands(rng, size, cells)(0, size[0])


def noise_bands(
    rng: np.random.Generator, size: Size, cells: float
) -> Callable[[int, int], Float[np.ndarray, "rows w"]]:
    """Return a function of two rows that gives what `smooth_noise` has between them."""
    short = min(size)
    rows, columns = (max(2, round(cells * side / short)) + 1 for side in size)
    grid = rng.random((rows, columns), dtype=np.float32)

    def band(top: int, end: int) -> Float[np.ndarray, "rows w"]:
        if (top, end) == (0, size[0]):
            return cv2.resize(grid, size[::-1], interpolation=cv2.INTER_CUBIC)
        wide = cv2.resize(grid, (size[1], rows), interpolation=cv2.INTER_CUBIC)
        unit = np.eye(rows, dtype=np.float32)
        weights = cv2.resize(unit, (rows, size[0]), interpolation=cv2.INTER_CUBIC)
        return weights[top:end] @ wide

    return band


def blurred(array: Float[np.ndarray, "h w *c"], sigma_px: float) -> Float[np.ndarray, "h w *c"]:
    """Return the array blurred; where it is large and the blur wide, by way of a smaller copy."""
    height, width = array.shape[:2]
    factor = int(sigma_px / 8) if min(height, width) > FINE_PX else 1
    if factor < 2:
        return cv2.GaussianBlur(array, (0, 0), sigma_px)
    size = (max(1, width // factor), max(1, height // factor))
    small = cv2.resize(array, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / factor)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def fractal(
    rng: np.random.Generator, size: Size, cells: float, *, octaves: int = 5, gain: float = 0.5
) -> Float[np.ndarray, "h w"]:
    """Return `octaves` of smooth noise, each finer and weaker by `gain`, stretched to [0, 1]."""
    total = np.zeros(size, np.float32)
    for octave in range(octaves):
        if cells * 2**octave > min(size):
            break
        total += np.float32(gain**octave) * smooth_noise(rng, size, cells * 2**octave)
    low, high = float(total.min()), float(total.max())
    total -= low
    total /= max(high - low, 1e-6)
    return total


def pixel_grid(size: Size) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
    """Return the x and the y of every pixel."""
    y, x = np.indices(size, dtype=np.float32)
    return x, y


def displaced(
    array: np.ndarray, dx: Float[np.ndarray, "h w"], dy: Float[np.ndarray, "h w"]
) -> np.ndarray:
    """Return `array` read at each pixel's place plus (dx, dy) pixels, mirrored at the border."""
    x, y = pixel_grid((dx.shape[0], dx.shape[1]))
    return cv2.remap(array, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def random_colour(rng: np.random.Generator, *, saturation: float = 1.0) -> Float[np.ndarray, "3"]:
    """Return one RGB colour in [0, 1]: any hue, saturation up to the one given."""
    hue = rng.uniform(0, 6)
    chroma = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    s, v = saturation * rng.beta(1.2, 1.6), rng.beta(1.6, 1.2)
    return (v * (1 - s + s * chroma)).astype(np.float32)


def ramp(
    rng: np.random.Generator, stops: int, *, saturation: float = 1.0
) -> Float[np.ndarray, "256 3"]:
    """Return a colour table through `stops` random colours, of one family in half the cases."""
    colours = np.stack([random_colour(rng, saturation=saturation) for _ in range(stops)])
    if rng.random() < 0.5:
        colours = 0.65 * colours[:1] + 0.35 * colours
    at = np.sort(rng.random(stops))
    table = [np.interp(np.linspace(0, 1, 256), at, colours[:, c]) for c in range(3)]
    return np.stack(table, axis=-1).astype(np.float32)


def coloured(
    field: Float[np.ndarray, "h w"], table: Float[np.ndarray, "256 3"]
) -> Float[np.ndarray, "h w 3"]:
    """Return `field` in [0, 1] looked up in a colour table."""
    return table[(np.clip(field, 0, 1) * 255).astype(np.uint8)]


def texture(
    rng: np.random.Generator, size: Size, *, saturation: float = 1.0
) -> Float[np.ndarray, "h w 3"]:
    """Return a surface in [0, 1]: marble, stripes, spots, gradient or weave, shaded and grained."""
    pattern = _PATTERNS[rng.integers(len(_PATTERNS))]
    field = pattern(rng, size)
    surface = coloured(field, ramp(rng, int(rng.integers(2, 6)), saturation=saturation))
    shade = rng.uniform(0.5, 0.8) + 0.6 * fractal(rng, size, rng.uniform(1, 3), octaves=2)
    grain = rng.uniform(0, 0.12) * (rng.random(size, dtype=np.float32) - 0.5)
    surface *= shade[..., None]
    surface += grain[..., None]
    return np.clip(surface, 0, 1, out=surface)


def _along(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "h w"]:
    x, y = pixel_grid(size)
    angle = rng.uniform(0, np.pi)
    return (x * math.cos(angle) + y * math.sin(angle)) / min(size)


def _marble(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "h w"]:
    return fractal(rng, size, rng.uniform(1, 12), octaves=6, gain=rng.uniform(0.4, 0.7))


def _stripes(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "h w"]:
    wobble = rng.uniform(0, 0.15) * fractal(rng, size, rng.uniform(2, 6), octaves=3)
    wave = np.sin(2 * np.pi * rng.uniform(2, 30) * (_along(rng, size) + wobble))
    return np.clip(0.5 + rng.uniform(0.5, 2) * wave, 0, 1).astype(np.float32)


def _spots(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "h w"]:
    field = fractal(rng, size, rng.uniform(6, 40), octaves=2, gain=0.4)
    return np.clip((field - rng.uniform(0.35, 0.65)) * rng.uniform(4, 20) + 0.5, 0, 1)


def _gradient(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "h w"]:
    along = _along(rng, size)
    along = (along - along.min()) / max(float(np.ptp(along)), 1e-6)
    return 0.85 * along + 0.15 * fractal(rng, size, 8.0, octaves=5)


def _weave(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "h w"]:
    waves = [np.sin(2 * np.pi * rng.uniform(8, 50) * _along(rng, size)) for _ in range(2)]
    return (0.5 + 0.25 * (waves[0] + waves[1])).astype(np.float32)


_PATTERNS = (_marble, _marble, _stripes, _spots, _gradient, _weave)
