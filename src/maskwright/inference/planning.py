"""How a photo is matted within a budget of memory: the grid, the limits, the peak they lead to."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from maskwright.inference.tiles import Grid, largest_window_px
from maskwright.models.mematte.config import Config
from maskwright.models.mematte.cost import multiply_adds, peak_bytes
from maskwright.models.mematte.limits import Limits

CORES_PX = (2048, 1536, 1024, 768, 512, 384, 256, 128)
USUAL_CORE_PX = 1024  # where no budget is given
STEPS = (  # the fastest first; none changes the result
    Limits(token_rows=64, window_rows=5, tile_px=1024),
    Limits(token_rows=32, window_rows=2, tile_px=512),
    Limits(token_rows=16, window_rows=1, tile_px=384),
    Limits(token_rows=8, window_rows=1, tile_px=256),
    Limits(token_rows=4, window_rows=1, tile_px=128),
)
USUAL_STEP = 1
CAPS = (18_500, 12_000, 8_000, 4_000, 2_000, 1_000)  # of tokens; these do change the result
PER_PIXEL_BYTES = 27  # trimap, normalised input, alpha in and alpha out, and a margin


@dataclass(frozen=True)
class MattePlan:
    """What will be done.

    Attributes:
        grid: The tiles that a network is given.
        limits: How much it computes at once, for networks that see the whole photo.
        bytes: Memory this takes at its peak, beyond what is resident before.
        multiply_adds: Of a photo that is unknown everywhere; a guess.
    """

    grid: Grid
    limits: Limits | None
    bytes: int
    multiply_adds: float


@runtime_checkable
class Planner(Protocol):
    """Knows what a network costs."""

    @property
    def pad_px(self) -> int:
        """The photo is continued, reflected, to a multiple of this."""
        ...

    def plan(self, size: tuple[int, int], available: int | None) -> MattePlan:
        """Return the fastest plan for a photo, or the smallest if none fits.

        Args:
            size: Height and width of the photo.
            available: Bytes, or None for no bound.
        """
        ...


@dataclass(frozen=True)
class TilePlanner:
    """For networks that look at a bounded window, or cannot be bounded.

    Attributes:
        reach_px: How far the network looks from a pixel, or None if at everything.
        align_px: Pixels after which its inner grids repeat.
        bytes_per_pixel: Memory at its peak, per pixel that it is given.
        multiply_adds_per_pixel: Of the same.
        pad_px: See `Planner`.
    """

    reach_px: int | None
    align_px: int
    bytes_per_pixel: int
    multiply_adds_per_pixel: int = 0
    pad_px: int = 16

    def plan(self, size: tuple[int, int], available: int | None) -> MattePlan:
        """Return the plan with the largest tiles that fit, or with the smallest."""
        if self.reach_px is None:
            return self._plan(_whole(size, self.align_px), size)
        for core_px in (USUAL_CORE_PX,) if available is None else CORES_PX:
            plan = self._plan(Grid(core_px, self.reach_px, self.align_px), size)
            if available is None or plan.bytes <= available:
                break
        return plan

    def _plan(self, grid: Grid, size: tuple[int, int]) -> MattePlan:
        pixels = min(largest_window_px(grid), size[0] * size[1])
        work = size[0] * size[1] * self.multiply_adds_per_pixel
        return MattePlan(grid, None, pixels * self.bytes_per_pixel, work)


@dataclass(frozen=True)
class LimitPlanner:
    """For MEMatte: the whole photo at once, within limits.

    Attributes:
        config: The network's sizes.
        pad_px: See `Planner`; the network fills up by itself.
    """

    config: Config
    pad_px: int = 1

    def plan(self, size: tuple[int, int], available: int | None) -> MattePlan:
        """Return the plan with the least bounds that fits, or the smallest.

        Bounds that leave the result as it is come first; then a cap on the tokens that attend
        globally, as high as possible.
        """
        steps = [replace(step, skip_known=True) for step in STEPS]
        if available is None:
            return self._plan(steps[USUAL_STEP], size)
        caps = CAPS if self.config.routed else ()
        for limits in [*steps, *(replace(steps[-1], max_tokens=cap) for cap in caps)]:
            plan = self._plan(limits, size)
            if plan.bytes <= available:
                break
        return plan

    def _plan(self, limits: Limits, size: tuple[int, int]) -> MattePlan:
        needed = peak_bytes(self.config, size, limits) + PER_PIXEL_BYTES * size[0] * size[1]
        return MattePlan(_whole(size, 32), limits, needed, multiply_adds(self.config, size))


def _whole(size: tuple[int, int], align_px: int) -> Grid:
    side = -(-max(size) // align_px) * align_px
    return Grid(side, side, align_px)
