import pytest

from maskwright.models.mematte.config import BASE, SMALL
from maskwright.models.mematte.cost import multiply_adds, peak_bytes
from maskwright.models.mematte.limits import Limits


@pytest.mark.parametrize(
    ("config", "side", "kept", "published"),
    [
        (SMALL, 512, 0.25, 58.3e9),
        (SMALL, 512, 1.0, 63.1e9),
        (SMALL, 1024, 0.25, 222.6e9),
        (SMALL, 1024, 1.0, 278.2e9),
        (BASE, 512, 0.25, 151.2e9),
        (BASE, 1024, 1.0, 689.1e9),
    ],
)
def test_multiply_adds_are_near_counted_ones(config, side, kept, published):
    assert multiply_adds(config, (side, side), kept=kept) == pytest.approx(published, rel=0.09)


def test_what_is_not_decoded_costs_nothing():
    whole, half, none = (multiply_adds(SMALL, (512, 768), decoded=d) for d in (1.0, 0.5, 0.0))
    assert half == pytest.approx((whole + none) / 2) and none > 0


def test_bounds_lower_the_peak():
    size, loose = (2048, 3072), Limits()
    for tighter in (
        Limits(tile_px=512),
        Limits(tile_px=512, window_rows=2),
        Limits(tile_px=512, window_rows=2, token_rows=16),
        Limits(tile_px=512, window_rows=2, token_rows=16, max_tokens=2000),
    ):
        assert peak_bytes(SMALL, size, tighter) <= peak_bytes(SMALL, size, loose)
        loose = tighter
