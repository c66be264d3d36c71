import pytest
import torch

from maskwright.data.embedded import Sources
from maskwright.errors import UsageError
from maskwright.models import a2u, mematte
from maskwright.models.mematte.config import MINI
from maskwright.training.distillation import shift_routers
from maskwright.training.inputs import matting_input
from maskwright.training.recipes import mematte_mini
from maskwright.training.recipes.mematte_mini import Settings, job
from maskwright.weights.load import load_model, save_model

SMALL = {"procedural": 2, "side_px": 96, "batch": 2, "validated": 1}


def step(wanted):
    batch = {key: torch.stack([value] * 2) for key, value in wanted.dataset[0, 0].items()}
    losses = wanted.losses(wanted.model.train(), batch)
    torch.stack(list(losses.values())).sum().backward()
    assert all(loss.isfinite() for loss in losses.values())
    return losses


@pytest.fixture(autouse=True)
def shifted_by_small_crops(monkeypatch):
    monkeypatch.setattr(mematte_mini, "SHIFTED_SIDE_PX", 128)
    monkeypatch.setattr(mematte_mini, "SHIFTED_CROPS", 3)


@pytest.fixture
def teacher(tmp_path):
    wanted = job(Settings(**SMALL))
    return save_model(
        tmp_path / "teacher.safetensors",
        wanted.finish(wanted.model).state_dict(),
        paper="mematte",
        config=wanted.config,
        source="a test",
    )


def test_the_teacher_learns_alpha_of_unknown_pixels_only():
    wanted = job(Settings(**SMALL))
    assert set(step(wanted)) == {"unknown", "gradient", "laplacian", "squared"}
    assert not wanted.config.routed


def test_the_student_starts_from_its_teacher_and_learns_to_route(teacher):
    wanted = job(Settings(stage="student", teacher=str(teacher), **SMALL))
    assert {"distillation", "budget"} < set(step(wanted))
    network = wanted.finish(wanted.model)
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
    routers = [block.router for block in network.encoder.blocks if hasattr(block, "router")]
    assert len(routers) == 4 and all(r.leave.weight.grad.any() for r in routers)


def test_the_finished_student_keeps_the_share_asked_for(teacher):
    wanted = job(Settings(stage="student", teacher=str(teacher), kept=0.5, **SMALL))
    network = wanted.finish(wanted.model).eval()
    large = Sources("", drawn=SMALL["procedural"], seed=0).training(128)
    samples = [large[0, index] for index in range(3)]
    inputs = [matting_input(s["image"][None], s["trimap"][None]) for s in samples]
    kept = torch.cat([network.trace(x).keep.flatten() for x in inputs])
    assert kept.float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_what_a_student_has_from_its_teacher_learns_slower(teacher):
    wanted = job(Settings(stage="student", teacher=str(teacher), **SMALL))
    rates = sorted({group["lr"] for group in wanted.optimizer.param_groups})
    assert rates == pytest.approx([1e-3 / 3, 1e-3])


def test_a_teacher_must_exist_and_be_one(tmp_path):
    with pytest.raises(UsageError, match="train it first"):
        job(Settings(stage="student", teacher=str(tmp_path / "none.safetensors"), **SMALL))
    routed = save_model(
        tmp_path / "routed.safetensors",
        mematte.build(MINI).state_dict(),
        paper="mematte",
        config=MINI,
        source="a test",
    )
    with pytest.raises(UsageError, match="without routers"):
        job(Settings(stage="student", teacher=str(routed), **SMALL))


def test_a_teacher_starts_from_the_embedded_network():
    a2u_mini = load_model("a2u-mini")[0].state_dict()
    wanted = job(Settings(**SMALL))
    network = wanted.finish(wanted.model)
    detail, trunk = network.decoder.detail.state_dict(), network.encoder.trunk.state_dict()
    for name in ("backbone.stem.conv.weight", "backbone.stages.1.1.project.conv.bias"):
        assert torch.equal(detail[name], a2u_mini[name])
    name = "backbone.stages.4.2.project.conv.bias"
    assert torch.equal(trunk[name], a2u_mini[name])
    assert torch.equal(detail["first.conv.weight"], a2u_mini["detail.conv.weight"])


def test_a_teacher_starts_from_another_one(teacher):
    wanted = job(Settings(start=str(teacher), **SMALL))
    started, given = wanted.finish(wanted.model).state_dict(), load_model(teacher)[0].state_dict()
    assert all(torch.equal(started[name], value) for name, value in given.items())


def test_a_teacher_starts_from_matting_networks_only(tmp_path):
    path = save_model(
        tmp_path / "a2u.safetensors",
        a2u.build(a2u.Config()).state_dict(),
        paper="a2u",
        config=a2u.Config(),
        source="a test",
    )
    with pytest.raises(UsageError, match="compact A2U network"):
        job(Settings(start=str(path), **SMALL))


def test_routers_are_moved_where_the_network_is():
    asked = []

    class Elsewhere:
        def to(self, device):
            asked.append(device)
            return torch.randn(1, 4, 96, 96)

    shift_routers(mematte.build(MINI).eval(), [Elsewhere()], share=0.3, rounds=1)
    assert asked == [torch.device("cpu")]


def test_routers_are_moved_to_keep_a_share():
    torch.manual_seed(0)
    network = mematte.build(MINI).eval()
    inputs = [torch.randn(1, 4, 160, 128), torch.randn(1, 4, 96, 192)]
    for share in (0.1, 0.6):
        shift_routers(network, inputs, share=share)
        kept = torch.cat([network.trace(x).keep.flatten() for x in inputs])
        assert kept.float().mean().item() == pytest.approx(share, abs=0.03)
