from pathlib import Path

import numpy as np
import pytest
import torch

from maskwright.data.semantic import label_folder
from maskwright.errors import UsageError
from maskwright.image.io import write_image
from maskwright.models.mask2former.model import build
from maskwright.training.recipes.camvid import CLASSES, CONFIG, Settings, job
from maskwright.weights.load import load_model, save_model

DATA = Path(__file__).parents[4] / "shared/data"
SMALL = {"side_px": 64, "batch": 2, "points": 64, "validated": 1}
needs_data = pytest.mark.skipif(
    not DATA.exists(), reason="needs ../shared/data beside the checkout"
)


@pytest.fixture
def data(tmp_path):
    """A folder like the real one, with two photos in each part, and a start."""
    labels = np.repeat(np.arange(12, dtype=np.uint8), 10)[None].repeat(90, 0)
    for part in ("train", "val"):
        for name in "ab":
            pixels = np.random.default_rng(ord(name)).integers(0, 256, (90, 120, 3), np.uint8)
            write_image(tmp_path / f"camvid/{part}/images/{name}.png", pixels)
            write_image(tmp_path / f"camvid/{part}/labels/{name}.png", labels)
    return tmp_path


@pytest.fixture
def start(tmp_path):
    torch.manual_seed(0)
    state = build(CONFIG).state_dict()
    return str(
        save_model(
            tmp_path / "start.safetensors", state, paper="mask2former", config=CONFIG, source="test"
        )
    )


def test_a_step_and_what_is_stored(data, start, tmp_path):
    wanted = job(Settings(data=str(data), start=start, **SMALL))
    assert wanted.config.task == "semantic" and wanted.config.names[3] == "road"
    batch = {k: torch.stack([v, v]) for k, v in wanted.dataset[0, 0].items()}
    assert batch["masks"].shape == (2, 11, 64, 8)
    sum(wanted.losses(wanted.model.train(), batch).values()).backward()
    wanted.optimizer.step()
    file = save_model(
        tmp_path / "camvid.safetensors",
        wanted.finish(wanted.model).state_dict(),
        paper=wanted.paper,
        config=wanted.config,
        source=wanted.source,
        dtype="fp16",
    )
    assert file.stat().st_size < 8e6 and load_model(file)[2] == CONFIG
    scores, sheets = wanted.validate(wanted.model)
    assert scores["missed"] == pytest.approx(1 - scores["miou"]) and len(sheets) == 1


def test_void_is_no_class(data, start):
    wanted = job(Settings(data=str(data), start=start, **SMALL))
    found = wanted.dataset.photos.known(0)
    assert found.classes.tolist() == list(range(11))
    assert not found.layers[0, :, 110:].any() and found.layers[0, 0, 109] == 11


def test_it_starts_from_a_network_of_its_own_only(data):
    with pytest.raises(UsageError, match="a2u-mini holds others"):
        job(Settings(data=str(data), start="a2u-mini", **SMALL))
    with pytest.raises(UsageError, match="use --set data=DIR"):
        job(Settings())


@needs_data
def test_real_photos_and_imagenet():
    wanted = job(Settings(data=str(DATA), **SMALL))
    assert len(wanted.dataset) == 367 and len(wanted.validate.photos) == 1
    weight = wanted.model.network.backbone.backbone.stem.conv.weight
    assert not torch.allclose(weight, build(CONFIG).backbone.backbone.stem.conv.weight, atol=0.1)
    photo = label_folder(DATA / "camvid/val/images", DATA / "camvid/val/labels", CLASSES)
    top, bottom = photo.labels(0)[:60], photo.labels(0)[300:]
    assert (top == 0).mean() > 0.1 and not (bottom == 0).any() and (bottom == 3).mean() > 0.3
