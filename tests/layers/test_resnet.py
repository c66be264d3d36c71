import pytest
import torch
from torch import nn

from maskwright.layers.conv import folded
from maskwright.layers.resnet import CHANNELS, ResNet


def drawn(*, frozen, depths=(1, 2, 1, 1)):
    torch.manual_seed(0)
    model = ResNet(depths, frozen=frozen)
    for name, value in model.named_buffers():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif value.is_floating_point():
            value.normal_().mul_(0.1).add_(float(name.endswith("weight")))
    return model


@pytest.mark.parametrize("size", [(64, 96), (33, 65), (1, 1)])
def test_maps_halve_from_a_quarter_on(size):
    maps = drawn(frozen=True).eval()(torch.randn(2, 3, *size))
    for stride, channels, x in zip((4, 8, 16, 32), CHANNELS, maps, strict=True):
        assert x.shape == (2, channels, -(-size[0] // stride), -(-size[1] // stride))


@pytest.mark.parametrize("frozen", [True, False])
def test_folded_norms_change_nothing_at_inference(frozen):
    model, x = drawn(frozen=frozen).eval(), torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        for ours, theirs in zip(folded(model)(x), model(x), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_frozen_norms_are_no_parameters_and_do_not_follow_the_batch():
    model, x = drawn(frozen=True), torch.randn(2, 3, 64, 32)
    assert all(name.endswith("conv.weight") for name, _ in model.named_parameters())
    before = {name: value.clone() for name, value in model.named_buffers()}
    training, inference = model.train()(x), model.eval()(x)
    for ours, theirs in zip(training, inference, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_learning_norms_follow_the_batch():
    model = drawn(frozen=False).train()
    before = model.stem.norm.running_mean.clone()
    model(torch.randn(2, 3, 64, 32) + 1)
    assert isinstance(model.stem.norm, nn.BatchNorm2d)
    assert (model.stem.norm.running_mean - before).abs().max() > 1e-3


@pytest.mark.parametrize("frozen", [True, False])
def test_every_parameter_learns(frozen):
    model = drawn(frozen=frozen).train()
    sum(x.square().sum() for x in model(torch.randn(2, 3, 64, 64))).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())
