import numpy as np
import pytest
import torch

from maskwright.errors import MemoryBudgetError
from maskwright.inference.matte import Matter
from maskwright.inference.memory import resident_bytes
from maskwright.inference.planning import CAPS, STEPS, LimitPlanner, TilePlanner
from maskwright.models import mematte
from maskwright.models.mematte.config import SMALL, Config
from maskwright.weights.load import save_model

TINY = Config(
    channels=16,
    depth=3,
    heads=2,
    window_blocks=(0, 1),
    window=3,
    detail_widths=(4, 6, 8),
    fusion_widths=(12, 8, 6, 4),
    head_width=4,
)
SIZE = (97, 131)


def scene():
    rng = np.random.default_rng(0)
    trimap = np.zeros(SIZE, np.uint8)
    trimap[30:80, 40:110], trimap[40:60, 60:80] = 128, 255
    return rng.integers(0, 256, (*SIZE, 3), np.uint8), trimap


def test_less_memory_means_smaller_steps_and_then_fewer_tokens():
    planner, size = LimitPlanner(SMALL), (4872, 6017)
    plans = [planner.plan(size, budget) for budget in (2**40, 4 * 2**30, 3 * 2**30, 2**28)]
    assert [plan.bytes for plan in plans] == sorted((plan.bytes for plan in plans), reverse=True)
    assert plans[0].limits.tile_px == STEPS[0].tile_px
    assert plans[0].limits.max_tokens is plans[1].limits.max_tokens is None
    assert plans[-1].limits.max_tokens == CAPS[-1]
    assert all(plan.limits.skip_known for plan in plans)


@pytest.mark.parametrize("planner", [LimitPlanner(SMALL), TilePlanner(320, 64, 500)])
def test_memory_grows_with_pixels_and_not_with_their_square(planner):
    budget = 2**31
    small, large = (planner.plan(size, budget).bytes for size in ((2000, 3000), (4000, 6000)))
    assert large <= 4.2 * small


def test_a_network_without_routers_has_no_cap():
    plan = LimitPlanner(Config(routed=False)).plan((4872, 6017), 2**28)
    assert plan.limits.max_tokens is None


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    state = mematte.build(TINY).state_dict()
    return save_model(
        tmp_path / "t.safetensors", state, paper="mematte", config=TINY, source="a test"
    )


def test_budgets_do_not_change_alpha(weights):
    free = Matter.load(weights, device="cpu")
    tight = Matter.load(weights, device="cpu", max_memory=resident_bytes() + 2**28)
    alphas = [matter.matte(*scene()).alpha for matter in (free, tight)]
    np.testing.assert_allclose(*alphas, rtol=0, atol=1e-5)
    photo, trimap = scene()
    assert (alphas[0][trimap == 255] == 1).all() and (alphas[0][trimap == 0] == 0).all()


def test_a_budget_that_is_too_small_is_refused_with_one_that_would_do(weights):
    matter = Matter.load(weights, device="cpu", max_memory="1M")
    with pytest.raises(MemoryBudgetError, match=r"at least --max-memory [\d.]+[MG] .* got 1M"):
        matter.matte(*scene())
