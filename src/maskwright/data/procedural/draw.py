"""One call that draws a foreground, one that draws a background."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8

from maskwright.data.foreground import Foreground
from maskwright.data.procedural import bodies, hair, layers, shapes, threads
from maskwright.data.procedural.noise import Size, blurred, texture
from maskwright.errors import UsageError

KINDS: dict[str, Callable[[np.random.Generator, Size], Float[np.ndarray, "h w 4"]]] = {
    "hair": hair.hair,
    "fur": hair.fur,
    "feather": hair.feather,
    "lace": threads.lace,
    "net": threads.net,
    "web": threads.web,
    "smoke": bodies.smoke,
    "glass": bodies.glass,
    "leaves": bodies.leaves,
    "soft": bodies.soft,
}
SMALLEST_SIDE_PX = 32


def draw(kind: str, size: Size, seed: int | np.random.Generator) -> Foreground:
    """Return a foreground of one of `KINDS`; equal seeds give equal pixels.

    Args:
        kind: What to draw; a key of `KINDS`, or "any" for a random one.
        size: Height and width in pixels, 32 or more each.
        seed: A seed, or a generator to draw from.

    Returns:
        Colour and exact alpha.

    Raises:
        UsageError: If the kind is unknown or the size too small.
    """
    rng = np.random.default_rng(seed)
    if kind == "any":
        kind = list(KINDS)[rng.integers(len(KINDS))]
    if kind not in KINDS:
        raise UsageError(f"kind must be one of {', '.join(KINDS)} or any, got {kind!r}")
    _check(size)
    stack = KINDS[kind](rng, size)
    colour = layers.spread_colour(stack)
    colour *= 255
    colour += 0.5
    return Foreground(colour.astype(np.uint8), np.clip(stack[..., 3], 0, 1))


def draw_background(size: Size, seed: int | np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """Return an opaque scene: textured shapes over a texture, more or less out of focus."""
    _check(size)
    rng = np.random.default_rng(seed)
    scene = texture(rng, size)
    for _ in range(rng.integers(0, 7)):
        radius = rng.uniform(0.05, 0.4)
        outline = (shapes.star if rng.random() < 0.5 else shapes.blob)(rng, size, radius=radius)
        share = layers.filled(outline, size, scale=2)[..., None]
        surface = texture(rng, size)
        surface *= share
        scene *= 1 - share
        scene += surface
        del surface
    if rng.random() < 0.6:
        scene = blurred(scene, min(size) * rng.uniform(0.001, 0.02))
    np.clip(scene, 0, 1, out=scene)
    scene *= 255
    return np.round(scene, out=scene).astype(np.uint8)


def _check(size: Size) -> None:
    if min(size) < SMALLEST_SIDE_PX:
        raise UsageError(
            f"size must be {SMALLEST_SIDE_PX} or more pixels per side, got {size[0]} x {size[1]}; "
            "ask for a larger one"
        )
