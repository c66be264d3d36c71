import pytest
import torch
from torch import nn

from maskwright.layers.checkpointing import run, run_blocks_again
from maskwright.layers.swin import Swin
from maskwright.models import interformer, mematte
from maskwright.models.interformer.config import LIGHT
from maskwright.models.mematte.config import MINI


def small_swin():
    return Swin(8, (1, 2, 1, 1), heads=(1, 2, 2, 4), window=3), torch.rand(2, 3, 40, 56)


def small_vit():
    from dataclasses import replace

    config = replace(LIGHT, channels=16, depth=3, heads=2, position_side=4)
    return interformer.build(config).encoder, torch.rand(2, 3, 32, 48)


def small_router():
    return mematte.build(MINI).requires_grad_(True), torch.rand(2, 4, 64, 96)


@pytest.mark.parametrize("made", [small_swin, small_vit, small_router])
def test_blocks_that_run_again_give_the_same_gradients(made):
    torch.manual_seed(0)
    model, x = made()
    model.train()
    found = []
    for again in (False, True):
        if again:
            assert run_blocks_again(model) == (4 if made is small_swin else 1)
        model.zero_grad()
        calls = counted(model)
        torch.manual_seed(1)
        answer = model.forward_training(x).alpha if made is small_router else model(x)
        forward = len(calls)
        maps = answer if isinstance(answer, list) else [answer]
        sum(y.square().mean() for y in maps).backward()
        assert (len(calls) > forward) == again
        found.append([p.grad for p in model.parameters() if p.grad is not None])
    for plain, twice in zip(*found, strict=True):
        torch.testing.assert_close(plain, twice, rtol=1e-5, atol=1e-7)


def counted(model):
    """Return a list that grows whenever an MLP is run."""
    calls = []
    mlp = next(m for name, m in model.named_modules() if name.endswith("blocks.0.mlp"))
    mlp.register_forward_pre_hook(lambda *_: calls.append(0))
    return calls


def test_without_gradients_nothing_is_run_through_the_checkpoint():
    calls = []
    with torch.no_grad():
        assert run(lambda x: calls.append(x) or x, 3, again=True) == 3
    assert calls == [3] and run_blocks_again(nn.Linear(3, 5)) == 0
