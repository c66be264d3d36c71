import torch

from maskwright.layers.dropout import Dropout


def test_values_or_channels_are_dropped():
    torch.manual_seed(0)
    x = torch.ones(5, 7, 11, 3)
    values, channels = Dropout(0.5)(x), Dropout(0.5, channels=True)(x)
    assert set(values.unique().tolist()) == set(channels.unique().tolist()) == {0, 2}
    assert {len(each.unique()) for each in channels.flatten(0, 1)} == {1}
    assert 2 in {len(each.unique()) for each in values.flatten(0, 1)}


def test_outside_training_nothing_is_dropped():
    x = torch.randn(2, 3, 5, 7)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x
