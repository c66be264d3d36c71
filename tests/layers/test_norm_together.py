import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from maskwright.layers.norm_together import (
    BatchNormTogether,
    Statistics,
    normalise_over_processes,
    normalise_together,
)

BATCH, CHANNELS, HEIGHT, WIDTH = 3, 5, 7, 11


def maps(dtype=torch.float64):
    torch.manual_seed(0)
    return (torch.randn(BATCH, CHANNELS, HEIGHT, WIDTH, dtype=dtype) * 3 + 2).requires_grad_()


def test_in_one_process_it_is_torch_s_batch_norm():
    x, weight, bias = maps(), torch.rand(CHANNELS).double(), torch.rand(CHANNELS).double()
    weight.requires_grad_(), bias.requires_grad_()
    statistics = torch.rand(2, CHANNELS).double()
    theirs, ours = statistics.clone(), Statistics(*statistics, 0.3)
    expected = F.batch_norm(x, *theirs, weight, bias, training=True, momentum=0.3, eps=1e-3)
    found = normalise_together(x, weight, bias, statistics=ours, eps=1e-3)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.stack(ours[:2]), theirs)
    towards = torch.randn_like(found)
    given = (x, weight, bias)
    for mine, other in zip(
        torch.autograd.grad(found, given, towards),
        torch.autograd.grad(expected, given, towards),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


def test_a_large_mean_does_not_drown_the_variance():
    x = (maps(torch.float32).detach() + 3000).requires_grad_()
    one, zero = torch.ones(CHANNELS), torch.zeros(CHANNELS)
    kept = Statistics(zero.clone(), one.clone(), 0.1)
    found = normalise_together(x, one, zero, statistics=kept, eps=1e-5)
    assert found.var((0, 2, 3), correction=0).tolist() == pytest.approx([1] * CHANNELS, rel=1e-3)


def test_half_precision_is_counted_in_full():
    x = maps(torch.bfloat16)
    one, zero = torch.ones(CHANNELS), torch.zeros(CHANNELS)
    kept = Statistics(zero.clone(), one.clone(), 1.0)
    found = normalise_together(x, one, zero, statistics=kept, eps=1e-5)
    assert found.dtype == torch.bfloat16 and kept.mean.dtype == torch.float32
    torch.testing.assert_close(kept.mean, x.float().mean((0, 2, 3)))


def test_a_network_s_norms_are_changed_and_its_state_kept():
    network = nn.Sequential(nn.Conv2d(CHANNELS, 3, 1), nn.BatchNorm2d(3))
    plain, state = copy.deepcopy(network), copy.deepcopy(network.state_dict())
    parameters = list(network.parameters())
    normalise_over_processes(network)
    assert type(network[1]) is BatchNormTogether and isinstance(network[1], nn.BatchNorm2d)
    assert all(a is b for a, b in zip(network.parameters(), parameters, strict=True))
    assert network.state_dict().keys() == state.keys()
    x = maps(torch.float32).detach()
    for mode in (True, False):
        ours, theirs = network.train(mode)(x), plain.train(mode)(x)
        torch.testing.assert_close(ours, theirs)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value)
    assert network[1].num_batches_tracked == 1
