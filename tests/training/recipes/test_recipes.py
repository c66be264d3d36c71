import pytest
import torch

from maskwright.data.embedded import Sources
from maskwright.errors import WeightsError
from maskwright.models import a2u
from maskwright.models.a2u.config import Config
from maskwright.models.a2u.convert import convert_imagenet
from maskwright.training.recipes import a2u as paper
from maskwright.training.recipes import a2u_mini as mini

FRESH_PARAMETERS, PRETRAINED_PARAMETERS = 2_277_139, 5_812_096


@pytest.mark.parametrize(("recipe", "side"), [(mini, 96), (paper, 512)])
def test_a_recipe_runs_without_any_data(recipe, side):
    settings = (
        mini.Settings(procedural=2, side_px=side, batch=2)
        if recipe is mini
        else paper.Settings(epochs=1, steps_per_epoch=3)
    )
    drawn = Sources("", drawn=2, seed=0).training(side)
    dataset = drawn if recipe is mini else recipe.compositions(settings)
    batch = {key: value[None] for key, value in dataset[0, 0].items()}
    assert batch["image"].shape == (1, 3, side, side)
    model = a2u.build(mini.MINI)
    losses = recipe.losses(model, batch)
    torch.stack(list(losses.values())).sum().backward()
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())


def test_the_paper_s_two_rates_have_their_parameters():
    fresh, pretrained = paper.parameter_groups(a2u.build(Config()))
    counts = [sum(p.numel() for p in group["params"]) for group in (fresh, pretrained)]
    assert counts == [FRESH_PARAMETERS, PRETRAINED_PARAMETERS]
    assert (fresh["lr"], pretrained["lr"]) == (1e-2, 1e-4)


def test_an_imagenet_resnet_starts_the_encoder():
    wanted = a2u.build(Config()).state_dict()
    official = {"module.mod1.conv1.weight": torch.randn(64, 3, 7, 7)}
    official |= {f"module.mod1.bn1.{leaf}": torch.randn(64) for leaf in ("weight", "bias")}
    official["module.mod3.block2.convs.conv2.weight"] = torch.randn(128, 128, 3, 3)
    official["module.mod4.block1.proj_conv.weight"] = torch.randn(256, 128, 1, 1)
    official["module.mod4.block6.convs.conv1.weight"] = torch.randn(256, 256, 3, 3)
    official["module.fc.weight"] = torch.randn(1000, 512)
    converted = convert_imagenet({"state_dict": official})
    assert {name: value.shape for name, value in converted.items()} == {
        name: wanted[name].shape for name in converted
    }
    stem = converted["encoder.stem.conv.weight"]
    assert torch.equal(stem[:, :3], official["module.mod1.conv1.weight"])
    assert not stem[:, 3].any()
    assert torch.equal(
        converted["encoder.stage2.0.second.conv.weight"],
        official["module.mod3.block2.convs.conv2.weight"],
    )
    assert "encoder.down3.shortcut.conv.weight" in converted and len(converted) == 5


def test_another_network_does_not_start_the_encoder():
    with pytest.raises(WeightsError, match="mod1.conv1.weight is missing"):
        convert_imagenet({"features.0.weight": torch.zeros(1)})


def test_the_compact_backbone_reads_normalised_colours_as_mobilenet_reads_its_own():
    torch.manual_seed(0)
    from maskwright.layers.mobilenet import MobileNetV2

    plain = MobileNetV2(stages=5, output_stride=8).eval()
    official = {"features.0.0.weight": plain.stem.conv.weight}
    for leaf in ("weight", "bias", "running_mean", "running_var"):
        official[f"features.0.1.{leaf}"] = getattr(plain.stem.norm, leaf)
    block = 1
    for stage in plain.stages:
        for inverted in stage:
            parts = [part for part in (inverted.expand, inverted.filter) if part is not None]
            for index, part in enumerate(parts):
                official |= _named(f"features.{block}.conv.{index}.0", part.conv)
                official |= _named(f"features.{block}.conv.{index}.1", part.norm)
            official |= _named(f"features.{block}.conv.{len(parts)}", inverted.project.conv)
            official |= _named(f"features.{block}.conv.{len(parts) + 1}", inverted.project.norm)
            block += 1
    folded = MobileNetV2(stages=5, channels=13, output_stride=8, normed=False).eval()
    mini.load_backbone(folded, official)
    rgb = torch.rand(1, 3, 64, 96)
    normalised = (rgb - mini.MEAN) / mini.DEVIATION
    hints = torch.randn(1, 10, 64, 96)  # not looked at yet
    with torch.no_grad():
        expected = plain(rgb * 2 - 1)
        found = folded(torch.cat([normalised, hints], 1))
    # Zeros around the picture mean grey to one and the mean colour to the other.
    inside = (..., slice(3, -3), slice(3, -3))
    torch.testing.assert_close(found[0][inside], expected[0][inside], rtol=1e-4, atol=1e-4)


def _named(prefix, module):
    return {
        f"{prefix}.{name}": value
        for name, value in module.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
