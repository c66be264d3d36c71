import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from maskwright.errors import UsageError
from maskwright.models import interformer
from maskwright.models.interformer import quick_head, quick_neck
from maskwright.models.interformer.neck import FeedForward, embed
from maskwright.models.interformer.pyramid import image_norm
from maskwright.models.interformer.quick import QuickDecoder
from maskwright.models.interformer.quick_head import add_enlarged_convolution
from maskwright.models.interformer.quick_neck import QuickFeedForward
from maskwright.structures.box import Box

sys.path.append(str(Path(__file__).parent))
from small_networks import MOBILE, SMALL, network, official_checkpoint, photo, reference

CONFIGS = pytest.mark.parametrize("config", [SMALL, MOBILE], ids=["vit", "mobilenetv2"])


def margin(logits):
    return logits[:, 1:] - logits[:, :1]


@CONFIGS
@pytest.mark.parametrize("size", [(32, 32), (96, 160), (64, 544)])
def test_answers_equal_those_of_the_plain_decoder(config, size):
    model = network(config)
    with torch.no_grad():
        maps = model.encode(photo(*size))
        quick = QuickDecoder(model)
        for seed in range(2):  # the first click must leave nothing behind
            states = reference(*size, batch=2, seed=seed)
            expected = margin(model.decode(maps, states))
            found = quick(quick.prepare(maps), states)
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_answers_equal_those_of_a_network_with_the_official_sizes():
    official = official_checkpoint()
    model = interformer.build(interformer.infer_config(official)).eval()
    model.load_state_dict(interformer.convert(official))
    states, regions = reference(256, 192), [Box(32, 0, 96, 64)]
    with torch.no_grad():
        maps = model.encode(photo(256, 192))
        quick = QuickDecoder(model)
        prepared = quick.prepare(maps)
        for each in (None, regions):
            expected = margin(model.decode(maps, states, regions=each))
            found = quick(prepared, states, regions=each)
            torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
            assert torch.equal(found > 0, expected > 0)


def test_only_the_largest_map_and_keys_and_values_are_kept():
    model = network()
    maps = model.encode(photo())
    largest, read = QuickDecoder(model).prepare(maps)
    assert torch.equal(largest, maps[0][0].permute(1, 2, 0))
    heads = [(pair[0].shape[1], pair[0].shape[3]) for pair in read]
    assert heads == [(1, 6), (2, 4), (3, 4), (4, 4)]
    assert all(each.is_contiguous() and not each.requires_grad for pair in read for each in pair)


def test_the_decoder_holds_its_own_weights():
    model = network()
    with torch.no_grad():
        maps, states = model.encode(photo()), reference()
        quick = QuickDecoder(model)
        before = quick(quick.prepare(maps), states)
        for parameter in model.parameters():
            parameter.zero_()
        assert torch.equal(quick(quick.prepare(maps), states), before)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_regions_are_checked():
    model = network()
    quick = QuickDecoder(model)
    prepared = quick.prepare(model.encode(photo()))
    with pytest.raises(UsageError, match="expected 1 regions, one for each"):
        quick(prepared, reference(), regions=[])


def test_states_are_embedded_as_by_interpolation():
    embedding, states = network().neck.embedding, reference(28, 36)
    full = F.embedding(states[:, 0].long(), embedding).permute(0, 3, 1, 2)
    expected = F.interpolate(full, scale_factor=0.25, mode="bilinear").permute(0, 2, 3, 1)
    found = embed(embedding, states[:, 0])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("entries", [1, 5 * 11 * 21, 2**19])
def test_strips_of_any_height_give_the_same(monkeypatch, entries):
    monkeypatch.setattr(quick_neck, "HIDDEN_ENTRIES", entries)
    torch.manual_seed(0)
    norm, layer, x = image_norm(7), FeedForward(7, 3), torch.randn(13, 11, 7) + 2
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
        batch = x.permute(2, 0, 1)[None]
        expected = (batch + layer(norm(batch)))[0].permute(1, 2, 0)
        found = QuickFeedForward(norm, layer)(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_windows_far_from_zero_are_normalised_as_exactly():
    model = network()
    down = model.neck.stages[0].down
    x = torch.randn(1, 6, 24, 40, generator=torch.Generator().manual_seed(0)) + 3
    with torch.no_grad():
        expected = down(x)[0].permute(1, 2, 0)
        found = quick_neck.QuickDownsample(down)(x[0].permute(1, 2, 0).contiguous())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows", [3, 32])
@pytest.mark.parametrize("size", [(5, 7), (10, 14), (20, 56), (13, 8)])
def test_convolving_an_enlarged_map_written_out(monkeypatch, rows, size):
    monkeypatch.setattr(quick_head, "BAND_ROWS", rows)
    quick_head.bands.cache_clear()
    x, filters = torch.randn(1, 3, 5, 7), torch.randn(4, 3, 3, 3)
    enlarged = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
    expected = 1 + F.conv2d(enlarged, filters, padding=1)[0].permute(1, 2, 0)
    y = torch.ones(*size, 4)
    add_enlarged_convolution(y, x[0].permute(1, 2, 0), quick_head.by_row(filters))
    quick_head.bands.cache_clear()
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-5)
