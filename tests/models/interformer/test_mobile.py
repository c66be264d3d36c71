import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from maskwright.layers.mobilenet import DEVIATION, MEAN
from maskwright.models import interformer
from maskwright.models.interformer.config import MINI
from maskwright.models.interformer.mobile import start_from_imagenet

sys.path.append(str(Path(__file__).parent))
from small_networks import MOBILE, network

WEIGHTS = Path("../shared/data/weights/mobilenetv2_imagenet.safetensors")


def test_the_backbone_sees_colours_from_minus_one_to_one():
    encoder = network(MOBILE).encoder
    colours = torch.rand(1, 3, 64, 96) * 255
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    with torch.no_grad():
        maps = encoder((colours - mean) / deviation)
        expected = encoder.backbone(colours / 127.5 - 1)[1:]
    assert [x.shape[1] for x in maps] == [24, 32, 96, 320]
    for found, each in zip(maps, expected, strict=True):
        torch.testing.assert_close(found, each, rtol=0, atol=1e-4)


def test_the_smallest_map_reaches_the_largest():
    pyramid = network(MOBILE).pyramid
    maps = [
        torch.randn(1, channels, 32 // 2**level, 32 // 2**level)
        for level, channels in enumerate((24, 32, 96, 320))
    ]
    with torch.no_grad():
        before = pyramid(maps)
        maps[3][0, :, 0, 0] += 3
        after = pyramid(maps)
    assert (after[0] - before[0])[0, :, :8, :8].abs().max() > 1e-2


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="needs the ImageNet weights of ../shared/data")
def test_imagenet_weights_fill_the_backbone():
    model = interformer.build(MINI)
    missing, unused = model.load_state_dict(start_from_imagenet(load_file(WEIGHTS)), strict=False)
    assert not unused
    assert not [name for name in missing if name.startswith("encoder.")]
