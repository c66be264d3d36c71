import pytest
import torch

from maskwright.errors import UsageError
from maskwright.models import mematte
from maskwright.models.mematte.config import MINI
from maskwright.training.recipes.mematte_mini import Settings, job
from maskwright.weights.load import load_model, save_model

SMALL = {"procedural": 2, "side_px": 96, "batch": 2, "validated": 1}


def step(wanted):
    batch = {key: torch.stack([value] * 2) for key, value in wanted.dataset[0, 0].items()}
    losses = wanted.losses(wanted.model.train(), batch)
    torch.stack(list(losses.values())).sum().backward()
    assert all(loss.isfinite() for loss in losses.values())
    return losses


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


def test_the_image_stream_starts_from_the_embedded_network():
    a2u_mini = load_model("a2u-mini")[0].state_dict()
    wanted = job(Settings(**SMALL))
    started = wanted.finish(wanted.model).decoder.detail.state_dict()
    for name in ("backbone.stem.conv.weight", "backbone.stages.1.1.project.conv.bias"):
        assert torch.equal(started[name], a2u_mini[name])
    assert torch.equal(started["first.conv.weight"], a2u_mini["detail.conv.weight"])


def test_an_image_stream_starts_from_a_compact_network_only(teacher):
    with pytest.raises(UsageError, match="compact A2U network"):
        job(Settings(start=str(teacher), **SMALL))
