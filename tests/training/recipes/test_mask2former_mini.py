from pathlib import Path

import pytest
import torch

from maskwright.errors import UsageError
from maskwright.training.recipes.mask2former_mini import CONFIG, Settings, job
from maskwright.weights.load import load_model, save_model

DATA = Path(__file__).parents[4] / "shared/data"
SMALL = {"procedural": 2, "side_px": 64, "batch": 2, "points": 64}
needs_data = pytest.mark.skipif(
    not DATA.exists(), reason="needs ../shared/data beside the checkout"
)


def test_it_learns_from_drawn_things(tmp_path):
    wanted = job(Settings(**SMALL))
    assert wanted.validate is None and wanted.config.names == (
        "person", "animal", "vehicle", "object",
    )  # fmt: skip
    samples = [wanted.dataset[0, index] for index in range(2)]
    batch = {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}
    losses = wanted.losses(wanted.model.train(), batch)
    sum(losses.values()).backward()
    wanted.optimizer.step()
    assert all(value.isfinite() for value in losses.values())
    network = wanted.finish(wanted.model)
    file = save_model(
        tmp_path / "mini.safetensors",
        network.state_dict(),
        paper=wanted.paper,
        config=wanted.config,
        source=wanted.source,
        dtype="fp16",
    )
    assert file.stat().st_size < 8e6 and load_model(file)[2] == CONFIG
    again = job(Settings(start=str(file), **SMALL)).model.network
    assert torch.allclose(again.decoder.query, network.decoder.query, atol=1e-3)


def test_mobilenet_learns_more_slowly_and_keeps_its_statistics():
    wanted = job(Settings(**SMALL))
    rates = {group["lr"] for group in wanted.optimizer.param_groups}
    assert sorted(rates) == pytest.approx([1.5e-4, 5e-4])
    assert not wanted.model.train().network.backbone.backbone.stem.norm.training


def test_it_starts_from_a_network_of_its_own_only():
    with pytest.raises(UsageError, match="a2u-mini holds others"):
        job(Settings(start="a2u-mini", **SMALL))


@needs_data
@pytest.mark.slow
def test_real_photos_are_held_out():
    wanted = job(Settings(data=str(DATA), validated=5, **SMALL))
    assert len(wanted.validate.photos) == 5 and len(wanted.dataset.scenes) == 5
    sample = wanted.dataset[0, 0]
    assert sample["masks"].shape == (24, 64, 8)
    scores, sheets = wanted.validate(wanted.model)
    assert 0.5 < scores["missed"] <= 1 and len(sheets) == 5
