"""What each class was taken for, as a picture: a row for each true class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Integer, UInt8
from PIL import Image, ImageDraw, ImageFont

from maskwright.errors import ShapeError

_INK, _FAINT, _GRID = (40, 40, 40), (150, 150, 150), (228, 228, 228)
_RIGHT, _WRONG = np.array((0, 96, 170.0)), np.array((214, 96, 0.0))  # at 100 %
_CELLS = ((24, 40, 13), (60, 24, 12), (255, 13, 10))  # up to so many classes: cell, letters, px
_GAP_PX = 8
_LETTERS = 24  # of a name, at most
_FOOT = "rows: true classes; columns: what their pixels were taken for, in %"
_LEAST_SHOWN = 0.005  # shares that round to 1 % or more are written into their cells


@dataclass(frozen=True)
class _Table:
    """Shares of each row, and where they are drawn."""

    shares: Float64[np.ndarray, "row column"]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cell_px: int
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    left_px: int
    top_px: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        across, down = (self.cell_px * len(names) for names in (self.columns, self.rows))
        foot = int(self.font.getbbox(_FOOT)[3]) + 2 * _GAP_PX
        width = max(self.left_px + across, _GAP_PX + int(self.font.getlength(_FOOT)))
        return width + _GAP_PX, self.top_px + down + foot

    def corner(self, row: int, column: int) -> tuple[int, int]:
        return self.left_px + column * self.cell_px, self.top_px + row * self.cell_px


def draw_confusion(
    counts: Integer[np.ndarray, "class predicted"], names: Sequence[str]
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a picture of a confusion, RGB: shares of each row's pixels, the right ones blue.

    Args:
        counts: Rows are the truth, columns the prediction, the last of which is void; it is drawn
            only if a pixel is there. See `metrics.semantic.Confusion`.
        names: Of the classes.

    Raises:
        ShapeError: If there are not as many rows, and one column more, as names.
    """
    if counts.shape != (len(names), len(names) + 1):
        raise ShapeError(
            f"a confusion of {len(names)} classes must have as many rows and one column more for"
            f" void, got {counts.shape}"
        )
    table = _laid_out(counts, [_short(name) for name in names])
    canvas = Image.new("RGB", table.size, "white")
    draw = ImageDraw.Draw(canvas)
    for row in range(len(table.rows)):
        for column in range(len(table.columns)):
            _draw_cell(draw, table, row, column)
    _write_names(canvas, draw, table)
    return np.asarray(canvas).copy()


def _laid_out(counts: Integer[np.ndarray, "class predicted"], names: list[str]) -> _Table:
    cell_px, text_px = next((c, t) for most, c, t in _CELLS if len(names) <= most)
    font = ImageFont.load_default(text_px)
    true = counts.sum(axis=1, keepdims=True)
    shares = np.where(true > 0, counts / np.maximum(true, 1), np.nan)
    columns = [*names, *(["void"] if counts[:, -1].any() else [])]
    longest = max(int(np.ceil(font.getlength(name))) for name in columns)
    margin = longest + 2 * _GAP_PX
    return _Table(
        shares[:, : len(columns)], tuple(names), tuple(columns), cell_px, font, margin, margin
    )


def _draw_cell(draw: ImageDraw.ImageDraw, table: _Table, row: int, column: int) -> None:
    x, y = table.corner(row, column)
    share = float(table.shares[row, column])
    full = _RIGHT if row == column else _WRONG
    tint = (1 - (0 if np.isnan(share) else share) ** 0.6) * (255 - full) + full
    box = [x, y, x + table.cell_px, y + table.cell_px]
    red, green, blue = (round(float(part)) for part in tint)
    draw.rectangle(box, fill=(red, green, blue), outline=_GRID)
    is_small = table.cell_px < _CELLS[0][1] or not share >= _LEAST_SHOWN
    middle = (x + table.cell_px / 2, y + table.cell_px / 2)
    if np.isnan(share) and row == column:
        draw.text(middle, "-", fill=_FAINT, font=table.font, anchor="mm")
    elif not is_small:
        ink = "white" if share > 0.45 else _INK
        draw.text(middle, f"{100 * share:.0f}", fill=ink, font=table.font, anchor="mm")


def _write_names(canvas: Image.Image, draw: ImageDraw.ImageDraw, table: _Table) -> None:
    half = table.cell_px / 2
    for row, name in enumerate(table.rows):
        place = (table.left_px - _GAP_PX, table.corner(row, 0)[1] + half)
        draw.text(place, name, fill=_INK, font=table.font, anchor="rm")
    strip = Image.new("RGB", (table.top_px, table.cell_px), "white")
    for column, name in enumerate(table.columns):
        written = strip.copy()
        ImageDraw.Draw(written).text((_GAP_PX, half), name, fill=_INK, font=table.font, anchor="lm")
        canvas.paste(written.rotate(90, expand=True), (table.corner(0, column)[0], 0))
    foot = (_GAP_PX, table.size[1] - _GAP_PX)
    draw.text(foot, _FOOT, fill=_FAINT, font=table.font, anchor="lb")


def _short(name: str) -> str:
    first = name.split(",")[0]
    return first if len(first) <= _LETTERS else f"{first[: _LETTERS - 1]}…"
