import numpy as np
import torch

from maskwright.models.mask2former.config import Config
from maskwright.models.mask2former.model import build
from maskwright.training.segmenting import (
    SegmentLosses,
    SegmentTraining,
    count_targets,
    network_of,
    targets_of,
    unpacked,
)

SMALL = Config(
    backbone="mobilenetv2",
    classes=3,
    queries=5,
    width=32,
    heads=2,
    pixel_layers=1,
    pixel_hidden=32,
    layers=3,
    hidden=32,
)


def training(**settings):
    torch.manual_seed(0)
    return SegmentTraining(build(SMALL), **settings).train()


def batch(side=64):
    """Return two pictures: one with a bright box of class 2, one with nothing to find."""
    mask = np.zeros((side, side), np.bool_)
    mask[10:50, 6:37] = True
    image = np.where(mask, 0.9, 0.2).astype(np.float32)[None].repeat(3, 0)
    masks = np.zeros((2, 4, side, side // 8), np.uint8)
    masks[0, 0] = np.packbits(mask, axis=1)
    return {
        "image": torch.from_numpy(np.stack([image, np.zeros_like(image)])),
        "masks": torch.from_numpy(masks),
        "classes": torch.tensor([[2, -1, -1, -1], [-1] * 4]),
    }


def test_masks_come_out_of_bits_as_they_went_in():
    masks = np.random.default_rng(0).random((3, 5, 13)) > 0.5
    packed = torch.from_numpy(np.packbits(masks, axis=2))
    assert torch.equal(unpacked(packed, 13), torch.from_numpy(masks))


def test_targets_are_the_rows_that_have_a_class():
    first, second = targets_of(batch())
    assert first.classes.tolist() == [2] and first.masks.sum() == 40 * 31
    assert first.masks[0, 10, 6] and not first.masks[0, 10, 5] and not first.masks[0, 50, 20]
    assert second.classes.numel() == 0 and second.masks.shape == (0, 64, 64)


def test_photos_are_normalised():
    seen = []
    model = training()
    model.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model(torch.full((1, 3, 64, 64), 0.5))
    expected = (0.5 * 255 - torch.tensor([123.675, 116.28, 103.53])) / torch.tensor([
        58.395,
        57.12,
        57.375,
    ])
    assert torch.allclose(seen[0][0, :, 3, 4], expected, atol=1e-3)


def test_frozen_norms_keep_their_statistics_but_learn():
    for frozen in (True, False):
        model = training(frozen_norms=frozen)
        norm = model.network.backbone.backbone.stem.norm
        before = norm.running_mean.clone()
        sum(SegmentLosses(64)(model, batch()).values()).backward()
        assert torch.equal(norm.running_mean, before) == frozen
        assert norm.weight.grad is not None and model.network.decoder.training
    assert network_of(model) is model.network


def test_points_and_whole_masks_agree_on_what_is_wrong():
    model = training()
    whole, at_points = (
        [SegmentLosses(points)(model, batch()) for _ in range(4)] for points in (0, 4000)
    )
    assert list(whole[0]) == ["classes", "masks", "dice"]
    assert whole[0]["dice"] == whole[1]["dice"]
    assert at_points[0]["dice"] != at_points[1]["dice"]
    assert abs(whole[0]["classes"] - at_points[0]["classes"]) < 0.1


def test_a_part_counts_by_the_targets_of_an_equal_share():
    assert count_targets(batch()) == {"targets": torch.tensor(1.0)}
    model, parts = training(frozen_norms=True), []
    whole = SegmentLosses(0)(model, batch())
    for image in (0, 1):
        own = {key: value[image : image + 1] for key, value in batch().items()}
        parts.append(SegmentLosses(0)(model, own | {"targets": torch.tensor(0.5)}))
    for name, value in whole.items():
        torch.testing.assert_close((parts[0][name] + parts[1][name]) / 2, value)


def test_a_batch_without_anything_to_find_teaches_the_classes():
    found = batch()
    nothing = {key: value[1:] for key, value in found.items()}
    for points in (0, 64):
        losses = SegmentLosses(points)(training(), nothing)
        sum(losses.values()).backward()
        assert losses["masks"] == losses["dice"] == 0 and losses["classes"] > 0
