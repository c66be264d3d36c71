import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from maskwright.inference.tiles import Grid, largest_window_px, plan_tiles

ALIGN = 8


@st.composite
def plans(draw):
    size = draw(st.tuples(st.integers(1, 90), st.integers(1, 70)))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    wanted = rng.random(size) < draw(st.sampled_from([0.0, 0.002, 0.05, 1.0]))
    grid = Grid(
        core_px=ALIGN * draw(st.integers(1, 6)),
        halo_px=draw(st.integers(0, 20)),
        align_px=ALIGN,
        shift_px=ALIGN * draw(st.integers(0, 1)),
    )
    return wanted, grid


@settings(deadline=None)
@given(plans())
def test_every_wanted_pixel_is_in_exactly_one_core(plan):
    wanted, grid = plan
    covered = np.zeros(wanted.shape, int)
    for tile in plan_tiles(wanted, grid):
        covered[tile.core] += 1
    assert (covered[wanted] == 1).all()
    assert covered.max(initial=0) <= 1


@settings(deadline=None)
@given(plans())
def test_windows_hold_the_core_with_its_halo_and_start_on_the_grid(plan):
    wanted, grid = plan
    for tile in plan_tiles(wanted, grid):
        area = 1
        for core, window, length in zip(tile.core, tile.window, wanted.shape, strict=True):
            assert window.start % grid.align_px == 0
            assert window.start <= max(0, core.start - grid.halo_px)
            assert window.stop >= min(length, core.stop + grid.halo_px)
            area *= window.stop - window.start
        assert area <= largest_window_px(grid)


def test_nothing_wanted_needs_no_tile():
    assert not list(plan_tiles(np.zeros((40, 50), bool), Grid(16, 8, 8)))


def test_the_core_is_the_box_around_what_is_wanted():
    wanted = np.zeros((64, 64), bool)
    wanted[20:23, 40] = True
    (tile,) = plan_tiles(wanted, Grid(64, 4, 8))
    assert tile.core == (slice(20, 23), slice(40, 41))
    assert tile.window == (slice(16, 32), slice(32, 48))
    assert np.zeros((16, 16))[tile.inner].shape == (3, 1)
