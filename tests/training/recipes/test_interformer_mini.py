from pathlib import Path

import pytest
import torch

from maskwright.errors import UsageError
from maskwright.models.interformer.config import MINI
from maskwright.training.recipes.interformer_mini import Settings, job
from maskwright.weights.load import load_model, save_model

DATA = Path(__file__).parents[4] / "shared/data"
SMALL = {"procedural": 3, "side_px": 64, "batch": 2}
needs_data = pytest.mark.skipif(
    not DATA.exists(), reason="needs ../shared/data beside the checkout"
)


def step(wanted):
    samples = [wanted.dataset[0, index] for index in range(2)]
    batch = {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}
    losses = wanted.losses(wanted.model.train(), batch)
    loss = torch.stack(list(losses.values())).sum()
    loss.backward()
    return loss.item()


def test_it_learns_from_drawn_things(tmp_path):
    wanted = job(Settings(**SMALL))
    assert wanted.validate is None and wanted.config == MINI
    first = step(wanted)
    wanted.optimizer.step()
    assert 0 < first < 5
    network = wanted.finish(wanted.model)
    file = save_model(
        tmp_path / "mini.safetensors",
        network.state_dict(),
        paper=wanted.paper,
        config=wanted.config,
        source=wanted.source,
        dtype="fp16",
    )
    assert file.stat().st_size < 8e6
    again = job(Settings(start=str(file), **SMALL)).model.network
    assert torch.allclose(again.neck.embedding, network.neck.embedding, atol=1e-3)
    assert load_model(file)[2] == MINI


def test_the_first_stages_of_mobilenet_learn_slowest():
    rates = [group["lr"] for group in job(Settings(**SMALL)).optimizer.param_groups]
    assert min(rates) == pytest.approx(1e-3 * 0.8**8) and max(rates) == 1e-3


def test_it_starts_from_a_small_click_network_only():
    with pytest.raises(UsageError, match="a2u-mini holds others"):
        job(Settings(start="a2u-mini", **SMALL))


@needs_data
def test_it_starts_from_imagenet_and_is_validated_on_held_out_objects():
    wanted = job(Settings(data=str(DATA), validated=2, **SMALL))
    fresh = job(Settings(**SMALL)).model.network
    weight = wanted.model.network.encoder.backbone.stem.conv.weight
    assert not torch.allclose(weight, fresh.encoder.backbone.stem.conv.weight, atol=0.1)
    scores, sheets = wanted.validate(wanted.model)
    assert list(scores) == ["missed3", "missed1"] and all(0 < s <= 1 for s in scores.values())
    assert len(sheets) == 2 and sheets[0].ndim == 3
