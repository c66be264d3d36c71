import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from maskwright.models.interformer import portable
from maskwright.models.interformer.portable import (
    NAMES,
    PortableDecoder,
    PortableEncoder,
    maxima,
    mean_matrix,
    normalised,
)
from maskwright.models.interformer.pyramid import image_norm
from maskwright.models.interformer.quick import QuickDecoder

sys.path.append(str(Path(__file__).parent))
from small_networks import MOBILE, SMALL, network, photo, reference


@pytest.mark.parametrize("config", [SMALL, MOBILE], ids=["vit", "mobilenetv2"])
@pytest.mark.parametrize("size", [(32, 32), (96, 160), (64, 544)])
def test_both_parts_answer_as_the_quick_decoder(config, size):
    model = network(config)
    with torch.no_grad():
        quick, x, states = QuickDecoder(model), photo(*size), reference(*size)
        largest, read = quick.prepare(model.encode(x))
        found = PortableEncoder(model)(x)
        expected = [largest.permute(2, 0, 1)[None], *(each for pair in read for each in pair)]
        assert len(found) == len(NAMES) == len(expected)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=2e-5)
        margin = PortableDecoder(model, size)(states, *found)
    prepared = quick.prepare(model.encode(x))
    torch.testing.assert_close(margin, quick.margin(prepared, states), rtol=0, atol=1e-5)


@pytest.mark.parametrize("entries", [1, 3 * 160 * 18, 2**30])
def test_strips_of_any_height_give_the_same(monkeypatch, entries):
    model, size = network(), (96, 160)
    with torch.no_grad():
        prepared, states = PortableEncoder(model)(photo(*size)), reference(*size)
        expected = PortableDecoder(model, size)(states, *prepared)
        monkeypatch.setattr(portable, "HIDDEN_ENTRIES", entries)
        found = PortableDecoder(model, size)(states, *prepared)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 7), (11, 13)])
def test_pooling_is_torchs(size):
    x = torch.randn(2, 3, 11, 13)
    assert torch.equal(maxima(x, size), F.adaptive_max_pool2d(x, size))
    down, across = mean_matrix(11, size[0]), mean_matrix(13, size[1])
    torch.testing.assert_close(down @ x @ across.T, F.adaptive_avg_pool2d(x, size))


def test_a_norm_far_from_zero_is_torchs():
    x, norm = torch.randn(1, 6, 24, 40) + 30, image_norm(6)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
        torch.testing.assert_close(normalised(x, norm), norm(x), rtol=0, atol=2e-5)
