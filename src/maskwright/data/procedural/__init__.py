"""Foregrounds and backgrounds drawn from a seed, so that training needs no data set.

Owns: shapes, strands, threads, vapour and glass with exact alpha. May not: read files.
Start with `draw.py`; the kinds are functions `(rng, size) -> layer` in the other files.
"""

from maskwright.data.foreground import Foreground
from maskwright.data.procedural.draw import KINDS, draw, draw_background

__all__ = ["KINDS", "Foreground", "draw", "draw_background"]
