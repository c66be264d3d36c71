"""Curves of the mean IoU after each click, as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from maskwright.errors import UsageError

WIDTH_PX, HEIGHT_PX = 720, 480
_FINER = 3  # drawn so many times larger and shrunk, for smooth lines
_LEFT_PX, _TOP_PX, _RIGHT_PX, _BOTTOM_PX = 64, 40, 24, 56
_INK, _GRID = (40, 40, 40), (225, 225, 225)
_COLOURS = ((0, 96, 170), (214, 96, 0), (0, 140, 90), (170, 60, 130), (120, 120, 120))
_MOST_TICKS = 10


@dataclass(frozen=True)
class _Frame:
    """Where values lie in the picture; `lowest` in percent."""

    limit: int
    lowest: int

    def x(self, click: int) -> float:
        share = (click - 1) / max(self.limit - 1, 1)
        return (_LEFT_PX + share * (WIDTH_PX - _LEFT_PX - _RIGHT_PX)) * _FINER

    def y(self, percent: float | int) -> float:
        share = (100 - percent) / (100 - self.lowest)
        return (_TOP_PX + share * (HEIGHT_PX - _TOP_PX - _BOTTOM_PX)) * _FINER


def draw_curves(
    curves: Mapping[str, Sequence[float]],
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a picture of curves: clicks to the right, mean IoU in percent upwards, RGB.

    The IoU axis begins at the multiple of ten below the lowest value.

    Args:
        curves: The mean IoU after click 1, 2, ..., in [0, 1], by name; up to five.

    Raises:
        UsageError: If there is no curve, or more than there are colours, or one is empty.
    """
    if not 1 <= len(curves) <= len(_COLOURS) or not all(map(len, curves.values())):
        raise UsageError(
            f"a plot takes one to {len(_COLOURS)} curves of one click or more, got"
            f" {[len(curve) for curve in curves.values()]} clicks; leave some out"
        )
    lowest = min(int(100 * min(curve)) // 10 * 10 for curve in curves.values())
    frame = _Frame(max(map(len, curves.values())), min(lowest, 90))
    canvas = Image.new("RGB", (WIDTH_PX * _FINER, HEIGHT_PX * _FINER), "white")
    draw = ImageDraw.Draw(canvas)
    _draw_axes(draw, frame)
    for colour, curve in zip(_COLOURS, curves.values(), strict=False):
        _draw_curve(draw, frame, curve, colour)
    _draw_legend(draw, list(curves))
    return np.asarray(canvas.reduce(_FINER))


def _draw_axes(draw: ImageDraw.ImageDraw, frame: _Frame) -> None:
    left, right = frame.x(1), (WIDTH_PX - _RIGHT_PX) * _FINER
    for percent in range(frame.lowest, 101, 5 if frame.lowest >= 60 else 10):
        y = frame.y(percent)
        draw.line([(left, y), (right, y)], fill=_GRID, width=_FINER)
        _write(draw, (left - 10 * _FINER, y), str(percent), "rm")
    for click in range(1, frame.limit + 1):
        if _is_tick(click, frame.limit):
            x, foot = frame.x(click), frame.y(frame.lowest)
            draw.line([(x, foot), (x, foot + 5 * _FINER)], fill=_INK, width=_FINER)
            _write(draw, (x, foot + 9 * _FINER), str(click), "mt")
    corner = (left, frame.y(frame.lowest))
    draw.line([(left, frame.y(100)), corner, (right, corner[1])], fill=_INK, width=_FINER)
    _write(draw, ((left + right) / 2, (HEIGHT_PX - 8) * _FINER), "clicks", "mb")
    _write(draw, (8 * _FINER, 6 * _FINER), "mean IoU, %", "lt")


def _is_tick(click: int, limit: int) -> bool:
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, limit) if limit / s <= _MOST_TICKS)
    return click % step == 0 or click == 1


def _draw_curve(
    draw: ImageDraw.ImageDraw,
    frame: _Frame,
    curve: Sequence[float],
    colour: tuple[int, int, int],
) -> None:
    points = [(frame.x(n), frame.y(100 * value)) for n, value in enumerate(curve, start=1)]
    draw.line(points, fill=colour, width=2 * _FINER, joint="curve")
    radius = 3.5 * _FINER
    for x, y in points:
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)


def _draw_legend(draw: ImageDraw.ImageDraw, names: Sequence[str]) -> None:
    """Write the names above the plot, where no curve runs, the last one at the right edge."""
    right, y = (WIDTH_PX - _RIGHT_PX) * _FINER, 13 * _FINER
    for name, colour in reversed(list(zip(names, _COLOURS, strict=False))):
        start = right - int(draw.textlength(name, font=_font()))
        _write(draw, (start, y), name, "lm")
        line = [(start - 30 * _FINER, y), (start - 6 * _FINER, y)]
        draw.line(line, fill=colour, width=2 * _FINER)
        right = start - 48 * _FINER


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[float | int, float | int], text: str, anchor: str
) -> None:
    draw.text(at, text, fill=_INK, font=_font(), anchor=anchor)


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(14 * _FINER)
