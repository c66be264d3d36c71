import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maskwright.models import mematte
from maskwright.models.mematte.attention import EPSILON, attend_gathered, attend_masked
from maskwright.models.mematte.loss import alpha_losses, budget_loss, distillation_loss

sys.path.append(str(Path(__file__).parent))
from tiny_networks import TEACHER, TINY, network, photo

BATCH, HEADS, TOKENS, CHANNELS = 2, 3, 7, 5
ROUTERS = [f"encoder.blocks.{block}.router" for block in (1, 3)]


@pytest.fixture
def qkv():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, BATCH, HEADS, TOKENS, CHANNELS, dtype=torch.float64, generator=generator)


@pytest.fixture
def keep():
    chosen = torch.zeros(BATCH, TOKENS, dtype=torch.float64)
    chosen[0, [1, 4, 6]] = chosen[1, 2] = 1
    return chosen


def training(config=TINY):
    return network(config).train()


def recorded(*, batch=2):
    generator = torch.Generator().manual_seed(5)
    return torch.rand(batch, 2, 4, 6, generator=generator) < 0.4


def test_masked_attention_written_out(qkv, keep):
    q, k, v = qkv
    expected = torch.zeros_like(v)
    for b in range(BATCH):
        for h in range(HEADS):
            for i in range(TOKENS):
                scores = [(q[b, h, i] @ k[b, h, j] / CHANNELS**0.5) for j in range(TOKENS)]
                shares = [
                    (score - max(scores)).exp() * (1 if i == j else keep[b, j])
                    for j, score in enumerate(scores)
                ]
                for j in range(TOKENS):
                    share = (shares[j] + EPSILON / TOKENS) / (sum(shares) + EPSILON)
                    expected[b, h, i] += share * v[b, h, j]
    torch.testing.assert_close(attend_masked(qkv, keep), expected)


def test_the_gradient_of_masked_attention_reaches_the_decision(qkv, keep):
    qkv, soft = qkv.requires_grad_(), (0.3 + 0.5 * keep).requires_grad_()
    assert torch.autograd.gradcheck(attend_masked, (qkv, soft), fast_mode=True)


def test_gathered_attention_gives_kept_tokens_the_same(qkv, keep):
    masked, gathered = attend_masked(qkv, keep), attend_gathered(qkv, keep)
    kept = keep.bool()[:, None].expand(-1, HEADS, -1)
    torch.testing.assert_close(gathered[kept], masked[kept], rtol=0, atol=1e-4)
    assert not attend_gathered(qkv, torch.zeros_like(keep)).any()


@pytest.mark.parametrize("gathered", [False, True], ids=["masked", "gathered"])
def test_training_attends_as_inference_does(gathered):
    model, keep = training(replace(TINY, gathered_training=gathered)), recorded(batch=1)
    x = photo(63, 95)
    with torch.no_grad():
        expected = model.eval().features(x, keep=keep)
        found = model.train().forward_training(x, keep=keep).features
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_the_forms_of_training_differ_in_the_routers_gradient_only():
    grads = []
    for gathered in (False, True):
        model = training(replace(TINY, gathered_training=gathered))
        torch.manual_seed(3)
        model.forward_training(photo(64, 96, batch=2)).alpha.square().mean().backward()
        grads.append({name: p.grad for name, p in model.named_parameters()})
    block = model.encoder.blocks[-1]
    last = {name for name in grads[0] if name.startswith("encoder.blocks.3.")}
    assert len(last) == len(list(block.named_parameters()))
    for name in last:
        same = torch.allclose(grads[0][name], grads[1][name], rtol=1e-3, atol=1e-7)
        assert same != (".router." in name), name


def test_decisions_are_random_and_hard_and_their_gradient_soft():
    model, x = training(), photo(64, 96, batch=2)
    torch.manual_seed(0)
    first = model.forward_training(x)
    second = model.forward_training(x)
    assert first.keep.shape == (2, 2, 4, 6)
    assert set(first.keep.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(first.keep, second.keep)
    budget_loss(first.keep).backward()
    assert all(model.get_submodule(name).leave.weight.grad.any() for name in ROUTERS)


def test_decisions_follow_the_router_s_probabilities():
    block = training().encoder.blocks[1]
    tokens = torch.randn(1, 4, 6, TINY.channels)
    with torch.no_grad():
        block.router.leave.weight.mul_(20)
        probability = block.router(tokens).exp()[..., 0]
        torch.manual_seed(0)
        share = sum(block.train_routing(tokens)[1] for _ in range(400)) / 400
    assert probability.std() > 0.05
    torch.testing.assert_close(share, probability, rtol=0, atol=0.11)


def test_every_parameter_learns_from_the_losses_together():
    model, x = training(), photo(64, 96, batch=2)
    teacher = network(TEACHER)
    torch.manual_seed(0)
    result = model.forward_training(x)
    unknown = (x[:, 3:] > 0) & (x[:, 3:] < 1)
    with torch.no_grad():
        features = teacher.features(x)
    loss = sum(alpha_losses(result.alpha, x[:, 3:], unknown))
    loss = loss + distillation_loss(result.features, features) + budget_loss(result.keep)
    loss.backward()
    without = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert not without


@pytest.mark.parametrize("form", ["masked", "gathered"])
def test_alpha_alone_teaches_the_routers(form):
    model = training(replace(TINY, gathered_training=form == "gathered"))
    torch.manual_seed(0)
    model(photo(64, 96, batch=2)).square().mean().backward()
    assert all(model.get_submodule(name).leave.weight.grad.any() for name in ROUTERS)


def test_every_parameter_of_the_teacher_learns():
    model = training(TEACHER)
    result = model.forward_training(photo(64, 96, batch=2))
    assert result.keep.all()
    result.alpha.square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_features_of_two_images_at_once_are_those_of_each_alone():
    model, x, keep = training(), photo(64, 96, batch=2), recorded()
    with torch.no_grad():
        both = model.forward_training(x, keep=keep).features
        for i in range(2):
            alone = model.forward_training(x[i : i + 1], keep=keep[i : i + 1]).features
            torch.testing.assert_close(both[i : i + 1], alone, rtol=0, atol=1e-5)


def test_in_training_limits_are_not_read():
    model, x, keep = training(), photo(64, 96, batch=2), recorded()
    expected = model(x, keep=keep)
    model.limits = mematte.Limits(tile_px=16, token_rows=1, skip_known=True, padding="official")
    torch.testing.assert_close(model(x, keep=keep), expected)


def test_mixed_precision_trains():
    model, x = training(), photo(64, 96, batch=2)
    with torch.autocast("cpu", torch.bfloat16):
        result = model.forward_training(x)
    result.alpha.float().square().mean().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
