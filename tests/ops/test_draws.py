import pytest
import torch

from maskwright.ops.draws import drop, generators, image_seeds, part_of_batch, uniform

IMAGES = 7


def in_parts(draw):
    """Return what a draw of the whole batch gives, and the same put together from parts."""
    torch.manual_seed(0)
    whole, state = draw(slice(None)), torch.get_rng_state()
    parts = []
    for first, last in ((0, 2), (2, 3), (3, IMAGES)):
        torch.manual_seed(0)
        with part_of_batch(first, IMAGES):
            parts.append(draw(slice(first, last)))
        assert torch.equal(torch.get_rng_state(), state)  # all go on alike
    return whole, torch.cat(parts)


def test_an_image_s_numbers_do_not_depend_on_who_draws_them():
    whole, parts = in_parts(lambda at: uniform(torch.zeros(IMAGES)[at], 3, 5))
    assert torch.equal(whole, parts)
    assert whole.shape == (IMAGES, 3, 5) and len(whole.unique()) > 100
    assert 0 <= whole.min() and whole.max() < 1 and whole.dtype == torch.float32


def test_what_is_dropped_does_not_depend_on_who_drops_it():
    x = torch.randn(IMAGES, 3, 2, 5)
    for shape in ((1, 1, 1), (3, 1, 1), (3, 2, 5)):
        whole, parts = in_parts(lambda at, shape=shape: drop(x[at], 0.4, *shape))
        assert torch.equal(whole, parts)


def test_a_second_draw_is_another():
    torch.manual_seed(0)
    assert not set(image_seeds(IMAGES)) & set(image_seeds(IMAGES))


def test_a_share_is_dropped_and_the_mean_kept():
    torch.manual_seed(0)
    dropped = drop(torch.ones(2, 300, 100), 0.25, 300, 100)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    whole = drop(torch.ones(300, 3, 5), 0.25, 1, 1).flatten(1)
    assert {len(row.unique()) for row in whole} == {1}
    assert drop(torch.ones(2, 3, dtype=torch.bfloat16), 0.5, 3).dtype == torch.bfloat16


def test_generators_are_the_images_own():
    torch.manual_seed(0)
    first, second = generators(2, torch.device("cpu"))
    assert torch.rand(1, generator=first) != torch.rand(1, generator=second)
    assert image_seeds(0) == []
