import numpy as np
import pytest
import torch
from torch import nn

from maskwright.errors import MemoryBudgetError, TrimapError, WeightsError
from maskwright.inference.matte import DEVIATION, MEAN, Matter, network_input
from maskwright.inference.planning import TilePlanner
from maskwright.inference.tiles import Grid, plan_tiles
from maskwright.models import a2u
from maskwright.models.a2u.config import MINI, Config
from maskwright.structures.trimap import Trimap
from maskwright.weights.load import save_model

HEIGHT, WIDTH = 211, 307  # primes: no tile and no stride fits


class Local(nn.Module):
    """Looks ten pixels far and knows where it is on a grid of 16."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.near = nn.Conv2d(4, 3, 11, padding=5)
        self.grid = nn.Conv2d(3, 16, 16, stride=16)
        self.mix = nn.Conv2d(3, 1, 11, padding=5)

    def forward(self, x):
        y = self.near(x).relu()
        coarse = nn.functional.pixel_shuffle(self.grid(y), 4)
        coarse = nn.functional.interpolate(coarse, scale_factor=4.0, mode="nearest")
        return self.mix(y) * 0.2 + coarse * 0.2 + 0.5


@pytest.fixture
def matter():
    return Matter(Local(), TilePlanner(32, 16, 100), device="cpu")


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    y, x = np.indices((HEIGHT, WIDTH))
    radius = np.hypot(y - 100, x - 150)
    trimap = np.where(radius < 50, 255, np.where(radius < 80, 128, 0)).astype(np.uint8)
    return photo, trimap


def test_known_pixels_are_exactly_what_the_trimap_says(matter, scene):
    photo, trimap = scene
    alpha = matter.matte(photo, trimap).alpha
    assert (alpha[trimap == 255] == 1).all() and (alpha[trimap == 0] == 0).all()
    unknown = alpha[trimap == 128]
    assert alpha.dtype == np.float32 and ((unknown > 0) & (unknown < 1)).mean() > 0.5


@pytest.mark.parametrize("core_px", [16, 48, 128])
@pytest.mark.parametrize("shift_px", [0, 16])
def test_tiles_equal_the_whole(matter, scene, core_px, shift_px):
    photo, trimap = scene
    whole = Matter(Local(), TilePlanner(None, 16, 100), device="cpu")
    matter.grid = Grid(core_px, 32, 16, shift_px)
    tiled, untiled = matter.matte(photo, trimap), whole.matte(photo, trimap)
    assert len(list(plan_tiles(trimap == 128, matter.grid))) > 1
    np.testing.assert_allclose(tiled.alpha, untiled.alpha, atol=1e-5)


def test_a_trimap_structure_is_a_trimap(matter, scene):
    photo, trimap = scene
    np.testing.assert_array_equal(
        matter.matte(photo, Trimap(trimap)).alpha, matter.matte(photo, trimap).alpha
    )


def test_a_trimap_structure_may_lack_sure_foreground_but_a_file_may_not(matter, scene):
    photo, trimap = scene
    glass = np.where(trimap == 255, np.uint8(128), trimap)
    alpha = matter.matte(photo, Trimap(glass)).alpha
    assert ((alpha > 0) & (alpha < 1))[glass == 128].any()
    with pytest.raises(TrimapError, match="where the object surely is, got none"):
        matter.matte(photo, glass)


def test_the_input_is_normalised_and_reflected():
    rng = np.random.default_rng(0)
    rgb, trimap = rng.random((17, 30, 3), np.float32), np.full((17, 30), 128, np.uint8)
    x = network_input(rgb, trimap)
    assert x.shape == (1, 4, 32, 32) and x.dtype == np.float32
    expected = (rgb[5, 7] - MEAN) / DEVIATION
    np.testing.assert_allclose(x[0, :3, 5, 7], expected, rtol=1e-5)
    assert x[0, 3, 0, 0] == np.float32(128 / 255)
    np.testing.assert_array_equal(x[0, :, 17], x[0, :, 15])
    np.testing.assert_array_equal(x[0, :, :, 31], x[0, :, :, 27])


@pytest.mark.parametrize("size", [(1, 2), (2, 1), (1, 40)])
def test_the_smallest_photos_are_padded_too(size):
    x = network_input(np.zeros((*size, 3), np.float32), np.zeros(size, np.uint8))
    assert x.shape[2] % 16 == 0 and x.shape[3] % 16 == 0


def test_a_trimap_of_another_size_is_refused(matter, scene):
    photo, trimap = scene
    with pytest.raises(TrimapError, match="211"):
        matter.matte(photo, trimap[:-1])


def test_a_budget_picks_smaller_tiles_with_the_same_result(scene):
    photo, trimap = scene
    from maskwright.inference.memory import resident_bytes

    budget = resident_bytes() + 2**30
    costly = TilePlanner(32, 16, bytes_per_pixel=2**30 // (230 * 230))
    light = Matter(Local(), costly, device="cpu", max_memory=budget)
    free = Matter(Local(), TilePlanner(32, 16, 1), device="cpu")
    size = photo.shape[:2]
    assert light.plan(size).grid.core_px < free.plan(size).grid.core_px
    np.testing.assert_allclose(
        light.matte(photo, trimap).alpha, free.matte(photo, trimap).alpha, atol=1e-5
    )


@pytest.mark.parametrize("reach_px", [32, None])
def test_a_budget_that_is_too_small_names_one_that_would_do(scene, reach_px):
    planner = TilePlanner(reach_px, 16, bytes_per_pixel=10**6)
    matter = Matter(Local(), planner, device="cpu", max_memory="1M")
    with pytest.raises(MemoryBudgetError, match=r"at least --max-memory [\d.]+[MG] .* got 1M"):
        matter.matte(*scene)


def test_weights_of_a_file_are_loaded_with_their_footprint(tmp_path, scene):
    for config, reach_px in ((MINI, MINI.reach_px), (Config(), None)):
        torch.manual_seed(0)
        model = a2u.build(config)
        path = tmp_path / f"{config.encoder}.safetensors"
        save_model(path, model.state_dict(), paper="a2u", config=config, source="a test")
        matter = Matter.load(path, device="cpu")
        assert isinstance(matter.planner, TilePlanner) and matter.planner.reach_px == reach_px
        assert matter.matte(*scene).alpha.shape == (HEIGHT, WIDTH)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(WeightsError, match="no weights file .*none.safetensors"):
        Matter.load(tmp_path / "none.safetensors")
