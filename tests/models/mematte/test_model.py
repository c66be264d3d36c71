import sys
from pathlib import Path

import pytest
import torch

from maskwright.errors import ShapeError, UsageError
from maskwright.layers.conv import ConvNorm, folded
from maskwright.models import mematte
from maskwright.models.mematte.config import BASE, MINI, SMALL
from maskwright.models.mematte.limits import Limits
from maskwright.models.mematte.model import padded_size, start_from_vitmatte

PARITY = Path(__file__).parents[2] / "parity"
sys.path += [str(PARITY), str(Path(__file__).parent)]
from fixture_weights import load_case  # noqa: E402
from tiny_networks import TEACHER, TINY, network, photo  # noqa: E402


@pytest.mark.parametrize("form", [lambda model: model.eval(), folded], ids=["plain", "folded"])
def test_alpha_and_routing_equal_the_official_network(form):
    official, tensors, _ = load_case("mematte_s_160x224", PARITY)
    model = mematte.build(mematte.infer_config(official))
    model.load_state_dict(mematte.convert(official))
    with torch.no_grad():
        alpha, keep = form(model).trace(tensors["input"])
    torch.testing.assert_close(alpha, tensors["alpha"], rtol=0, atol=1e-4)
    assert torch.equal(keep, tensors["keep"].bool())


@pytest.mark.parametrize(
    ("config", "parameters"), [(SMALL, 29_191_293 - 384), (BASE, 110_107_389 - 768)]
)
def test_the_paper_s_networks_have_their_parameters_but_the_unused_class_position(
    config, parameters
):
    with torch.device("meta"):
        model = mematte.build(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_the_mini_network_has_at_most_six_million_parameters():
    with torch.device("meta"):
        model = mematte.build(MINI)
    assert sum(parameter.numel() for parameter in model.parameters()) <= 6_000_000


@pytest.mark.parametrize("config", [TINY, TEACHER], ids=["routed", "teacher"])
@pytest.mark.parametrize("size", [(64, 96), (32, 33), (1, 1), (95, 131)])
def test_any_size_gives_alpha_of_that_size(config, size):
    with torch.no_grad():
        alpha, keep = network(config).trace(photo(*size))
    assert alpha.shape == (1, 1, *size)
    assert keep.shape == (1, 2, *(side // 16 for side in padded_size(*size)))
    assert ((alpha > 0) & (alpha < 1)).all()


@pytest.mark.parametrize(
    ("size", "padded"),
    [((64, 96), (64, 96)), ((33, 95), (64, 96)), ((64, 95), (96, 96)), ((1, 32), (32, 64))],
)
def test_a_side_that_need_not_grow_grows_with_the_other(size, padded):
    assert padded_size(*size) == padded


def test_what_is_filled_up_is_zero():
    x, filled = photo(64, 95), torch.zeros(1, 4, 96, 96)
    filled[:, :, :64, :95] = x
    model = network()
    with torch.no_grad():
        torch.testing.assert_close(model(x), model(filled)[:, :, :64, :95], rtol=0, atol=1e-6)


@pytest.mark.parametrize("config", [TINY, TEACHER], ids=["routed", "teacher"])
def test_two_images_at_once_are_two_images_alone(config):
    model, x = network(config), photo(80, 112, batch=2)
    with torch.no_grad():
        both, keep = model.trace(x)
        for i in range(2):
            alone, alone_keep = model.trace(x[i : i + 1])
            torch.testing.assert_close(both[i : i + 1], alone, rtol=0, atol=1e-5)
            assert torch.equal(keep[i : i + 1], alone_keep)
    assert config is TEACHER or not torch.equal(keep[0], keep[1])


def test_recorded_decisions_are_followed():
    model, x = network(), photo()
    with torch.no_grad():
        alpha, keep = model.trace(x)
        assert 0 < keep.float().mean() < 1
        torch.testing.assert_close(model(x, keep=keep.to(torch.uint8)), alpha)
        other, followed = model.trace(x, keep=~keep)
    assert torch.equal(followed, ~keep)
    assert (other - alpha).abs().max() > 1e-3


@pytest.mark.parametrize("limited", ["argument", "limits"])
def test_no_more_tokens_are_kept_than_allowed(limited):
    model, x = network(), photo(batch=2)
    with torch.no_grad():
        free = model.trace(x).keep
        count = free[:, 0].sum((1, 2))  # later blocks depend on what the first one did
        cap = int(count.min()) - 2
        if limited == "limits":
            model.limits = Limits(max_tokens=cap)
        keep = model.trace(x, max_tokens=cap if limited == "argument" else None).keep
    assert (keep[:, 0] <= free[:, 0]).all()
    assert (keep[:, 0].sum((1, 2)) == cap).all()
    assert (keep.sum((2, 3)) <= cap).all()


@pytest.mark.parametrize("value", [False, True], ids=["none", "all"])
def test_an_image_may_keep_no_token_or_every_token(value):
    model, x = network(), photo(batch=2)
    keep = torch.full((2, 2, 6, 10), value)
    keep[1] = ~keep[1]
    with torch.no_grad():
        both = model(x, keep=keep)
        torch.testing.assert_close(both[:1], model(x[:1], keep=keep[:1]), rtol=0, atol=1e-5)
    assert both.isfinite().all()


@pytest.mark.parametrize("config", [TINY, TEACHER], ids=["routed", "teacher"])
def test_folding_changes_nothing_but_the_number_of_layers(config):
    model, x = network(config), photo()
    light = folded(model)
    assert not any(isinstance(m, ConvNorm) and m.norm is not None for m in light.modules())
    with torch.no_grad():
        torch.testing.assert_close(light(x), model(x), rtol=0, atol=1e-5)


def test_gradients_change_no_value_and_no_input():
    model, x = network(), photo()
    before = x.clone()
    with torch.no_grad():
        expected = model(x)
    torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-5)
    assert torch.equal(x, before)


def test_halves_route_in_fp32():
    model, x = network().to(torch.bfloat16), photo().to(torch.bfloat16)
    seen = []
    model.encoder.blocks[1].router.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    with torch.no_grad():
        assert model(x).dtype == torch.bfloat16
    assert seen == [torch.float32]


@pytest.mark.parametrize("shape", [(4, 32, 32), (1, 3, 32, 32), (1, 4, 0, 32)])
def test_other_shapes_are_refused(shape):
    # Where annotations are checked at run time, they come first.
    message = r"expected images \(batch, 4, .*got \(|batch 4 height width"
    with pytest.raises((ShapeError, TypeError), match=message):
        network()(torch.zeros(shape))


def test_decisions_of_another_image_are_refused():
    model, x = network(), photo()
    with pytest.raises(ShapeError, match=r"keep of shape \(1, 2, 6, 10\).*got \(1, 2, 6, 9\)"):
        model(x, keep=torch.ones(1, 2, 6, 9))
    with pytest.raises(UsageError, match="expected no keep for a network without routers"):
        network(TEACHER)(x, keep=torch.ones(1, 2, 6, 10))


def test_a_student_starts_from_its_teacher_but_for_global_positions():
    teacher, student = network(TEACHER).state_dict(), mematte.build(TINY)
    started = start_from_vitmatte(teacher)
    missing, unexpected = student.load_state_dict(started, strict=False)
    assert not unexpected
    assert all(".router." in name or ".refine." in name for name in missing)
    assert {name for name in teacher if name not in started} == {
        f"encoder.blocks.{block}.attention.relative.{axis}"
        for block in (1, 3)
        for axis in ("rows", "columns")
    }


def test_fresh_bottlenecks_change_nothing():
    torch.manual_seed(0)
    model, x = mematte.build(TINY), torch.randn(2, 5, 7, 24)
    assert torch.equal(model.encoder.blocks[1].bottleneck(x), x)
    weights = model.encoder.blocks[1].mlp.widen.weight
    assert weights.std().item() == pytest.approx(0.02, rel=0.1)
    assert model.encoder.position.std().item() == pytest.approx(0.02, rel=0.1)
