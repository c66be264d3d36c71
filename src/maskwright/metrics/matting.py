"""Errors of an alpha matte, as the alphamatting.com and Composition-1k benchmarks define them.

SAD, MSE, gradient and connectivity error: Rhemann et al., "A Perceptually Motivated Online
Benchmark for Image Matting", CVPR 2009, section 4. Constants and scales are those of the MATLAB
code published with Xu et al., "Deep Image Matting", CVPR 2017, arXiv:1703.03872, with which the
tables of the matting literature are made.

Every function takes `(prediction, alpha, trimap=None)`: two float32 or float64 arrays (h, w)
in [0, 1] and a uint8 trimap (h, w), of which only the unknown pixels, exactly 128, are counted;
without a trimap every pixel is. The benchmark compares 8-bit files: round a prediction to
multiples of 1/255 first where its digits matter.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from maskwright.errors import ShapeError, TrimapError, UsageError
from maskwright.structures.trimap import UNKNOWN

GRADIENT_SIGMA_PX = 1.4
GRADIENT_RADIUS_PX = 4  # where the Gaussian falls below the benchmark's epsilon, 1e-2
CONNECTIVITY_STEPS = 10  # thresholds 0.1, 0.2, ... 1.0
CONNECTIVITY_TOLERANCE = 0.15  # a smaller distance to the connected level is forgiven
_TIE = 1e-6  # 0.6 in float32 reaches the threshold 0.6; finer than a 16-bit step


def sad(prediction: np.ndarray, alpha: np.ndarray, trimap: np.ndarray | None = None) -> float:
    """Return the sum of absolute differences, in thousands: Σ |p − a| / 1000.

    Raises:
        UsageError: If an array is not float32 or float64 in [0, 1], or the trimap is not uint8.
        ShapeError: If an array is not (h, w), or their sizes differ.
        TrimapError: If no pixel of the trimap is unknown.
    """
    return float(np.abs(_difference(prediction, alpha, trimap)).sum()) / 1000


def mad(prediction: np.ndarray, alpha: np.ndarray, trimap: np.ndarray | None = None) -> float:
    """Return the mean absolute difference |p − a|. Raises as `sad` does."""
    return float(np.abs(_difference(prediction, alpha, trimap)).mean())


def mse(prediction: np.ndarray, alpha: np.ndarray, trimap: np.ndarray | None = None) -> float:
    """Return the mean squared difference (p − a)²; tables often print it times 1000.

    Raises as `sad` does.
    """
    return float(np.square(_difference(prediction, alpha, trimap)).mean())


def gradient_error(
    prediction: np.ndarray, alpha: np.ndarray, trimap: np.ndarray | None = None
) -> float:
    """Return how much the edges differ: Σ (‖∇p‖ − ‖∇a‖)² / 1000.

    Both mattes are first stretched to span [0, 1] over the whole image. ∇ is the derivative of a
    Gaussian, σ = 1.4 px on 9 × 9 pixels, scaled to unit L2 norm; the border is repeated.
    Raises as `sad` does.
    """
    counted = _counted_pixels(prediction, alpha, trimap)
    window = _window_around(counted, GRADIENT_RADIUS_PX)
    difference = _gradient_magnitude(_stretched(prediction, window))
    difference -= _gradient_magnitude(_stretched(alpha, window))
    return float(np.square(difference[counted[window]], dtype=np.float64).sum()) / 1000


def connectivity_error(
    prediction: np.ndarray, alpha: np.ndarray, trimap: np.ndarray | None = None
) -> float:
    """Return how differently pixels hang together with the subject: Σ |φ(p) − φ(a)| / 1000.

    l(x) is the last of the thresholds 0, 0.1, ... at which x belongs to the largest 4-connected
    region where both mattes reach the threshold; φ(m) = 1 − d·[d ≥ 0.15] with d = m − l.
    Raises as `sad` does.
    """
    counted = _counted_pixels(prediction, alpha, trimap)
    steps = np.floor((np.minimum(prediction, alpha) + _TIE) * CONNECTIVITY_STEPS)
    level = _connected_steps(steps.astype(np.uint8))[counted] / CONNECTIVITY_STEPS
    difference = _connectivity(prediction[counted], level) - _connectivity(alpha[counted], level)
    return float(np.abs(difference).sum()) / 1000


def _difference(
    prediction: np.ndarray, alpha: np.ndarray, trimap: np.ndarray | None
) -> Float[np.ndarray, " pixel"]:
    counted = _counted_pixels(prediction, alpha, trimap)
    return prediction[counted].astype(np.float64) - alpha[counted]


def _counted_pixels(
    prediction: np.ndarray, alpha: np.ndarray, trimap: np.ndarray | None
) -> Bool[np.ndarray, "h w"]:
    """Return which pixels count, after checking everything the caller gave."""
    for name, matte in (("prediction", prediction), ("alpha", alpha)):
        _check_matte(name, matte)
    if prediction.shape != alpha.shape:
        raise ShapeError(
            f"prediction and alpha must have one size, got {prediction.shape} and {alpha.shape}; "
            "compare them at the size of the photo"
        )
    if trimap is None:
        return np.ones(alpha.shape, dtype=bool)
    if trimap.dtype != np.uint8:
        raise UsageError(
            f"a trimap must be uint8 with 128 for unknown, got {trimap.dtype}; "
            "read it with maskwright.image.trimap.read_trimap"
        )
    if trimap.shape != alpha.shape:
        raise ShapeError(
            f"the trimap must have the size of alpha, {alpha.shape}, got {trimap.shape}; "
            "use the trimap made for this photo"
        )
    unknown = trimap == UNKNOWN
    if not unknown.any():
        raise TrimapError(
            "a score needs unknown pixels, exactly 128, got a trimap without any; "
            "leave the trimap out to score the whole image"
        )
    return unknown


def _check_matte(name: str, matte: np.ndarray) -> None:
    if matte.ndim != 2 or not matte.size:
        raise ShapeError(f"{name} must be an array (h, w), got {matte.shape}; take one channel")
    if matte.dtype not in (np.float32, np.float64):
        raise UsageError(
            f"{name} must be float32 or float64 in [0, 1], got {matte.dtype}; "
            "divide integers by their largest value"
        )
    low, high = float(matte.min()), float(matte.max())
    if not (low >= 0 and high <= 1):  # written so that NaN is refused too
        raise UsageError(f"{name} must lie in [0, 1], got {low:g} to {high:g}; clip or scale it")


def _window_around(counted: Bool[np.ndarray, "h w"], margin_px: int) -> tuple[slice, slice]:
    """Return the rows and columns of the smallest box, plus a margin, that holds all counted."""

    def span(axis: int) -> slice:
        at = np.flatnonzero(counted.any(axis=1 - axis))
        return slice(max(int(at[0]) - margin_px, 0), int(at[-1]) + 1 + margin_px)

    return span(0), span(1)


def _stretched(
    matte: Float[np.ndarray, "h w"], window: tuple[slice, slice]
) -> Float[np.ndarray, "window_h window_w"]:
    """Return a window of the matte, shifted and scaled so that the whole spans [0, 1]."""
    low, high = float(matte.min()), float(matte.max())
    scale = 1 / (high - low) if high > low else 1.0
    return ((matte[window] - low) * scale).astype(np.float32)


def _gradient_magnitude(matte: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    x = np.arange(-GRADIENT_RADIUS_PX, GRADIENT_RADIUS_PX + 1)
    gauss = np.exp(-(x**2) / (2 * GRADIENT_SIGMA_PX**2))
    slope = x * gauss
    # The norm of an outer product is the product of the norms, so each factor takes its own.
    gauss, slope = gauss / np.linalg.norm(gauss), slope / np.linalg.norm(slope)
    repeat = cv2.BORDER_REPLICATE
    along_x = cv2.sepFilter2D(matte, cv2.CV_32F, slope, gauss, borderType=repeat)
    along_y = cv2.sepFilter2D(matte, cv2.CV_32F, gauss, slope, borderType=repeat)
    return cv2.magnitude(along_x, along_y)


def _connectivity(
    matte: Float[np.ndarray, " pixel"], level: Float[np.ndarray, " pixel"]
) -> Float[np.ndarray, " pixel"]:
    """Return φ: 1 for a pixel connected at about its own value, less the further it stands out."""
    distance = matte - level
    return 1 - distance * (distance >= CONNECTIVITY_TOLERANCE)


def _connected_steps(steps: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Return up to which step each pixel belonged to the largest region at every step so far.

    Args:
        steps: How many of the thresholds both mattes reach, 0 to 10.
    """
    if not steps.any():
        # The benchmark's code decides nothing at a threshold that no pixel reaches; what is
        # undecided at the end counts as fully connected.
        return np.full_like(steps, CONNECTIVITY_STEPS)
    connected = np.zeros_like(steps)
    window = _window_around(steps > 0, 0)  # outside, nothing reaches the first threshold
    steps, inside = np.ascontiguousarray(steps[window]), connected[window]
    inside[:] = CONNECTIVITY_STEPS
    region = None
    for step in range(int(steps.max()), 0, -1):
        region = _region_grown_from(region, steps, step)
        if region is None:
            region = _largest_region(steps >= step)
        inside[~region] = step - 1  # overwritten where a lower step is missed too
    return connected


def _region_grown_from(
    higher: Bool[np.ndarray, "h w"] | None, steps: UInt8[np.ndarray, "h w"], step: int
) -> Bool[np.ndarray, "h w"] | None:
    """Return the region at this step around that of a higher step, if it is surely the largest.

    It is when it holds more than half of what reaches the step. Filling one region is much
    faster than numbering all of them.
    """
    if higher is None:
        return None
    y, x = divmod(int(higher.argmax()), higher.shape[1])
    filled = np.zeros((steps.shape[0] + 2, steps.shape[1] + 2), dtype=np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE
    below, above = int(steps[y, x]) - step, CONNECTIVITY_STEPS
    area = cv2.floodFill(steps, filled, (x, y), 0, below, above, flags)[0]
    if 2 * area <= np.count_nonzero(steps >= step):
        return None
    return filled[1:-1, 1:-1].view(bool)


def _largest_region(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Return the largest 4-connected region; among equals the one MATLAB numbers first."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    area = stats[1:, cv2.CC_STAT_AREA]
    largest = 1 + np.flatnonzero(area == area.max())
    if len(largest) == 1:
        return labels == largest[0]
    # MATLAB numbers regions column by column, by their first pixel.
    column = labels[:, stats[largest, cv2.CC_STAT_LEFT].min()]
    return labels == column[np.isin(column, largest)][0]
