from dataclasses import replace

import pytest
import torch

from maskwright.errors import UsageError, WeightsError
from maskwright.image.io import write_image
from maskwright.models import mematte
from maskwright.models.mematte.config import BASE, MINI, SMALL
from maskwright.training.recipe import find_recipe, with_overrides
from maskwright.training.recipes import mematte as recipe
from maskwright.weights.load import load_model, save_model

TINY = {"side_px": 64, "batch": 2, "validated": 1, "seed": 3}
BLOCKS = range(12)
GLOBAL = (2, 5, 8, 11)


def saved(path, config):
    torch.manual_seed(0)
    state = mematte.build(config).state_dict()
    for name, value in state.items():
        if name.endswith("bottleneck.norm3.weight"):
            value.fill_(0.1)  # zero in fresh networks, which would hide gradients
    return save_model(path, state, paper="mematte", config=config, source="a test", dtype="fp16")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A ViTMatte-S of random weights."""
    path = tmp_path_factory.mktemp("teacher") / "vitmatte.safetensors"
    return str(saved(path, replace(SMALL, routed=False)))


def rates(config):
    """Return the network's names, each with its learning rate and weight decay."""
    with torch.device("meta"):
        network = mematte.build(config)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = recipe.groups(network)
    found = {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    }
    assert found.keys() == set(names.values())
    assert len(groups) == len({(group["lr"], group["weight_decay"]) for group in groups})
    return found


@pytest.mark.parametrize("config", [SMALL, BASE], ids=["s", "b"])
def test_rates_fall_by_0_65_with_each_layer_towards_the_input(config):
    found = rates(config)
    assert found["encoder.patches.weight"][0] == pytest.approx(5e-4 * 0.0037, rel=2e-3)
    assert found["encoder.position"][0] == found["encoder.patches.bias"][0]
    for block in BLOCKS:
        expected = 5e-4
        for _ in range(12 - block):
            expected *= 0.65
        name = f"encoder.blocks.{block}"
        assert found[f"{name}.attention.qkv.weight"][0] == pytest.approx(expected)
        assert found[f"{name}.norm2.bias"][0] == pytest.approx(expected)
    for block, factor in zip(GLOBAL, (0.0135, 0.049, 0.18, 0.65), strict=True):
        name = f"encoder.blocks.{block}"
        assert found[f"{name}.refine.gate.weight"][0] == pytest.approx(5e-4 * factor, rel=2e-2)
        assert found[f"{name}.router.leave.weight"][0] == 5e-4
        assert found[f"{name}.bottleneck.reduce.weight"][0] == 5e-4
    assert {rate for name, (rate, _) in found.items() if name.startswith("decoder.")} == {5e-4}


def test_positions_and_norms_have_no_weight_decay_but_those_of_bottlenecks_have():
    found = rates(SMALL)
    spared = {name for name, (_, decay) in found.items() if decay == 0}
    expected = {"encoder.position"}
    for leaf in ("weight", "bias"):
        expected |= {f"encoder.blocks.{b}.norm{n}.{leaf}" for b in BLOCKS for n in (1, 2)}
        expected |= {f"encoder.blocks.{b}.router.norm.{leaf}" for b in GLOBAL}
        expected |= {f"decoder.detail.{n}.norm.{leaf}" for n in range(3)}
        expected |= {f"decoder.fuse.{n}.norm.{leaf}" for n in range(4)}
        expected |= {f"decoder.head.0.norm.{leaf}"}
    assert spared == expected
    assert {decay for name, (_, decay) in found.items() if name not in spared} == {0.1}


@pytest.mark.parametrize(
    ("stage", "size", "steps", "stairs"),
    [
        ("student", "s", 40_406, (8_081, 35_018)),
        ("student", "b", 64_650, (32_325, 56_030)),
        ("teacher", "s", 134_687, (40_406, 121_218)),
        ("teacher", "b", 215_500, (64_650, 193_950)),
    ],
)
def test_the_schedule_is_the_published_one(stage, size, steps, stairs):
    course = recipe.COURSES[stage, size]
    assert recipe.EPOCH * course.epochs // course.batch == steps
    assert tuple(course.stairs(steps)) == stairs
    rate = recipe.schedule(stairs)
    assert rate(0) == pytest.approx(0.001)
    assert rate(125) == pytest.approx((0.001 + 1) / 2)
    assert rate(250) == rate(stairs[0] - 1) == 1
    assert rate(stairs[0]) == rate(stairs[1] - 1) == 0.1
    assert rate(stairs[1]) == rate(steps - 1) == 0.05


def test_unknown_is_a_half_in_training():
    trimap = torch.tensor([0.0, 84, 85, 128, 169, 170, 255])
    batch = {"trimap": trimap, "alpha": torch.ones(1)}
    assert recipe.with_levels(batch)["trimap"].tolist() == [0, 0, 0.5, 0.5, 0.5, 1, 1]
    assert torch.equal(batch["trimap"], trimap)


def step(wanted):
    samples = [wanted.dataset[0, index] for index in range(2)]
    batch = {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
    losses = wanted.losses(wanted.model.train(), batch)
    torch.stack(list(losses.values())).sum().backward()
    assert all(loss.isfinite() for loss in losses.values())
    for name, parameter in wanted.model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    wanted.optimizer.step()
    return losses


def test_a_student_takes_a_step(teacher):
    wanted = recipe.job(recipe.Settings(teacher=teacher, **TINY))
    network = wanted.finish(wanted.model)
    given = load_model(teacher)[0].state_dict()
    own = network.state_dict()
    shared = [name for name in own if name in given]
    assert len(shared) == len(own) - 4 * (10 + 7)  # routers and LTRMs
    assert all(torch.equal(own[name], given[name]) for name in shared)
    held = sum(len(group["params"]) for group in wanted.optimizer.param_groups)
    assert held == len(list(network.parameters()))
    losses = step(wanted)
    alpha = {"unknown", "known", "gradient", "laplacian"}
    assert set(losses) == alpha | {"distillation", "budget"}
    assert not torch.equal(network.state_dict()["encoder.position"], given["encoder.position"])
    assert (wanted.name, wanted.average, wanted.clip) == ("mematte-student-s", 0, 0)


def test_a_teacher_takes_a_step_from_noise():
    wanted = recipe.job(recipe.Settings(stage="teacher", **TINY))
    assert set(step(wanted)) == {"unknown", "known", "gradient", "laplacian"}
    assert wanted.config == replace(SMALL, routed=False)


def test_a_teacher_starts_from_another(teacher):
    wanted = recipe.job(recipe.Settings(stage="teacher", start=teacher, **TINY))
    given = load_model(teacher)[0].state_dict()
    assert torch.equal(
        wanted.model.network.state_dict()["decoder.head.1.bias"], given["decoder.head.1.bias"]
    )
    assert all(parameter.requires_grad for parameter in wanted.model.parameters())


def imagenet(channels):
    state = {"cls_token": torch.zeros(1, 1, channels), "norm.weight": torch.ones(channels)}
    state["pos_embed"] = torch.randn(1, 197, channels)
    state["patch_embed.proj.weight"] = torch.randn(channels, 3, 16, 16)
    state["blocks.7.attn.qkv.bias"] = torch.randn(3 * channels)
    return state


def test_a_teacher_starts_from_an_imagenet_transformer(tmp_path):
    official = imagenet(384)
    torch.save({"model": official}, tmp_path / "dino.pth")
    wanted = recipe.job(recipe.Settings(stage="teacher", start=str(tmp_path / "dino.pth"), **TINY))
    own = wanted.model.network.state_dict()
    assert torch.equal(
        own["encoder.blocks.7.attention.qkv.bias"], official["blocks.7.attn.qkv.bias"]
    )
    assert torch.equal(own["encoder.patches.weight"][:, :3], official["patch_embed.proj.weight"])
    assert not own["encoder.patches.weight"][:, 3].any()
    assert torch.equal(own["encoder.position"][1, 2], official["pos_embed"][0, 1 + 14 + 2])


def test_what_a_stage_cannot_start_from_is_named(tmp_path):
    def refused(error, match, **settings):
        with pytest.raises(error, match=match):
            recipe.job(recipe.Settings(**settings, **TINY))

    refused(UsageError, "no runs/mematte-teacher-b/mematte-teacher-b.safetensors; train", size="b")
    other = str(saved(tmp_path / "mini.safetensors", replace(MINI, routed=False)))
    refused(UsageError, "of 384 channels for size=s, .* has 128; change --set size", teacher=other)
    torch.save(imagenet(768), tmp_path / "mae.pth")
    start = str(tmp_path / "mae.pth")
    refused(WeightsError, "mae.pth does not fit .* other sizes", stage="teacher", start=start)
    torch.save({"conv1.weight": torch.zeros(1)}, start)
    refused(WeightsError, "patch_embed.proj.weight is missing", stage="teacher", start=start)


def test_it_trains_on_a_published_layout(tmp_path, teacher):
    grey = torch.full((96, 80, 3), 128, dtype=torch.uint8).numpy()
    for folder in ("Train/fg", "scenes"):
        write_image(tmp_path / folder / "a.png", grey)
    alpha = grey[..., 0].copy()
    alpha[:40], alpha[60:] = 0, 255
    write_image(tmp_path / "Train/alpha/a.png", alpha)
    data = {"data": str(tmp_path), "layout": "transparent-460"}
    settings = recipe.Settings(
        teacher=teacher, backgrounds=str(tmp_path / "scenes"), **data, **TINY
    )
    wanted = recipe.job(settings)
    assert len(wanted.dataset) == 1
    assert wanted.dataset[0, 0]["image"].shape == (3, 64, 64)
    assert wanted.dataset.plan.trimap_px == 640


def test_stage_and_size_are_set_from_text():
    name, module = find_recipe("mematte")
    changed = with_overrides(module.Settings(), {"size": "b", "stage": "teacher", "steps": "7"})
    assert (name, changed.size, changed.stage, changed.steps) == ("mematte", "b", "teacher", 7)
    with pytest.raises(UsageError, match="--set size expects s or b, got 'xl'"):
        with_overrides(changed, {"size": "xl"})
