"""Smoke, glass, leaves, and things out of focus or in motion."""

import cv2
import numpy as np
from jaxtyping import Float

from maskwright.data.procedural import layers, shapes
from maskwright.data.procedural.noise import (
    Size,
    blurred,
    coloured,
    displaced,
    fractal,
    pixel_grid,
    ramp,
    random_colour,
    smooth_noise,
    texture,
)
from maskwright.data.procedural.strands import Strands, draw_strands

Layer = Float[np.ndarray, "h w 4"]


def smoke(rng: np.random.Generator, size: Size) -> Layer:
    """Return smoke, steam or flame: twisted fractal density in a wide soft envelope."""
    swirl = min(size) * rng.uniform(0.1, 0.5)
    density = fractal(rng, size, rng.uniform(2, 5), octaves=7, gain=rng.uniform(0.45, 0.65))
    for _ in range(2):
        dx, dy = (swirl * (fractal(rng, size, 3.0, octaves=3) - 0.5) for _ in range(2))
        density = displaced(density, dx, dy)
    outline = shapes.blob(rng, size, radius=rng.uniform(0.2, 0.35), roughness=0.35)
    envelope = blurred(layers.filled(outline, size, scale=1), 0.07 * min(size))
    floor = rng.uniform(0.1, 0.4)
    thick = np.clip((density - floor) / (1 - floor), 0, 1) * envelope * rng.uniform(1.5, 4)
    alpha = (1 - np.exp(-thick)) * rng.uniform(0.5, 1.0)
    if rng.random() < 0.25:
        flame = np.array([[0.5, 0.05, 0.02], [1, 0.45, 0.05], [1, 0.95, 0.6]], np.float32)
        at = np.linspace(0, 1, 256)
        table = np.stack([np.interp(at, [0, 0.5, 1], flame[:, c]) for c in range(3)], -1)
        return layers.layer(coloured(alpha, table.astype(np.float32)), alpha)
    light = 0.55 + 0.45 * fractal(rng, size, 3.0, octaves=5)
    tint = 0.25 + 0.75 * random_colour(rng, saturation=0.5)
    return layers.layer(tint * light[..., None], alpha)


def glass(rng: np.random.Generator, size: Size) -> Layer:
    """Return a clear body: alpha 0.1 to 0.7 inside, denser at the rim, with sharp highlights."""
    draw_outline = _OUTLINES[rng.integers(len(_OUTLINES))]
    outline = draw_outline(rng, size)
    shape = layers.filled(outline, size)
    depth = cv2.distanceTransform((shape > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    wall = min(size) * rng.uniform(0.01, 0.05)
    rim = np.exp(-depth / wall) + rng.uniform(0.2, 0.7) * np.exp(
        -(((depth - 2.2 * wall) / (0.35 * wall)) ** 2)
    )
    clear = rng.uniform(0.08, 0.4) + 0.2 * (fractal(rng, size, 2.5, octaves=3) - 0.5)
    alpha = clear + rng.uniform(0.25, 0.7) * rim
    glare = _glare(rng, size, depth / max(float(depth.max()), 1.0))
    tint = random_colour(rng, saturation=rng.choice([0.2, 0.9]))
    body = (
        tint * (0.35 + 0.5 * fractal(rng, size, 3.0, octaves=4))[..., None] + 0.25 * rim[..., None]
    )
    stack = layers.layer(body, np.clip(alpha, 0.02, 0.95))
    del body, alpha, clear, rim, depth
    stack = layers.over(layers.layer(np.ones(3, np.float32), glare), stack)
    del glare
    if rng.random() < 0.4:
        stack = layers.over(stack, _content(rng, size))
    stack *= shape[..., None]
    return stack


def _vessel(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "n 2"]:
    """Return the outline of something turned on a lathe: bottle, bowl, wine glass."""
    knots = int(rng.integers(4, 8))
    profile = rng.uniform(0.25, 1.0, knots)
    t = np.linspace(0, 1, 200)
    width = np.interp(t, np.linspace(0, 1, knots), profile)
    width = cv2.GaussianBlur(width[None].astype(np.float32), (0, 0), rng.uniform(4, 14))[0]
    width = width * min(size) * rng.uniform(0.12, 0.28)
    height = size[0] * rng.uniform(0.55, 0.85)
    x, y = size[1] * rng.uniform(0.4, 0.6), size[0] * 0.5 - height / 2
    right = np.stack([x + width, y + t * height], -1)
    left = np.stack([x - width, y + t * height], -1)
    return np.concatenate([right, left[::-1]])


def _bubble(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "n 2"]:
    return shapes.blob(rng, size, radius=rng.uniform(0.22, 0.36), roughness=rng.uniform(0, 0.3))


_OUTLINES = (_vessel, _bubble)


def _glare(
    rng: np.random.Generator, size: Size, depth: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w"]:
    """Return highlights: patches of a window, thin streaks that follow the form."""
    field = depth + rng.uniform(0.05, 0.25) * fractal(rng, size, 4.0, octaves=3)
    level = rng.uniform(0.2, 0.7, 3)
    streaks = sum(np.exp(-(((field - at) / rng.uniform(0.004, 0.02)) ** 2)) for at in level)
    patch = np.clip((smooth_noise(rng, size, rng.uniform(2, 6)) - 0.72) * 12, 0, 1)
    gate = np.clip(smooth_noise(rng, size, 3.0) * 3 - 1.2, 0, 1)
    return np.clip(streaks * gate * 0.8 + patch * rng.uniform(0.5, 1), 0, 0.97).astype(np.float32)


def _content(rng: np.random.Generator, size: Size) -> Layer:
    """Return a liquid with a slanted surface."""
    x, y = pixel_grid(size)
    level = size[0] * rng.uniform(0.4, 0.8) + rng.uniform(-0.1, 0.1) * (x - size[1] / 2)
    alpha = np.clip(y - level, 0, 1) * rng.uniform(0.3, 0.95)
    surface = texture(rng, size)
    surface *= 0.5
    surface += 0.5 * random_colour(rng)
    return layers.layer(surface, alpha)


def leaves(rng: np.random.Generator, size: Size) -> Layer:
    """Return a branch with leaves or needles: hard edges, thin stems, many small gaps."""
    green = texture(rng, size)
    own = coloured(fractal(rng, size, 20.0, octaves=4), ramp(rng, 3)) * 0.5 + green * 0.5
    del green
    stem = _stem(rng, size)
    blades = _blades(rng, size, stem)
    stack = np.empty((*size, 4), np.float32)
    for top, end in layers.bands(size, bytes_per_pixel=5 * 4**2):
        part, veins = _drawn_blades(blades, (end - top, size[1]), top=top)
        part[..., :3] *= np.clip(own[top:end] * 1.3 + 0.35 * veins[..., None], 0, 1)
        stack[top:end] = part
    del own
    t = np.linspace(8, 1.5, len(stem))[None] * min(size) / 640
    brown = np.array([[0.3, 0.22, 0.12]]) * rng.uniform(0.5, 1.8)
    wood = Strands(stem[None], t, colours=brown, tips=brown, opacity=np.ones(1))
    return layers.over(stack, draw_strands(wood, size, sheets=1, pieces=1))


_Blade = tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "k 2"], float]


def _blades(rng: np.random.Generator, size: Size, stem: Float[np.ndarray, "n 2"]) -> list[_Blade]:
    """Return the outline, the vein and the tone, 0 to 255, of each leaf, the lowest first."""
    count, narrow = int(rng.integers(12, 60)), rng.uniform(0.08, 0.5)
    blades = []
    for _ in range(count):
        base = stem[rng.integers(len(stem))]
        length = min(size) * rng.uniform(0.08, 0.3)
        outline, vein = shapes.leaf(
            base, rng.uniform(0, 2 * np.pi), length, narrow * length / 2, rng.normal(0, 0.4)
        )
        blades.append((outline, vein, float(255 * np.clip(rng.normal(0.7, 0.2), 0.2, 1))))
    return blades


def _drawn_blades(
    blades: list[_Blade], size: Size, *, top: int
) -> tuple[Layer, Float[np.ndarray, "h w"]]:
    """Return the leaves of a band that begins at row `top`, in grey, and their veins."""
    scale = 4
    canvas = np.zeros((size[0] * scale, size[1] * scale, 4), np.uint8)
    veins = np.zeros(canvas.shape[:2], np.uint8)
    for outline, vein, tone in blades:
        shape = [layers.fixed_point(outline - [0, top], scale)]
        cv2.fillPoly(canvas, shape, (tone, tone, tone, 255), shift=layers.SHIFT)
        cv2.fillPoly(veins, shape, 0, shift=layers.SHIFT)
        line = [layers.fixed_point(vein - [0, top], scale)]
        cv2.polylines(veins, line, False, 255, 2, cv2.LINE_AA, layers.SHIFT)
    return layers.averaged(canvas, size), layers.averaged(veins, size)


def _stem(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "n 2"]:
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.06, 80))
    heading = np.stack([np.cos(angle), np.sin(angle)], -1)
    points = np.cumsum(heading, axis=0) * min(size) * rng.uniform(0.5, 0.9) / 80
    middle = np.array([size[1], size[0]]) / 2
    return points - points.mean(0) + middle * rng.uniform(0.8, 1.2, 2)


def soft(rng: np.random.Generator, size: Size) -> Layer:
    """Return hard-edged things, seen out of focus or moving: the blur makes the alpha."""
    stack = np.zeros((*size, 4), np.float32)
    for _ in range(rng.integers(1, 5)):
        radius = rng.uniform(0.08, 0.34)
        outline = (
            shapes.blob(rng, size, radius=radius, roughness=rng.uniform(0, 0.4))
            if rng.random() < 0.5
            else shapes.star(rng, size, radius=radius)
        )
        stack = layers.over(layers.layer(texture(rng, size), layers.filled(outline, size)), stack)
    kernel = _moving(rng, size) if rng.random() < 0.5 else _out_of_focus(rng, size)
    return np.clip(cv2.filter2D(stack, -1, kernel, borderType=cv2.BORDER_REPLICATE), 0, 1)


def _out_of_focus(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "k k"]:
    """Return the disk into which a lens spreads a point, 0.5 to 3 % of the shorter side."""
    radius = max(1.0, min(size) * rng.uniform(0.002, 0.03))
    side = 2 * int(np.ceil(radius)) + 1
    x, y = pixel_grid((side, side))
    disk = np.clip(radius + 0.5 - np.hypot(x - side // 2, y - side // 2), 0, 1)
    return (disk / disk.sum()).astype(np.float32)


def _moving(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "k k"]:
    """Return the short path along which a moving point is smeared."""
    length = max(3.0, min(size) * rng.uniform(0.01, 0.08))
    side = 2 * int(np.ceil(length / 2)) + 3
    angle, t = rng.uniform(0, np.pi), np.linspace(-0.5, 0.5, 64)
    bend = rng.normal(0, 0.3) * t**2
    path = length * np.stack(
        [t * np.cos(angle) - bend * np.sin(angle), t * np.sin(angle) + bend * np.cos(angle)], -1
    )
    canvas = np.zeros((side, side), np.uint8)
    points = [layers.fixed_point(path + side / 2, 1)]
    cv2.polylines(canvas, points, False, 255, 1, cv2.LINE_AA, layers.SHIFT)
    kernel = canvas.astype(np.float32)
    return kernel / kernel.sum()
