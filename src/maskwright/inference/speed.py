"""How fast this machine multiplies, for a guess of how long something will take."""

import time

import torch

SIDE, SECONDS = 768, 0.15
SHARE = 0.35  # of the speed of a plain product that a network's layers reach, roughly


def multiply_adds_per_second(device: torch.device) -> float:
    """Return the multiply-adds a second that networks reach here; measured in a moment."""
    a = torch.rand(SIDE, SIDE, device=device)
    best, end = float("inf"), time.perf_counter() + SECONDS
    with torch.inference_mode():
        (a @ a).sum().item()
        while time.perf_counter() < end:
            start = time.perf_counter()
            (a @ a).sum().item()
            best = min(best, time.perf_counter() - start)
    return SHARE * SIDE**3 / best
