import cv2
import numpy as np
import pytest


def draw_hair(size, *, seed=0, strands=90):
    """Return alpha of a head with anti-aliased strands, its colours, and those behind it."""
    height, width = size
    rng = np.random.default_rng(seed)
    fine = np.zeros((4 * height, 4 * width), np.uint8)
    centre, radius = np.array([2 * width, 2 * height]), int(min(size))
    cv2.circle(fine, centre.tolist(), radius, 255, -1)
    for _ in range(strands):
        angle = rng.uniform(0, 2 * np.pi)
        point = centre + 0.95 * radius * np.array([np.cos(angle), np.sin(angle)])
        points = [point]
        for _ in range(15):
            angle += rng.normal(0, 0.2)
            points.append(points[-1] + 0.04 * radius * np.array([np.cos(angle), np.sin(angle)]))
        cv2.polylines(fine, [np.array(points, np.int32)], False, 255, int(rng.integers(2, 6)))
    alpha = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA) / np.float32(255)
    grids = rng.uniform(0.05, 0.95, (2, 5, 5, 3)).astype(np.float32)
    colours, behind = (
        np.clip(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
        for grid in grids
    )
    return alpha, colours, behind


@pytest.fixture
def hair():
    """Return the function that draws a head with hair: alpha, its colours, those behind it."""
    return draw_hair
