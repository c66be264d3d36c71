from pathlib import Path

import numpy as np
import pytest
import skimage.data
import skimage.transform
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from maskwright.layers.mobilenet import MobileNetV2, calibrate_norms, convert_imagenet

WEIGHTS = Path("../shared/data/weights/mobilenetv2_imagenet.safetensors")
EGYPTIAN_CAT = 286  # of 1001 classes, 0 being background


@pytest.mark.parametrize(
    ("output_stride", "sizes"), [(32, (48, 24, 12, 6, 3)), (8, (48, 24, 12)), (16, (48, 24, 12, 6))]
)
def test_no_map_is_smaller_than_the_output_stride(output_stride, sizes):
    maps = MobileNetV2(output_stride=output_stride).eval()(torch.zeros(1, 3, 96, 64))
    assert tuple(m.shape[2] for m in maps) == sizes
    assert maps[-1].shape[1] == 320


def test_calibrated_norms_keep_the_function_and_the_statistics():
    torch.manual_seed(0)
    model, batch = MobileNetV2(stages=3).eval(), 3 * torch.randn(4, 3, 64, 64) + 1
    before = [m.clone() for m in model(batch)]
    calibrate_norms(model, [batch])
    for ours, theirs in zip(model(batch), before, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    model.train()
    for ours, theirs in zip(model(batch), before, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-3)


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="needs the ImageNet weights of ../shared/data")
def test_a_cat_is_a_cat():
    official = load_file(WEIGHTS)
    model = MobileNetV2().eval()
    model.load_state_dict(convert_imagenet(official))
    cat = skimage.transform.resize(skimage.data.chelsea(), (224, 224), anti_aliasing=True)
    x = torch.from_numpy(cat.astype(np.float32)).permute(2, 0, 1)[None] * 2 - 1
    with torch.no_grad():
        y = F.conv2d(model(x)[-1], official["features.18.0.weight"])
        norm = {key: official[f"features.18.1.{key}"] for key in ("weight", "bias")}
        mean, variance = (official[f"features.18.1.running_{key}"] for key in ("mean", "var"))
        y = F.batch_norm(y, mean, variance, **norm).clamp(0, 6).mean((2, 3))
        scores = y @ official["classifier.1.weight"].T + official["classifier.1.bias"]
    assert scores.argmax() == EGYPTIAN_CAT
