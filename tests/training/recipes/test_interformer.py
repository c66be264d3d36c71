import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from maskwright.errors import DataError, UsageError, WeightsError
from maskwright.image.io import write_image
from maskwright.models import interformer
from maskwright.models.interformer.config import LIGHT, MINI
from maskwright.training.recipes import interformer as recipe
from maskwright.training.recipes.interformer import Settings, job, schedule, sources, started
from maskwright.weights.load import save_model

SMALL = replace(LIGHT, channels=32, depth=2, heads=2, position_side=4)


def photo(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)
    write_image(path, pixels)


@pytest.fixture
def coco(tmp_path):
    """A COCO folder with one photo: two segments, and one object for LVIS."""
    root = tmp_path / "coco"
    photo(root / "train2017" / "1.png")
    ids = np.zeros((48, 64, 3), np.uint8)
    ids[:, 20:, 0], ids[:, :20, 0] = 1, 2
    write_image(root / "annotations/panoptic_train2017/1.png", ids)
    segments = [{"id": 1, "category_id": 1}, {"id": 2, "category_id": 2}]
    rows = [{"image_id": 1, "file_name": "1.png", "segments_info": segments}]
    images = [{"id": 1, "file_name": "1.png", "height": 48, "width": 64}]
    content = {"images": images, "annotations": rows}
    (root / "annotations/panoptic_train2017.json").write_text(json.dumps(content))
    corners = [10, 10, 50, 10, 50, 40, 10, 40]
    lvis = {
        "images": [{"id": 1, "coco_url": "http://images/train2017/1.png"}],
        "annotations": [{"image_id": 1, "segmentation": [corners]}],
    }
    (root / "lvis_v1_train.json").write_text(json.dumps(lvis))
    return root


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(recipe.CONFIGS, "light", SMALL)
    monkeypatch.setitem(recipe.LAYER_DECAY, SMALL, 0.65)


def test_coco_and_lvis_follow_each_other(coco):
    found = sources(Settings(coco=str(coco), lvis=str(coco)))
    assert [len(source) for source in found] == [1, 1]
    rng = np.random.default_rng(0)
    assert np.unique(found[0].labelled(0, rng).labels).tolist() == [1, 2]
    assert np.unique(found[1].labelled(0, rng).labels).tolist() == [0, 1]


def test_a_folder_of_ones_own(tmp_path):
    photo(tmp_path / "images" / "a.png")
    write_image(tmp_path / "masks" / "a.png", np.eye(48, 64, dtype=np.uint8) * 255)
    (found,) = sources(Settings(folder=str(tmp_path)))
    assert len(found) == 1


def test_photos_are_needed(tmp_path):
    with pytest.raises(UsageError, match="use --set coco=DIR"):
        sources(Settings())
    with pytest.raises(DataError, match="panoptic_train2017"):
        sources(Settings(coco=str(tmp_path)))


def test_a_step(coco, small):
    wanted = job(Settings(coco=str(coco), lvis=str(coco), side_px=64, batch=2))
    batch = {k: torch.stack([v, v]) for k, v in wanted.dataset[0, 0].items()}
    found = wanted.losses(wanted.model.train(), batch)
    sum(found.values()).backward()
    assert wanted.clip == 0 and wanted.steps == 320_000 and wanted.name == "interformer-light"
    assert all(value.isfinite() for value in found.values())


def test_the_rate_rises_for_1500_steps_and_falls_to_nothing():
    rate = schedule(320_000)
    assert rate(0) == pytest.approx(1e-6)
    assert rate(750) == pytest.approx(0.5 * (1 - 750 / 320_000), rel=1e-3)
    assert rate(1500) == pytest.approx(1 - 1500 / 320_000)
    assert rate(160_000) == pytest.approx(0.5) and rate(319_999) == pytest.approx(1 / 320_000)


def masked_autoencoder(channels=32, depth=2):
    state = {"cls_token": torch.rand(1, 1, channels), "pos_embed": torch.rand(1, 17, channels)}
    state |= {"patch_embed.proj.weight": torch.rand(channels, 3, 16, 16)}
    state |= {"patch_embed.proj.bias": torch.rand(channels)}
    for block in range(depth):
        for name, shape in {
            "norm1": (channels,),
            "attn.qkv": (3 * channels, channels),
            "attn.proj": (channels, channels),
            "norm2": (channels,),
            "mlp.fc1": (4 * channels, channels),
            "mlp.fc2": (channels, 4 * channels),
        }.items():
            state[f"blocks.{block}.{name}.weight"] = torch.rand(shape)
            state[f"blocks.{block}.{name}.bias"] = torch.rand(shape[0])
    return {"model": state}


def test_it_starts_from_a_masked_autoencoder_of_its_size(tmp_path):
    official = masked_autoencoder()
    torch.save(official, tmp_path / "mae.pth")
    config = replace(SMALL, position_side=32)
    network, found = started(str(tmp_path / "mae.pth"), config)
    fc1 = official["model"]["blocks.1.mlp.fc1.weight"]
    assert found == config and any(torch.equal(p, fc1) for p in network.parameters())
    with pytest.raises(WeightsError, match="a start for 64 channels and 2 blocks"):
        started(str(tmp_path / "mae.pth"), replace(config, channels=64))


def test_it_goes_on_from_an_interformer_of_its_size(tmp_path):
    state = interformer.build(MINI).state_dict()
    file = save_model(
        tmp_path / "mini.safetensors", state, paper="interformer", config=MINI, source="a test"
    )
    assert started(str(file), MINI)[1] == MINI
    with pytest.raises(WeightsError, match="holds another network"):
        started(str(file), LIGHT)
