"""How long each matting score takes on a 25-megapixel matte.

python -m benchmarks.metrics [--side 5000] [--repeats 5]
"""

import argparse
import statistics
import time

import cv2
import numpy as np

from benchmarks.record import RESULTS, append_csv, provenance
from maskwright.metrics.matting import connectivity_error, gradient_error, mad, mse, sad

METRICS = (sad, mad, mse, gradient_error, connectivity_error)


def make_case(side_px: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return prediction, alpha and trimap of a frayed disc that fills a third of the picture."""
    rng = np.random.default_rng(0)
    coarse = rng.random((side_px // 20, side_px // 20), dtype=np.float32)
    fray = cv2.resize(coarse, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[-0.5 : 0.5 : side_px * 1j, -0.5 : 0.5 : side_px * 1j].astype(np.float32)
    alpha = np.clip(20 * (0.3 + 0.1 * fray - np.hypot(x, y)), 0, 1)
    soft = ((alpha > 0) & (alpha < 1)).astype(np.uint8)
    noise = rng.normal(0, 0.08, alpha.shape).astype(np.float32) * soft
    prediction = np.round(np.clip(alpha + noise, 0, 1) * 255) / np.float32(255)
    unknown = cv2.dilate(soft, np.ones((61, 61), np.uint8)) > 0
    trimap = np.where(unknown, 128, np.where(alpha > 0.5, 255, 0)).astype(np.uint8)
    return prediction, alpha, trimap


def main() -> None:
    """Print median and spread of each score's time; add them to results/metrics.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=5000, help="pixels; 5000 are 25 megapixels")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    run = provenance("metrics")
    case = make_case(options.side)
    print(f"{options.side}² pixels, {(case[2] == 128).mean():.0%} unknown, {run['device']}")
    for metric in METRICS:
        seconds = []
        for _ in range(options.repeats):
            start = time.perf_counter()
            metric(*case)
            seconds.append(time.perf_counter() - start)
        median, low, high = statistics.median(seconds), min(seconds), max(seconds)
        print(f"{metric.__name__:20} {median:6.2f} s  ({low:.2f} to {high:.2f})")
        times = {"median_s": f"{median:.3f}", "min_s": f"{low:.3f}", "max_s": f"{high:.3f}"}
        row = {"metric": metric.__name__, "side_px": options.side, **times, **run}
        append_csv(RESULTS / "metrics.csv", row)


if __name__ == "__main__":
    main()
