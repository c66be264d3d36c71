import ast
from pathlib import Path

import pytest
import torch

from maskwright.errors import ShapeError
from maskwright.ops.affinity import (
    affinity,
    filter_half,
    reassemble_down,
    reassemble_parts,
    reassemble_up,
)

FIXTURE = Path(__file__).parents[1] / "parity" / "a2u_reassembly.pt"
BATCH, GROUPS, PER_GROUP, HEIGHT, WIDTH = 2, 3, 5, 6, 14
SAMPLERS = {"down": reassemble_down, "up": reassemble_up}


def cases():
    return {ast.literal_eval(str(key)): case for key, case in torch.load(FIXTURE).items()}


def inputs(direction, size, *, batch=BATCH, dtype=torch.float64):
    torch.manual_seed(0)
    x = torch.randn(batch, GROUPS * PER_GROUP, HEIGHT, WIDTH, dtype=dtype)
    height, width = (HEIGHT // 2, WIDTH // 2) if direction == "down" else (HEIGHT * 2, WIDTH * 2)
    return x, torch.randn(batch, GROUPS * size * size, height, width, dtype=dtype)


@pytest.mark.parametrize("case", cases(), ids=str)
def test_values_and_gradients_equal_the_official_operators(case):
    direction, _, groups = case
    official = cases()[case]
    x, kernels = official["x"].requires_grad_(), official["masks"].requires_grad_()
    y = SAMPLERS[direction](x, kernels, groups=groups)
    (y * official["w"]).sum().backward()
    for ours, theirs in ((y, "y"), (x.grad, "gx"), (kernels.grad, "gm")):
        torch.testing.assert_close(ours, official[theirs], rtol=0, atol=1e-8)


@pytest.mark.parametrize(("direction", "size"), [("down", 6), ("down", 2), ("up", 3), ("up", 1)])
def test_reassembly_written_out(direction, size):
    x, kernels = inputs(direction, size)
    y = SAMPLERS[direction](x, kernels, groups=GROUPS)
    first = (size - 2) // 2 if direction == "down" else (size - 1) // 2
    for b, channel, row, column in ((0, 0, 0, 0), (1, 7, 1, 2), (1, 14, 2, 6), (0, 5, 2, 0)):
        origin = (row * 2, column * 2) if direction == "down" else (row // 2, column // 2)
        group, expected = channel // PER_GROUP, 0.0
        for i in range(size):
            for j in range(size):
                at = origin[0] - first + i, origin[1] - first + j
                if 0 <= at[0] < HEIGHT and 0 <= at[1] < WIDTH:
                    tap = (group * size + i) * size + j
                    expected += x[b, channel, at[0], at[1]] * kernels[b, tap, row, column]
        assert y[b, channel, row, column] == pytest.approx(float(expected))


@pytest.mark.parametrize(("direction", "size"), [("down", 4), ("up", 3)])
def test_gradients_are_those_of_finite_differences(direction, size):
    x, kernels = inputs(direction, size, batch=1)
    assert torch.autograd.gradcheck(
        lambda x, kernels: SAMPLERS[direction](x, kernels, groups=GROUPS),
        (
            x[..., :4, :4].clone().requires_grad_(),
            kernels[..., : 2 if size == 4 else 8, : 2 if size == 4 else 8].clone().requires_grad_(),
        ),
        fast_mode=True,
    )


@pytest.mark.parametrize(("direction", "size"), [("down", 6), ("up", 3)])
def test_with_and_without_gradients_agree(direction, size):
    x, kernels = inputs(direction, size)
    without = SAMPLERS[direction](x, kernels, groups=GROUPS)
    assert torch.equal(without, SAMPLERS[direction](x.requires_grad_(), kernels, groups=GROUPS))


@pytest.mark.parametrize("size", [1, 3])
def test_kernels_in_parts_give_what_full_size_kernels_give(size):
    x, kernels = inputs("up", size)
    parts = torch.nn.functional.pixel_unshuffle(kernels, 2)
    expected = reassemble_up(x, kernels, groups=GROUPS)
    torch.testing.assert_close(reassemble_parts(x, parts, groups=GROUPS), expected)
    with pytest.raises(ShapeError, match="four kernels of odd size for each pixel"):
        reassemble_parts(x, parts.new_ones(BATCH, GROUPS * 2 * 2 * 4, HEIGHT, WIDTH), groups=GROUPS)


@pytest.mark.parametrize("size", [1, 3])
def test_the_order_of_memory_is_kept_and_does_not_change_values(size):
    x, kernels = inputs("up", size)
    last = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    y, expected = (reassemble_up(z, kernels, groups=GROUPS) for z in (last, x.requires_grad_()))
    assert y.is_contiguous(memory_format=torch.channels_last) and expected.is_contiguous()
    (y.sin().sum() + expected.sin().sum()).backward()
    torch.testing.assert_close((y, last.grad), (expected, x.grad))


@pytest.mark.parametrize(("direction", "size"), [("down", 6), ("up", 3)])
def test_an_empty_batch_stays_empty(direction, size):
    x, kernels = inputs(direction, size, batch=0)
    assert len(SAMPLERS[direction](x, kernels, groups=GROUPS)) == 0


def test_filters_of_an_image_are_applied_to_that_image_alone():
    torch.manual_seed(0)
    x, filters = torch.randn(2, 5, 6, 8), torch.randn(2, 3, 5, 4, 4)
    both = filter_half(x, filters)
    assert both.shape == (2, 3, 5, 3, 4)
    for b in range(2):
        torch.testing.assert_close(both[b : b + 1], filter_half(x[b : b + 1], filters[b : b + 1]))


def test_one_filter_for_all_channels_equals_the_same_filter_for_each():
    torch.manual_seed(0)
    x, filters = torch.randn(2, 5, 6, 8), torch.randn(2, 3, 1, 6, 6)
    torch.testing.assert_close(
        filter_half(x, filters), filter_half(x, filters.expand(-1, -1, 5, -1, -1))
    )


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
def test_every_filter_size_halves_the_map(size):
    assert filter_half(torch.zeros(1, 3, 10, 14), torch.zeros(1, 2, 3, size, size)).shape == (
        *(1, 2, 3, 5, 7),
    )


def test_affinity_written_out():
    torch.manual_seed(0)
    left, right = torch.randn(2, 3, 5, 7, 11).double(), torch.randn(2, 3, 5, 7, 11).double()
    expected = sum(left[1, 2, c, 3, 4] * right[1, 2, c, 3, 4] for c in range(5)) / 5**0.5
    torch.testing.assert_close(affinity(left, right)[1, 2, 3, 4], expected)


def test_sizes_that_do_not_fit_are_named():
    x, kernels = inputs("down", 6)
    with pytest.raises(ShapeError, match="even kernel size and kernels at half the size"):
        reassemble_down(x, kernels[..., :-1], groups=GROUPS)
    with pytest.raises(ShapeError, match="odd kernel size and kernels at twice the size"):
        reassemble_up(x, kernels, groups=GROUPS)
    with pytest.raises(ShapeError, match="groups \\* size \\* size channels"):
        reassemble_down(x, kernels[:, :-1], groups=GROUPS)
