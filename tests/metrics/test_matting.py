import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskwright.errors import ShapeError, TrimapError, UsageError
from maskwright.metrics.matting import connectivity_error, gradient_error, mad, mse, sad

DATA = Path(__file__).parent / "data"
OFFICIAL = json.loads((DATA / "official.json").read_text())
METRICS = {"sad": sad, "mse": mse, "grad": gradient_error, "conn": connectivity_error}
TOLERANCE = {"sad": 1e-4, "mse": 1e-4, "grad": 1e-4, "conn": 1e-3}
HEIGHT, WIDTH = 11, 13


def load(case, name):
    return cv2.imread(str(DATA / f"{case}_{name}.png"), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("case", OFFICIAL)
def test_the_benchmarks_own_code_gives_the_same_number(case, metric, dtype):
    prediction, alpha = (load(case, name).astype(dtype) / dtype(255) for name in ("pred", "alpha"))
    got = METRICS[metric](prediction, alpha, load(case, "trimap"))
    assert got == pytest.approx(OFFICIAL[case][metric], rel=TOLERANCE[metric])


def example(seed):
    """Return a prediction, its truth and a trimap in which ties and lone pixels abound."""
    rng = np.random.default_rng(seed)
    tenths = np.array([0, 51, 102, 153, 204, 255, 255, 255])  # 8-bit values at and near thresholds
    alpha = rng.choice(tenths, size=(HEIGHT, WIDTH))
    prediction = np.clip(
        alpha + rng.integers(-60, 61, size=alpha.shape) * (rng.random() < 0.8), 0, 255
    )
    trimap = rng.choice(np.array([0, 128, 255], dtype=np.uint8), size=alpha.shape)
    if seed % 2:  # unknown pixels in the middle only
        trimap[:5], trimap[-5:], trimap[:, :5], trimap[:, -6:], trimap[5, 6] = 0, 255, 255, 0, 128
    return prediction, alpha, trimap


SEEDS = range(30)


@pytest.mark.parametrize("seed", SEEDS)
def test_differences_written_out(seed):
    prediction, alpha, trimap = example(seed)
    absolute, squared, count = 0.0, 0.0, 0
    for y in range(HEIGHT):
        for x in range(WIDTH):
            if trimap[y, x] == 128:
                difference = (prediction[y, x] - alpha[y, x]) / 255
                absolute += abs(difference)
                squared += difference**2
                count += 1
    inputs = prediction / 255, alpha / 255, trimap
    assert sad(*inputs) == pytest.approx(absolute / 1000)
    assert mad(*inputs) == pytest.approx(absolute / count)
    assert mse(*inputs) == pytest.approx(squared / count)


@pytest.mark.parametrize("seed", SEEDS)
def test_gradient_error_written_out(seed):
    prediction, alpha, trimap = example(seed)
    magnitude = [slow_gradient(matte.tolist()) for matte in (prediction, alpha)]
    expected = 0.0
    for y in range(HEIGHT):
        for x in range(WIDTH):
            if trimap[y, x] == 128:
                expected += (magnitude[0][y][x] - magnitude[1][y][x]) ** 2
    got = gradient_error(prediction / 255, alpha / 255, trimap)
    assert got == pytest.approx(expected / 1000, rel=1e-4, abs=1e-9)


def slow_gradient(matte):
    low, high = min(map(min, matte)), max(map(max, matte))
    kernel = {
        (v, u): -u * np.exp(-(u * u + v * v) / (2 * 1.4**2))
        for v in range(-4, 5)
        for u in range(-4, 5)
    }
    norm = sum(weight**2 for weight in kernel.values()) ** 0.5
    magnitude = []
    for y in range(HEIGHT):
        magnitude.append([])
        for x in range(WIDTH):
            along_x = along_y = 0.0
            for (v, u), weight in kernel.items():
                row, column = min(max(y + v, 0), HEIGHT - 1), min(max(x + u, 0), WIDTH - 1)
                along_x += weight / norm * (matte[row][column] - low) / (high - low)
                row, column = min(max(y + u, 0), HEIGHT - 1), min(max(x + v, 0), WIDTH - 1)
                along_y += weight / norm * (matte[row][column] - low) / (high - low)
            magnitude[-1].append((along_x**2 + along_y**2) ** 0.5)
    return magnitude


@pytest.mark.parametrize("seed", SEEDS)
def test_connectivity_error_written_out(seed):
    prediction, alpha, trimap = example(seed)
    level = slow_level(np.minimum(prediction, alpha).tolist())
    expected = 0.0
    for y in range(HEIGHT):
        for x in range(WIDTH):
            if trimap[y, x] == 128:
                phi = []
                for value in (prediction[y, x] / 255, alpha[y, x] / 255):
                    distance = value - level[y, x]
                    phi.append(1 - distance if distance >= 0.15 else 1)
                expected += abs(phi[0] - phi[1])
    for dtype in (np.float32, np.float64):
        inputs = [matte.astype(dtype) / dtype(255) for matte in (prediction, alpha)]
        assert connectivity_error(*inputs, trimap) == pytest.approx(expected / 1000, abs=1e-7)


def slow_level(lower):
    level = np.full((HEIGHT, WIDTH), -1.0)
    for step in range(1, 11):
        reached = {
            (y, x) for x in range(WIDTH) for y in range(HEIGHT) if lower[y][x] * 10 >= 255 * step
        }
        if not reached:
            continue
        region = slow_largest_region(reached)
        for y in range(HEIGHT):
            for x in range(WIDTH):
                if level[y, x] == -1 and (y, x) not in region:
                    level[y, x] = (step - 1) / 10
    level[level == -1] = 1
    return level


def slow_largest_region(reached):
    """Return the largest region, the first one found column by column among equals."""
    largest, left = set(), set(reached)
    for start in sorted(reached, key=lambda pixel: (pixel[1], pixel[0])):
        if start not in left:
            continue
        left.remove(start)
        region, edge = {start}, [start]
        while edge:
            y, x = edge.pop()
            for neighbour in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if neighbour in left:
                    left.remove(neighbour)
                    region.add(neighbour)
                    edge.append(neighbour)
        if len(region) > len(largest):
            largest = region
    return largest


def test_among_equal_regions_the_leftmost_is_the_subject():
    alpha = np.zeros((HEIGHT, WIDTH))
    alpha[0, 5:7] = 1  # found first row by row
    alpha[7, 2:4] = 1  # found first column by column
    prediction = alpha.copy()
    prediction[0, 5:7] = 0.9
    # The region at the top is never part of the subject, so φ = 1 − m there.
    assert connectivity_error(prediction, alpha) == pytest.approx(2 * 0.1 / 1000)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_value_some_roundings_below_a_threshold_reaches_it(dtype):
    nearly = dtype(0.6) * (1 - 4 * np.finfo(dtype).eps)
    alpha = np.full((HEIGHT, WIDTH), nearly, dtype=dtype)
    alpha[0, 0] = 1
    prediction = alpha.copy()
    prediction[5, 7] = 1
    # l = 0.6 there, and φ(1) = 1 − 0.4; it would be 1 − 0.5 if 0.6 were missed.
    assert connectivity_error(prediction, alpha) == pytest.approx(0.4 / 1000)


def test_nothing_in_common_counts_as_connected():
    alpha = np.zeros((HEIGHT, WIDTH))
    prediction = np.zeros((HEIGHT, WIDTH))
    alpha[3, 5], prediction[7, 2] = 1, 1
    assert connectivity_error(prediction, alpha) == 0


@pytest.mark.parametrize("metric", [*METRICS.values(), mad])
def test_a_perfect_matte_has_no_error(metric):
    prediction, _, trimap = example(0)
    assert metric(prediction / 255, prediction / 255, trimap) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("metric", [sad, gradient_error, connectivity_error])
def test_without_a_trimap_every_pixel_counts(metric):
    prediction, alpha, _ = example(0)
    everywhere = np.full(alpha.shape, 128, dtype=np.uint8)
    inputs = prediction / 255, alpha / 255
    assert metric(*inputs) == pytest.approx(metric(*inputs, everywhere))
    nearly_128 = np.full(alpha.shape, 127, dtype=np.uint8)
    nearly_128[5, 7] = 128
    assert metric(*inputs, nearly_128) < metric(*inputs)


def test_a_flat_matte_has_no_gradient():
    flat = np.full((HEIGHT, WIDTH), 0.3)
    assert gradient_error(flat, np.full((HEIGHT, WIDTH), 0.7)) == 0


@pytest.mark.parametrize("metric", [*METRICS.values(), mad])
def test_what_is_no_matte_is_refused(metric):
    alpha = np.full((HEIGHT, WIDTH), 0.5)
    trimap = np.full((HEIGHT, WIDTH), 128, dtype=np.uint8)
    with pytest.raises(
        ShapeError, match=r"prediction must be an array \(h, w\), got \(11, 13, 3\)"
    ):
        metric(np.zeros((HEIGHT, WIDTH, 3)), alpha)
    with pytest.raises(ShapeError, match=r"one size, got \(11, 12\) and \(11, 13\)"):
        metric(alpha[:, 1:], alpha)
    with pytest.raises(UsageError, match="alpha must be float32 or float64 in .*, got uint8"):
        metric(alpha, np.zeros((HEIGHT, WIDTH), dtype=np.uint8))
    with pytest.raises(UsageError, match="prediction must lie in .*, got 0 to 255"):
        metric(np.linspace(0, 255, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH), alpha)
    with pytest.raises(UsageError, match="got nan to nan"):
        metric(alpha * np.nan, alpha)
    with pytest.raises(UsageError, match="trimap must be uint8 .* got float64"):
        metric(alpha, alpha, alpha)
    with pytest.raises(ShapeError, match=r"size of alpha, \(11, 13\), got \(10, 13\)"):
        metric(alpha, alpha, trimap[1:])
    with pytest.raises(TrimapError, match="exactly 128, got a trimap without any"):
        metric(alpha, alpha, trimap - 1)
