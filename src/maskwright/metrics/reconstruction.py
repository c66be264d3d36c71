"""How near a restored picture is to the original: PSNR and SSIM.

Both take two float32 or float64 arrays (h, w) in [0, 1], the range of 1 being what the scores
are relative to. For several pictures, average the scores; a score of pictures joined is another
number, and so is one relative to the range of each picture.
"""

import math

import cv2
import numpy as np
from jaxtyping import Float

from maskwright.errors import ShapeError, UsageError

SIGMA_PX, RADIUS_PX = 1.5, 5  # of the window of 11 x 11 pixels
C1, C2 = 0.01**2, 0.03**2


def psnr(prediction: np.ndarray, image: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio, -10 log10 mean (p - i)^2, in dB; inf when equal.

    Raises:
        ShapeError: If an array is not (h, w), or their sizes differ.
        UsageError: If an array is not floating point in [0, 1].
    """
    _check(prediction, image)
    error = float(np.square(prediction - image, dtype=np.float64).mean())
    return -10 * math.log10(error) if error else math.inf


def ssim(prediction: np.ndarray, image: np.ndarray) -> float:
    """Return the structural similarity, up to 1 for equal pictures.

    Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to
    Structural Similarity", TIP 2004, Eq. (13) to (17): Gaussian windows, population covariance,
    the mean over all windows that lie in the picture.

    Raises:
        ShapeError: As `psnr`, and if a side is shorter than the window of 11 pixels.
        UsageError: As `psnr`.
    """
    _check(prediction, image)
    if min(image.shape) <= 2 * RADIUS_PX:
        raise ShapeError(
            f"SSIM needs pictures of {2 * RADIUS_PX + 1} x {2 * RADIUS_PX + 1} pixels or more, "
            f"got {image.shape}; compare larger ones"
        )
    p, i = prediction.astype(np.float64), image.astype(np.float64)
    mean_p, mean_i = _windowed(p), _windowed(i)
    variances = _windowed(p * p) - mean_p**2 + _windowed(i * i) - mean_i**2
    covariance = _windowed(p * i) - mean_p * mean_i
    similarity = (2 * mean_p * mean_i + C1) * (2 * covariance + C2)
    return float((similarity / ((mean_p**2 + mean_i**2 + C1) * (variances + C2))).mean())


def _windowed(values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "inner_h inner_w"]:
    """Return the Gaussian mean around each pixel that is no nearer to an edge than the radius."""
    window = (2 * RADIUS_PX + 1, 2 * RADIUS_PX + 1)
    inner = slice(RADIUS_PX, -RADIUS_PX)
    return cv2.GaussianBlur(values, window, SIGMA_PX)[inner, inner]


def _check(prediction: np.ndarray, image: np.ndarray) -> None:
    if prediction.ndim != 2 or prediction.shape != image.shape or not image.size:
        raise ShapeError(
            f"prediction and image must be arrays (h, w) of one size, got {prediction.shape} "
            f"and {image.shape}; take one channel of one picture"
        )
    for name, array in (("prediction", prediction), ("image", image)):
        if array.dtype not in (np.float32, np.float64):
            raise UsageError(
                f"{name} must be float32 or float64 in [0, 1], got {array.dtype}; "
                "divide integers by their largest value"
            )
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):  # written so that NaN is refused too
            raise UsageError(f"{name} must lie in [0, 1], got {low:g} to {high:g}; clip it")
