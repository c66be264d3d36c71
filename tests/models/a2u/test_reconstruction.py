import pytest
import torch
from torch import nn

from maskwright.errors import ShapeError, UsageError
from maskwright.models.a2u.reconstruction import build_reconstruction
from maskwright.models.a2u.samplers import SAMPLERS

HEIGHT, WIDTH = 16, 24
WITHOUT_MEMORY = {"nearest", "bilinear", "deconvolution", "pixel_shuffle", "carafe"}


def network(operator):
    torch.manual_seed(0)
    return build_reconstruction(operator)


def images(count=2):
    return torch.rand(count, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("operator", SAMPLERS)
def test_a_picture_comes_back_in_its_size_and_every_parameter_learns(operator):
    model = network(operator)
    restored = model(images())
    assert restored.shape == (2, 1, HEIGHT, WIDTH)
    (restored - images()).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("operator", SAMPLERS)
def test_a_batch_of_two_is_two_of_one(operator):
    model = network(operator).eval()
    with torch.no_grad():
        both, single = model(images()), model(images()[1:])
    torch.testing.assert_close(both[1:], single, rtol=1e-4, atol=1e-5)


def test_equal_seeds_give_all_operators_the_same_convolutions():
    def convolutions(operator):
        state = network(operator).state_dict()
        return {name: value for name, value in state.items() if "sampler" not in name}

    first = convolutions("bilinear")
    for operator in SAMPLERS:
        other = convolutions(operator)
        assert other.keys() == first.keys()
        assert all(torch.equal(other[name], value) for name, value in first.items()), operator


class Fixed(nn.Module):
    """The same features whatever comes."""

    def forward(self, x):
        generator = torch.Generator().manual_seed(2)
        return torch.randn(1, 256, *x.shape[2:], generator=generator).expand(len(x), -1, -1, -1)


@pytest.mark.parametrize("operator", SAMPLERS)
def test_detail_passes_the_smallest_map_by_a_sampler_s_memory_alone(operator):
    model = network(operator).eval()
    model.level.inner.inner.inner = Fixed()
    with torch.no_grad():
        one, other = model(images())
    assert torch.equal(one, other) == (operator in WITHOUT_MEMORY)


def test_sides_that_cannot_be_halved_three_times_are_refused():
    with pytest.raises(ShapeError, match=r"multiples of 8, got \(16, 20\); resize"):
        network("nearest")(torch.zeros(1, 1, 16, 20))


def test_an_unknown_operator_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="one of nearest, bilinear, .*, got 'bicubic'"):
        build_reconstruction("bicubic")
