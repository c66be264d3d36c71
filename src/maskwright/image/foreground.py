"""The colours of the foreground (and background) of a photo whose alpha is known.

Paper: Germer et al., "Fast Multi-Level Foreground Estimation", ICPR 2020, arXiv:2006.14970.
F and B minimise, summed over pixels i and their four neighbours j,

    (a_i F_i + (1 - a_i) B_i - I_i)^2 + sum_j w_ij ((F_i - F_j)^2 + (B_i - B_j)^2)

with w_ij = EPSILON + |a_i - a_j|. The paper solves this for a single pixel first, and then for
larger and larger sizes, each started from the one before. Here, not in the paper:

* A coarse pixel takes the mean of the first term over the photo's pixels under it, not that of
  one pixel picked among them. The means of I, a I, a and a^2 are enough to know it.
* A sweep visits the black squares of a chessboard, then the white ones, each at once.
* Large sizes are solved only around soft pixels, and in strips; elsewhere nothing is open.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int
from numpy.typing import NDArray
from scipy.sparse import csr_array

from maskwright.errors import ShapeError, UsageError

EPSILON = 1e-3
"""Smoothness between pixels of equal alpha; the paper's 1e-5 is little for 32-bit numbers."""
SWEEPS, SMALL_SWEEPS, SMALL_SIDE = 3, 10, 32
"""Sweeps per size; sweeps for sizes up to `SMALL_SIDE` pixels a side."""
DENSE_PIXELS = 1 << 16
"""Sizes up to this number of pixels are solved everywhere, not only around soft pixels."""
STRIP_PIXELS = 1 << 20
"""About how many pixels of a large size are worked on at a time."""


def estimate_foreground(
    image: Float[np.ndarray, "h w 3"], alpha: Float[np.ndarray, "alpha_h alpha_w"]
) -> Float32[np.ndarray, "h w 3"]:
    """Return the foreground's own colours F, where image = alpha F + (1 - alpha) B.

    Args:
        image: RGB in [0, 1].
        alpha: The foreground's share of each pixel, in [0, 1].

    Returns:
        F in [0, 1]: the image itself where alpha is 1, an estimate where it is less, and a
        continuation of that where it is 0, so that a cut-out can be resized without a fringe.

    Raises:
        ShapeError: If the two differ in size or have no pixel.
        UsageError: If a value is not a number in [0, 1].
    """
    _check(image, alpha)
    return _estimate(image, alpha, layers=1)[0]


def estimate_layers(
    image: Float[np.ndarray, "h w 3"], alpha: Float[np.ndarray, "alpha_h alpha_w"]
) -> tuple[Float32[np.ndarray, "h w 3"], Float32[np.ndarray, "h w 3"]]:
    """Return the colours of foreground and background; see `estimate_foreground`.

    Raises:
        ShapeError: If the two differ in size or have no pixel.
        UsageError: If a value is not a number in [0, 1].
    """
    _check(image, alpha)
    foreground, background = _estimate(image, alpha, layers=2)
    return foreground, background


@dataclass(frozen=True)
class _Level:
    """The photo at one size: means over the photo's pixels under each pixel of the level."""

    image: Float32[np.ndarray, "h w 3"]
    light: Float32[np.ndarray, "h w 3"]  # alpha * image
    alpha: Float32[np.ndarray, "h w"]
    square: Float32[np.ndarray, "h w"]  # alpha * alpha

    def rows(self, rows: slice) -> "_Level":
        return _Level(self.image[rows], self.light[rows], self.alpha[rows], self.square[rows])

    def halved(self) -> "_Level":
        return _Level(
            _halved(self.image), _halved(self.light), _halved(self.alpha), _halved(self.square)
        )


def _estimate(
    image: Float[np.ndarray, "h w 3"], alpha: Float[np.ndarray, "h w"], *, layers: int
) -> Float32[np.ndarray, "layers h w 3"]:
    """Return foreground and, with two `layers`, background, from coarse to fine."""

    def photo_rows(rows: slice) -> _Level:
        return _photo_level(image[rows], alpha[rows])

    pyramid = _pyramid(photo_rows, alpha.shape)
    colours = _first_guess(pyramid[-1])
    while pyramid:
        colours = _refine_level(pyramid.pop(), colours)  # which lets go of the level's memory
    return _refine(photo_rows, colours, out=np.empty((layers, *alpha.shape, 3), np.float32))


def _refine_level(
    level: _Level, coarse: Float32[np.ndarray, "2 coarse_h coarse_w 3"]
) -> Float32[np.ndarray, "2 h w 3"]:
    return _refine(level.rows, coarse, out=np.empty((2, *level.image.shape), np.float32))


def _pyramid(rows: Callable[[slice], _Level], shape: tuple[int, ...]) -> list[_Level]:
    """Return the levels from half the photo's size down to a single pixel."""
    parts = [rows(inner).halved() for _, inner in _strips(shape, halo=0)]
    fields = ("image", "light", "alpha", "square")
    levels = [_Level(*(np.concatenate([getattr(p, name) for p in parts]) for name in fields))]
    while levels[-1].alpha.size > 1:
        levels.append(levels[-1].halved())
    return levels


def _photo_level(image: Float[np.ndarray, "h w 3"], alpha: Float[np.ndarray, "h w"]) -> _Level:
    image = np.ascontiguousarray(image, np.float32)
    alpha = np.ascontiguousarray(alpha, np.float32)
    return _Level(image, image * alpha[..., None], alpha, alpha * alpha)


def _halved(means: Float32[np.ndarray, "h w *c"]) -> Float32[np.ndarray, "half_h half_w *c"]:
    """Return the means of 2 x 2 pixels; an odd last row or column counts twice."""
    height, width = means.shape[:2]
    even = cv2.copyMakeBorder(means, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    size = (even.shape[1] // 2, even.shape[0] // 2)
    return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), np.float32)


def _doubled(
    layer: Float32[np.ndarray, "half_h half_w 3"], shape: tuple[int, ...]
) -> Float32[np.ndarray, "h w 3"]:
    """Return a layer with every pixel four times, cut to `shape`."""
    double = cv2.resize(layer, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    return np.asarray(double, np.float32)[: shape[0], : shape[1]]


def _first_guess(level: _Level) -> Float32[np.ndarray, "2 1 1 3"]:
    """Return the mean colours of the photo, weighted with alpha and with 1 - alpha."""
    tiny = np.float32(1e-6)  # without any foreground (background), the whole photo's mean
    foreground = (level.light + tiny * level.image) / (level.alpha[..., None] + tiny)
    rest = level.image - level.light
    background = (rest + tiny * level.image) / (1 - level.alpha[..., None] + tiny)
    return np.clip(np.stack([foreground, background]), 0, 1)


def _refine(
    rows: Callable[[slice], _Level],
    coarse: Float32[np.ndarray, "2 coarse_h coarse_w 3"],
    *,
    out: Float32[np.ndarray, "layers h w 3"],
) -> Float32[np.ndarray, "layers h w 3"]:
    """Fill `out` with the colours of a level, started from those of the level below it."""
    height, width = out.shape[1:3]
    sweeps = SMALL_SWEEPS if max(height, width) <= SMALL_SIDE else SWEEPS
    # Half a sweep carries a change one row further, so strips with this halo change nothing.
    for outer, inner in _strips((height, width), halo=2 * sweeps):
        level = rows(outer)
        guess = coarse[:, outer.start // 2 : (outer.stop + 1) // 2]
        colours = np.stack([_doubled(layer, level.alpha.shape) for layer in guess])
        _solve(level, colours, sweeps=sweeps, everywhere=height * width <= DENSE_PIXELS)
        kept = slice(inner.start - outer.start, inner.stop - outer.start)
        out[:, inner] = colours[: len(out), kept]
    return out


def _strips(shape: tuple[int, ...], *, halo: int) -> Iterator[tuple[slice, slice]]:
    """Yield slices of rows with and without `halo` (even) rows around; all begin evenly."""
    height, width = shape
    step = max(2, STRIP_PIXELS // width // 2 * 2)
    for start in range(0, height, step):
        stop = min(height, start + step)
        yield slice(max(0, start - halo), min(height, stop + halo)), slice(start, stop)


def _solve(
    level: _Level, colours: Float32[np.ndarray, "2 h w 3"], *, sweeps: int, everywhere: bool
) -> None:
    """Improve `colours` in place."""
    _set_known(level, colours)
    is_open = (level.alpha > 0) & (level.alpha < 1)
    # One pixel around, so that the unknown layer can bend on both sides of a soft edge.
    is_open = cv2.dilate(is_open.view(np.uint8), np.ones((3, 3), np.uint8)).view(np.bool_)
    row, column = np.nonzero(is_open | everywhere)
    is_black = (row + column) % 2 == 0
    chessboard = [
        _equations(level, row[square], column[square]) for square in (is_black, ~is_black)
    ]
    for _ in range(sweeps):
        for equations in chessboard:
            equations.update(colours)
    _set_known(level, colours)


def _set_known(level: _Level, colours: Float32[np.ndarray, "2 h w 3"]) -> None:
    """Copy the image to the foreground where alpha is 1, to the background where it is 0."""
    for layer, known in zip(colours, (1, 0), strict=True):
        cv2.copyTo(level.image, (level.alpha == known).view(np.uint8), layer)


@dataclass(frozen=True)
class _Equations:
    """The minimum at some pixels, with their neighbours held: (F, B) = constant + pull means."""

    pixels: Int[np.ndarray, " n"]
    neighbour_means: csr_array  # (n, h * w)
    constant: Float32[np.ndarray, "2 n 3"]
    pull: Float32[np.ndarray, "2 2 n 1"]

    def update(self, colours: Float32[np.ndarray, "2 h w 3"]) -> None:
        foreground, background = colours.reshape(2, -1, 3)
        mean_f, mean_b = self.neighbour_means @ foreground, self.neighbour_means @ background
        for layer, constant, pull in zip(
            (foreground, background), self.constant, self.pull, strict=True
        ):
            layer[self.pixels] = np.clip(constant + pull[0] * mean_f + pull[1] * mean_b, 0, 1)


def _equations(
    level: _Level, row: Int[np.ndarray, " n"], column: Int[np.ndarray, " n"]
) -> _Equations:
    """Return the systems (M + w 1) (F, B) = right + w (mean F_j, mean B_j), solved for (F, B).

    With b = 1 - a, M is the mean of [[a a, a b], [b a, b b]] and `right` that of (a I, b I); w
    is the sum of the pixel's weights w_ij, and the means over its neighbours j take them.
    """
    pixels = row * level.alpha.shape[1] + column
    neighbour_means, w = _neighbours(level.alpha, row, column)
    alpha, aa = level.alpha.ravel()[pixels], level.square.ravel()[pixels]
    ab, bb = alpha - aa, 1 - 2 * alpha + aa
    variance = np.maximum(aa - alpha * alpha, 0)  # = aa bb - ab ab, without cancellation
    inverse = np.array([[bb + w, -ab], [-ab, aa + w]]) / (w * (w + aa + bb) + variance)
    inverse = inverse[..., None]
    right_f = level.light.reshape(-1, 3)[pixels]
    right_b = level.image.reshape(-1, 3)[pixels] - right_f
    constant = inverse[:, 0] * right_f + inverse[:, 1] * right_b
    return _Equations(pixels, neighbour_means, constant, inverse * w[:, None])


def _neighbours(
    alpha: Float32[np.ndarray, "h w"], row: Int[np.ndarray, " n"], column: Int[np.ndarray, " n"]
) -> tuple[csr_array, Float32[np.ndarray, " n"]]:
    """Return a matrix (n, h * w) that takes weighted means, and the sums of the weights."""
    height, width = alpha.shape
    neighbours = np.stack(
        [  # at the border of the photo, a pixel is its own neighbour
            np.maximum(row - 1, 0) * width + column,
            np.minimum(row + 1, height - 1) * width + column,
            row * width + np.maximum(column - 1, 0),
            row * width + np.minimum(column + 1, width - 1),
        ],
        axis=1,
    ).astype(np.int32)
    difference = alpha[row, column][:, None] - alpha.ravel()[neighbours]
    weights = np.float32(EPSILON) + np.abs(difference)
    total = weights.sum(axis=1, keepdims=True)
    starts = np.arange(0, neighbours.size + 1, 4, dtype=np.int32)
    entries = ((weights / total).ravel(), neighbours.ravel(), starts)
    return csr_array(entries, shape=(len(row), alpha.size)), total[:, 0]


def _check(image: NDArray[np.floating], alpha: NDArray[np.floating]) -> None:
    if alpha.size == 0 or image.shape != (*alpha.shape, 3):
        raise ShapeError(
            "image must be (h, w, 3) and alpha (h, w) of the same size,"
            f" got {image.shape} and {alpha.shape}; resize one to the other"
        )
    for name, values in (("image", image), ("alpha", alpha)):
        low, high = values.min(), values.max()
        if not (low >= 0 and high <= 1):  # also when one is NaN
            raise UsageError(
                f"{name} must lie in [0, 1], got values from {low:g} to {high:g};"
                " scale or clip them first"
            )
