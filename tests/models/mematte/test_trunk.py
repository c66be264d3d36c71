import pytest
import torch

from maskwright.models.mematte import trunk
from maskwright.models.mematte.inputs import PLAIN, read
from maskwright.models.mematte.trunk import Trunk

SIZE = 70, 3


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Trunk(PLAIN, 8).double().eval()


@pytest.fixture(scope="module")
def inputs():
    torch.manual_seed(1)
    return read(torch.randn(1, PLAIN, 16 * SIZE[0] - 9, 16 * SIZE[1]).double(), hinted=False)


def run(network, inputs, rows):
    with torch.no_grad():
        return torch.cat([part for _, part in network(inputs, SIZE, rows)], 1)


@pytest.fixture(scope="module")
def whole(network, inputs):
    return run(network, inputs, None)


@pytest.mark.parametrize("rows", [1, 4, 9])
def test_strips_give_the_whole(network, inputs, whole, rows):
    torch.testing.assert_close(run(network, inputs, rows), whole, rtol=0, atol=1e-9)
    assert whole.shape == (1, *SIZE, 8) and whole.std() > 1e-3


@pytest.mark.parametrize("reach", ["FIRST_REACH", "REACH"])
def test_less_reach_would_not_do(network, inputs, whole, reach, monkeypatch):
    monkeypatch.setattr(trunk, reach, 0)
    assert not torch.allclose(run(network, inputs, 4), whole, rtol=0, atol=1e-6)
