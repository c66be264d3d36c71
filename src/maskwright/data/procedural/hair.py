"""Hair, fur and feathers."""

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from maskwright.data.procedural import layers, shapes
from maskwright.data.procedural.noise import (
    Size,
    blurred,
    coloured,
    detail,
    fractal,
    ramp,
    random_colour,
    smooth_noise,
    texture,
)
from maskwright.data.procedural.strands import Strands, draw_strands, grow

Layer = Float[np.ndarray, "h w 4"]
_POINTS = 22  # of a hair
_HAIR_RGB = np.array(
    [
        *([0.07, 0.05, 0.05], [0.20, 0.12, 0.08], [0.36, 0.22, 0.13], [0.62, 0.45, 0.26]),
        *([0.85, 0.72, 0.48], [0.55, 0.24, 0.10], [0.70, 0.70, 0.70], [0.93, 0.90, 0.86]),
    ],
    np.float32,
)


def hair(rng: np.random.Generator, size: Size) -> Layer:
    """Return a head of hair: clumped, curved, tapering strands over a solid head and shoulders."""
    short = min(size)
    radius = short * rng.uniform(0.14, 0.26)
    centre = np.array([size[1] * rng.uniform(0.35, 0.65), size[0] * rng.uniform(0.4, 0.7)])
    base = _hair_colour(rng)
    stack = draw_strands(
        _hair_strands(rng, centre, radius, base, fine=detail(size)), size, sheets=4
    )
    stack = layers.lit(rng, stack)
    return layers.over(stack, _head(rng, size, centre=centre, radius=radius, base=base))


def _hair_colour(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    if rng.random() < 0.15:
        return random_colour(rng)
    return np.clip(_HAIR_RGB[rng.integers(len(_HAIR_RGB))] * rng.uniform(0.7, 1.3), 0, 1)


def _hair_strands(
    rng: np.random.Generator,
    centre: Float[np.ndarray, "2"],
    radius: float,
    base: Float[np.ndarray, "3"],
    *,
    fine: float,
) -> Strands:
    """Return strands in clumps that share direction, bend, wave, length and tone."""
    count, clumps = int(rng.integers(900, 1900) * fine**0.75), int(rng.integers(14, 70))
    clump = rng.integers(clumps, size=count)
    frizz, curl = rng.uniform(0.03, 0.35), rng.choice([0.1, 0.4, 1.1]) * rng.uniform(0.5, 1.2)
    flyaway = rng.random(count) < 0.06

    where = rng.uniform(0, 2 * np.pi, clumps)[clump] + rng.normal(0, 0.22, count)
    reach = np.sqrt(rng.uniform(0.25, 1.0, count)) * radius
    roots = centre + reach[:, None] * np.stack([np.cos(where), 1.2 * np.sin(where)], -1)
    t = np.linspace(0, 1, round(_POINTS * fine**0.5))
    angles = where[:, None] + _hair_angles(rng, clump, flyaway, t=t, frizz=frizz, curl=curl)
    lengths = radius * rng.uniform(0.8, 3.0) * rng.uniform(0.6, 1.2, clumps)[clump]
    lengths = lengths * rng.uniform(0.6, 1.1, count)
    curves = grow(roots, angles, lengths, gravity=rng.uniform(-0.3, 2.0))
    curves = _gathered(curves, clump, np.where(flyaway, 0, rng.uniform(0.2, 0.75)))

    width = rng.uniform(0.5, 2.4) * rng.uniform(0.4, 1.3, count) * np.where(flyaway, 0.5, 1)
    tone = rng.normal(1, 0.16, clumps)[clump] * rng.normal(1, 0.2, count)
    colours = np.clip(base * tone[:, None], 0, 1)
    tips = np.clip(colours * rng.uniform(0.7, 1.8) + rng.normal(0, 0.03, (count, 3)), 0, 1)
    return Strands(
        points=curves,
        widths_px=fine**0.25 * np.clip(width, 0.3, 3.0)[:, None] * (1 - 0.9 * t**2),
        colours=colours,
        tips=tips,
        opacity=np.clip(rng.uniform(0.55, 1.15, count), 0, 1),
        fade=rng.uniform(0, 0.6),
    )


def _hair_angles(
    rng: np.random.Generator,
    clump: Int[np.ndarray, " n"],
    flyaway: Bool[np.ndarray, " n"],
    *,
    t: Float[np.ndarray, " p"],
    frizz: float,
    curl: float,
) -> Float[np.ndarray, "n p"]:
    """Return how far each strand, at shares t of it, heads away from the direction of its root."""
    count, clumps = len(clump), int(clump.max()) + 1
    start = rng.normal(0, 0.35, clumps)[clump] + rng.normal(0, 0.08, count)
    start += rng.normal(0, 1, count) * (frizz + 0.5 * flyaway)
    bend = rng.normal(0, 0.7, clumps)[clump] + rng.normal(0, frizz + 0.8 * flyaway)
    phase = rng.uniform(0, 1, clumps)[clump] + rng.normal(0, 0.5 * frizz, count)
    turns = rng.uniform(0.6, 4) * rng.uniform(0.8, 1.2, clumps)[clump]
    wave = curl * np.sin(2 * np.pi * (turns[:, None] * t + phase[:, None]))
    return start[:, None] + bend[:, None] * t + wave * np.minimum(1, 3 * t)


def _gathered(
    curves: Float[np.ndarray, "n p 2"], clump: np.ndarray, strength: np.ndarray
) -> Float[np.ndarray, "n p 2"]:
    """Return the curves drawn towards the mean curve of their clump, most at the tip."""
    total = np.zeros((int(clump.max()) + 1, *curves.shape[1:]))
    np.add.at(total, clump, curves)
    members = np.maximum(np.bincount(clump), 1)[:, None, None]
    pull = strength[:, None, None] * np.linspace(0, 1, curves.shape[1])[:, None]
    return curves + pull * ((total / members)[clump] - curves)


def _head(
    rng: np.random.Generator,
    size: Size,
    *,
    centre: Float[np.ndarray, "2"],
    radius: float,
    base: Float[np.ndarray, "3"],
) -> Layer:
    """Return what the hair grows from: scalp in the hair's colour, face and shoulders."""
    theta = np.linspace(0, 2 * np.pi, 200)
    ellipse = np.stack([np.cos(theta), 1.2 * np.sin(theta)], -1)
    scalp = layers.filled(centre + 0.97 * radius * ellipse, size)
    streaks = cv2.blur(rng.random(size, dtype=np.float32), (1, 15))
    stack = layers.layer(base * (0.4 + streaks[..., None]), scalp)
    del streaks, scalp
    if rng.random() < 0.6:
        skin = texture(rng, size, saturation=0.4)
        skin *= 0.3
        skin += base[::-1].mean() * 0.2
        skin += 0.35
        face = layers.filled(centre + [0, 0.2 * radius] + 0.7 * radius * ellipse, size)
        stack = layers.over(layers.layer(skin, face), stack)
        del skin, face
    if rng.random() < 0.7:
        at = (float(centre[0]), float(size[0] * 1.05))
        body = shapes.blob(rng, size, radius=rng.uniform(0.3, 0.45), roughness=0.05, centre=at)
        stack = layers.over(stack, layers.layer(texture(rng, size), layers.filled(body, size)))
    return stack


def fur(rng: np.random.Generator, size: Size) -> Layer:
    """Return an animal-like body with dense short strands along its outline and all over it."""
    short = min(size)
    body = layers.filled(shapes.blob(rng, size, radius=rng.uniform(0.2, 0.34)), size)
    for _ in range(rng.integers(3)):
        more = shapes.blob(rng, size, radius=rng.uniform(0.08, 0.2), roughness=0.2)
        body = np.maximum(body, layers.filled(more, size))
    colour = coloured(
        fractal(rng, size, rng.uniform(2, 14), octaves=4),
        ramp(rng, int(rng.integers(2, 5)), saturation=rng.choice([0.3, 0.8])),
    )
    length = short * rng.uniform(0.015, 0.07)
    strands = _fur_strands(rng, body, colour, length_px=length)
    stack = draw_strands(strands, size, sheets=3, pieces=2)
    shrunk = cv2.erode(body, np.ones((3, 3), np.uint8))
    colour *= 0.75
    stack = layers.over(layers.lit(rng, stack), layers.layer(colour, shrunk))
    del colour, body, shrunk
    if rng.random() < 0.4:
        stack = layers.over(draw_strands(_whiskers(rng, size), size, sheets=1), stack)
    return stack


def _fur_strands(
    rng: np.random.Generator,
    body: Float[np.ndarray, "h w"],
    colour: Float[np.ndarray, "h w 3"],
    *,
    length_px: float,
) -> Strands:
    size = (body.shape[0], body.shape[1])
    fine = detail(size)
    soft = blurred(body, max(2.0, length_px / 2))
    dy, dx = np.gradient(soft)
    rim = np.argwhere((soft > 0.3) & (soft < 0.85) & (body > 0.5))
    inside = np.argwhere(body > 0.9)
    if not len(rim) or not len(inside):
        rim = inside = np.array([[size[0] // 2, size[1] // 2]])
    outer, inner = round(2600 * fine**0.75), round(1500 * fine**0.75)
    chosen = [
        rim[rng.integers(len(rim), size=outer)],
        inside[rng.integers(len(inside), size=inner)],
    ]
    rows, columns = np.concatenate(chosen)[rng.permutation(outer + inner)].T
    del rim, inside
    count, t = len(rows), np.linspace(0, 1, 7)

    flow = 2 * np.pi * smooth_noise(rng, size, 2.0)[rows, columns]
    sweep = rng.uniform(0.1, 1.2)
    nx = -dx[rows, columns] * length_px + sweep * np.cos(flow) * 0.5
    ny = -dy[rows, columns] * length_px + sweep * np.sin(flow) * 0.5
    mess = rng.uniform(0.1, 0.5)
    start = np.arctan2(ny, nx) + rng.normal(0, mess, count)
    start += 0.6 * (smooth_noise(rng, size, rng.uniform(15, 50))[rows, columns] - 0.5)
    angles = start[:, None] + rng.normal(0, mess, count)[:, None] * t
    lengths = length_px * rng.gamma(6, 1 / 6, count)
    roots = np.stack([columns, rows], -1) + rng.random((count, 2))
    own = colour[rows, columns] * np.clip(rng.normal(1, 0.25, count), 0.4, 1.8)[:, None]
    width = rng.uniform(0.6, 2.2) * rng.uniform(0.5, 1.3, count)
    return Strands(
        points=grow(roots, angles, lengths, gravity=rng.uniform(0, 0.5)),
        widths_px=fine**0.25 * np.clip(width, 0.3, 3)[:, None] * (1 - 0.9 * t),
        colours=np.clip(own, 0, 1),
        tips=np.clip(own * rng.uniform(0.8, 1.5), 0, 1),
        opacity=np.clip(rng.uniform(0.6, 1.2, count), 0, 1),
        fade=rng.uniform(0, 0.5),
    )


def _whiskers(rng: np.random.Generator, size: Size) -> Strands:
    count, t = int(rng.integers(6, 24)), np.linspace(0, 1, 16)
    middle = np.array([size[1], size[0]]) * rng.uniform(0.35, 0.65, 2)
    roots = middle + rng.normal(0, 0.05 * min(size), (count, 2))
    start = np.where(rng.random(count) < 0.5, 0, np.pi) + rng.normal(0, 0.4, count)
    angles = start[:, None] + rng.normal(0, 0.5, count)[:, None] * t
    colours = np.tile(random_colour(rng, saturation=0.2), (count, 1))
    return Strands(
        points=grow(roots, angles, min(size) * rng.uniform(0.15, 0.45, count), gravity=0.3),
        widths_px=detail(size) ** 0.5 * rng.uniform(0.6, 1.6, count)[:, None] * (1 - 0.8 * t),
        colours=colours,
        tips=colours,
        opacity=rng.uniform(0.6, 1, count),
    )


def feather(rng: np.random.Generator, size: Size) -> Layer:
    """Return one to three feathers: a bent shaft with rows of barbs, split here and there."""
    stack = np.zeros((*size, 4), np.float32)
    for _ in range(rng.integers(1, 4)):
        stack = layers.over(layers.lit(rng, _one_feather(rng, size)), stack)
    return stack


def _one_feather(rng: np.random.Generator, size: Size) -> Layer:
    fine = detail(size) ** 0.75
    short, barbs, t = min(size), round(620 * fine), np.linspace(0, 1, 12)
    angle = rng.uniform(0, 2 * np.pi)
    length = short * rng.uniform(0.5, 0.85)
    middle = np.array([size[1], size[0]]) * rng.uniform(0.4, 0.6, 2)
    root = middle - 0.5 * length * np.array([np.cos(angle), np.sin(angle)])
    turn = angle + rng.uniform(-0.8, 0.8) * np.linspace(-0.5, 0.5, 60)
    shaft = grow(root[None], turn[None], np.array([length]))[0]

    along = np.sort(rng.uniform(0.12, 1, barbs))
    at = along * 59
    roots = np.stack([np.interp(at, np.arange(60), shaft[:, c]) for c in range(2)], -1)
    heading = np.interp(at, np.arange(60), turn)
    side = np.where(np.arange(barbs) % 2, 1, -1)
    downy = np.clip((0.3 - along) / 0.18, 0, 1)
    groups = np.round(along * rng.uniform(6, 30)).astype(int)
    split = rng.normal(0, 0.12, groups.max() + 1)[groups]
    open_angle = side * (rng.uniform(0.5, 0.95) + split + rng.normal(0, 0.02 + 0.5 * downy))
    angles = (heading + open_angle)[:, None] - side[:, None] * rng.uniform(0.1, 0.6) * t
    angles = angles + downy[:, None] * np.sin(9 * t + 6 * along[:, None])
    profile = np.sin(np.pi * np.clip(along, 0.05, 0.97) ** 0.8) ** 0.6
    lengths = length * rng.uniform(0.1, 0.22) * profile * rng.normal(1, 0.03, barbs)
    colour = coloured(along[None].astype(np.float32), ramp(rng, 4))[0]
    colour = np.clip(colour * rng.normal(1, 0.15, barbs)[:, None], 0, 1)
    vane = Strands(
        points=grow(roots, angles, lengths),
        widths_px=np.full((barbs, 12), length / 330 / fine * rng.uniform(1.2, 2.2)) * (1 - 0.5 * t),
        colours=colour,
        tips=np.clip(colour * rng.uniform(0.6, 1.4), 0, 1),
        opacity=np.clip(rng.uniform(0.65, 1.1, barbs) - 0.3 * downy, 0, 1),
        fade=rng.uniform(0, 0.4),
    )
    ivory = np.full((1, 3), 0.85) * random_colour(rng, saturation=0.2)
    quill = Strands(
        points=shaft[None],
        widths_px=np.linspace(4, 0.8, 60)[None] * short / 640,
        colours=ivory,
        tips=ivory,
        opacity=np.ones(1),
    )
    return layers.over(draw_strands(quill, size, sheets=1), draw_strands(vane, size, sheets=2))
