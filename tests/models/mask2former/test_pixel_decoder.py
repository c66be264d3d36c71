from pathlib import Path

import pytest
import torch
from torch import nn

from maskwright.layers.official import rename
from maskwright.models.mask2former.pixel_decoder import DeformableAttention, PixelDecoder, centres
from maskwright.models.mask2former.position import sine_position

RECORDED = Path(__file__).parents[2] / "parity" / "mask2former_behaviour.pt"
NAMES = [
    ("sampling_offsets", "offsets"),
    ("attention_weights", "weights"),
    ("value_proj", "value"),
    ("output_proj", "out"),
]


@pytest.fixture(scope="module")
def recorded():
    return torch.load(RECORDED, weights_only=True)


def test_deformable_attention_equals_the_official_one(recorded):
    case = recorded["msdeform"]
    attention = DeformableAttention(64, 4)
    attention.load_state_dict(rename(case["state_dict"], NAMES, dropped=()))
    sizes = [tuple(size) for size in case["shapes"].tolist()]
    reference = case["ref"] * case["shapes"].flip(1) - 0.5
    with torch.no_grad():
        values = attention.read_values(case["src"])
        found = attention(case["src"], values, reference=reference, sizes=sizes)
    torch.testing.assert_close(found, case["out"], rtol=0, atol=1e-5)


def test_fresh_attention_looks_where_the_official_one_does(recorded):
    fresh = DeformableAttention(64, 8)
    torch.testing.assert_close(fresh.offsets.bias, recorded["msdeform"]["fresh_bias"])
    assert not fresh.offsets.weight.any() and not fresh.weights.weight.any()


def test_positions_equal_the_official_sines(recorded):
    found = sine_position((7, 9), 256, like=torch.zeros(()))
    expected = recorded["sine_2d_128_7x9"][0].permute(1, 2, 0)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_centres_lie_in_the_middle_of_their_own_cells_and_of_others():
    sizes = [(1, 2), (2, 3)]
    found = centres(sizes)
    assert found.shape == (8, 2, 2)
    assert found[1, 0].tolist() == [1, 0]
    for cell, (row, column) in enumerate((r, c) for r in range(2) for c in range(3)):
        torch.testing.assert_close(found[2 + cell, 1], torch.tensor([float(column), float(row)]))
    expected = torch.tensor([2.5 / 3 * 2 - 0.5, 0.25 * 1 - 0.5])
    torch.testing.assert_close(found[4, 0], expected)


def test_strips_give_what_all_cells_at_once_give(monkeypatch):
    torch.manual_seed(0)
    decoder = PixelDecoder((8, 8, 16, 24), 32, heads=4, layers=2, hidden=24)
    for layer in decoder.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.3)
    maps = [
        torch.randn(2, channels, 48 >> stage, 80 >> stage)
        for stage, channels in enumerate((8, 8, 16, 24))
    ]
    whole = decoder(maps)
    monkeypatch.setattr("maskwright.models.mask2former.pixel_decoder.ROWS", 37)
    with torch.no_grad():
        parts = decoder(maps)
    torch.testing.assert_close(parts.features, whole.features)
    for ours, theirs in zip(parts.levels, whole.levels, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert [x.shape[2:] for x in whole.levels] == [(6, 10), (12, 20), (24, 40)]


def test_what_is_exported_reads_the_same():
    torch.manual_seed(0)
    attention, sizes = DeformableAttention(32, 4), [(2, 3), (4, 6), (8, 12)]
    nn.init.normal_(attention.offsets.weight)
    x, reference = torch.randn(1, 126, 32), centres([(2, 3), (4, 6), (8, 12)])[None]

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = attention

        def forward(self, x):
            values = self.attention.read_values(x)
            return self.attention(x, values, reference=reference, sizes=sizes)

    exported = torch.export.export(Reader().eval(), (x,))
    calls = {str(node.target) for node in exported.graph.nodes}
    assert not any("embedding_bag" in call for call in calls)
    assert any("grid_sampl" in call for call in calls)
    with torch.no_grad():
        torch.testing.assert_close(exported.module()(x), Reader()(x), rtol=1e-4, atol=1e-5)
