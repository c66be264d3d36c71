import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import maskwright
from maskwright.data.segment_samples import Crops, Jitter
from maskwright.errors import UsageError, WeightsError
from maskwright.formats.classes import published_classes
from maskwright.image.io import write_image
from maskwright.models.mask2former.config import MINI, R50, SWIN_L, SWIN_T
from maskwright.models.mask2former.model import build
from maskwright.training.recipes import mask2former as recipe
from maskwright.training.recipes.mask2former import Settings, course_of, job, started
from maskwright.weights.load import save_model

SMALL = replace(
    R50,
    depths=(1, 1, 1, 1),
    queries=8,
    width=32,
    heads=2,
    pixel_layers=1,
    pixel_hidden=32,
    layers=2,
    hidden=32,
)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(recipe.CONFIGS, "r50", SMALL)


def photo(path, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)
    write_image(path, pixels)


@pytest.fixture
def coco(tmp_path):
    """A COCO folder with a photo in each part: a person on grass, as panoptic and as object."""
    for part in ("train2017", "val2017"):
        photo(tmp_path / part / "1.png")
        ids = np.zeros((48, 64, 3), np.uint8)
        ids[:, 20:, 0], ids[:, :20, 0] = 1, 2
        write_image(tmp_path / f"annotations/panoptic_{part}/1.png", ids)
        images = [{"id": 1, "file_name": "1.png", "height": 48, "width": 64}]
        things = published_classes("coco-panoptic")
        categories = [
            {"id": number, "name": name, "isthing": int(thing)}
            for number, name, thing in zip(
                things.numbers, things.names, things.is_thing, strict=True
            )
        ]
        segments = [
            {"id": 1, "category_id": 1, "iscrowd": 0, "area": 48 * 44},
            {"id": 2, "category_id": 193, "iscrowd": 0, "area": 48 * 20},
        ]
        rows = [{"image_id": 1, "file_name": "1.png", "segments_info": segments}]
        content = {"images": images, "annotations": rows, "categories": categories}
        (tmp_path / f"annotations/panoptic_{part}.json").write_text(json.dumps(content))
        corners = [20, 0, 64, 0, 64, 48, 20, 48]
        objects = [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [corners], "iscrowd": 0}
        ]
        content |= {"annotations": objects, "categories": categories[:80]}
        (tmp_path / f"annotations/instances_{part}.json").write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def own(tmp_path):
    """A folder of one's own: photos and label pictures, and a list of classes."""
    for part in ("train", "val"):
        photo(tmp_path / part / "images/a.png")
        labels = np.zeros((48, 64), np.uint8)
        labels[:, 20:], labels[40:] = 1, 255
        write_image(tmp_path / part / "labels/a.png", labels)
    (tmp_path / "classes.txt").write_text("ground\nthing\n")
    return tmp_path


def stepped(wanted):
    batch = {k: torch.stack([v, v]) for k, v in wanted.dataset[0, 0].items()}
    losses = wanted.losses(wanted.model.train(), batch)
    sum(losses.values()).backward()
    assert all(value.isfinite() and value > 0 for value in losses.values())
    return batch


@pytest.mark.parametrize(("task", "targets"), [("panoptic", 2), ("instance", 1)])
def test_a_step_on_coco(coco, task, targets):
    wanted = job(
        Settings(data=str(coco), layout=f"coco-{task}", short_side_px=64, points=64, validated=1)
    )
    assert isinstance(wanted.dataset.plan, Jitter) and wanted.dataset.plan.side_px == 96
    batch = stepped(wanted)
    assert batch["masks"].shape == (2, 8, 96, 12)
    assert (batch["classes"] >= 0).sum(dim=1).tolist() == [targets] * 2
    config = wanted.config
    assert config.classes == (133 if task == "panoptic" else 80) and config.names[0] == "person"
    assert config.task == task and config.queries == 8 and config.frozen
    assert wanted.clip == 0.01 and wanted.steps == 368_750 and wanted.batch == 16
    assert wanted.name == f"mask2former-r50-coco-{task}-{task}"
    wanted.model.eval()
    scores, sheets = wanted.validate(wanted.model)
    assert scores["missed"] > 0.5 and len(sheets) == 1


def test_a_step_on_a_folder_of_ones_own(own):
    wanted = job(
        Settings(
            data=str(own),
            layout="folder",
            classes=str(own / "classes.txt"),
            short_side_px=64,
            points=0,
            steps=7,
        )
    )
    assert isinstance(wanted.dataset.plan, Crops) and wanted.config.names == ("ground", "thing")
    assert wanted.config.queries == 100 and wanted.dataset.most == 2 and wanted.steps == 7
    stepped(wanted)
    assert len(wanted.validate.photos) == 1


def test_a_data_set_is_needed(tmp_path):
    with pytest.raises(UsageError, match="use --set data=DIR"):
        job(Settings())


def test_coco_s_rate_falls_twice_and_the_others_falls_to_nothing():
    rate = course_of(Settings()).rate(368_750)
    assert [round(rate(step), 6) for step in (0, 327_777, 327_778, 355_092)] == [1, 1, 0.1, 0.01]
    long = course_of(Settings(size="swin_l"))
    assert long.steps == 737_500 and long.rate(737_500)(710_183) == pytest.approx(0.1)
    assert course_of(Settings()).rate(3687)(3278) == pytest.approx(0.1)
    rate = course_of(Settings(layout="ade20k")).rate(160_000)
    assert rate(80_000) == pytest.approx(0.5**0.9) and rate(160_000) == 0


@pytest.mark.parametrize(
    ("settings", "short", "long", "crop"),
    [
        ({"layout": "ade20k"}, 512, 2048, (512, 512)),
        ({"layout": "ade20k", "task": "panoptic"}, 640, 2560, (640, 640)),
        ({"layout": "ade20k", "size": "swin_b"}, 640, 2560, (640, 640)),
        ({"layout": "cityscapes"}, 1024, 2048, (512, 1024)),
        ({"layout": "coco-instance"}, 800, 1333, (1024, 1024)),
        ({"layout": "cityscapes", "short_side_px": 256}, 256, 512, (128, 256)),
    ],
)
def test_sizes_of_the_data_sets(settings, short, long, crop):
    course = course_of(Settings(**settings))
    assert (course.short_side_px, course.long_side_px, course.crop_px) == (short, long, crop)


def test_semantic_networks_have_100_queries_and_cityscapes_norms_learn(own):
    settings = Settings(
        data=str(own), layout="folder", classes=str(own / "classes.txt"), size="swin_l"
    )
    truth, _ = recipe.truths(settings)
    config = recipe.config_of(settings, truth, course_of(settings))
    assert SWIN_L.queries == 200 and config.queries == 100 and config.short_side_px == 640
    streets = replace(settings, layout="cityscapes", size="r50")
    assert not recipe.config_of(streets, truth, course_of(streets)).frozen


def resnet(config):
    """Return a classifier in torchvision's names with the backbone of a configuration."""
    state = {}
    names = {"reduce": 1, "filter": 2, "expand": 3}
    for name, value in build(config).backbone.state_dict().items():
        parts = name.split(".")
        if parts[0] == "stem":
            new = f"{'conv1' if parts[1] == 'conv' else 'bn1'}.{parts[-1]}"
        else:
            _, stage, block, part, kind, leaf = parts
            at = f"layer{int(stage) + 1}.{block}."
            if part == "shortcut":
                new = f"{at}downsample.{0 if kind == 'conv' else 1}.{leaf}"
            else:
                new = f"{at}{'conv' if kind == 'conv' else 'bn'}{names[part]}.{leaf}"
        state[new] = torch.rand_like(value)
    return state | {"fc.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}


def test_it_starts_from_a_classifier_with_its_backbone(tmp_path):
    state = resnet(SMALL)
    torch.save(state, tmp_path / "resnet.pth")
    for frozen in (True, False):
        network = started(str(tmp_path / "resnet.pth"), replace(SMALL, frozen=frozen))
        weight = network.backbone.stages[3][0].filter.conv.weight
        assert torch.equal(weight, state["layer4.0.conv2.weight"])
        statistics = network.backbone.stem.norm.running_var
        assert torch.equal(statistics, state["bn1.running_var"])
    for wrong in (replace(SMALL, depths=(2, 1, 1, 1)), replace(SWIN_T, depths=(1, 1, 1, 1))):
        with pytest.raises(WeightsError, match="a start for this backbone"):
            started(str(tmp_path / "resnet.pth"), wrong)


def test_it_goes_on_from_a_mask2former_for_other_classes(tmp_path):
    network = build(SMALL)
    file = save_model(
        tmp_path / "a.safetensors",
        network.state_dict(),
        paper="mask2former",
        config=SMALL,
        source="a test",
    )
    found = started(str(file), replace(SMALL, classes=5))
    assert torch.equal(found.decoder.query, network.decoder.query)
    assert found.decoder.classify.weight.shape[0] == 6
    with pytest.raises(WeightsError, match="a start for this backbone"):
        started(str(file), MINI)
    with pytest.raises(WeightsError, match="holds a2u"):
        started(str(Path(maskwright.__file__).parent / "weights/files/a2u-mini.safetensors"), SMALL)
