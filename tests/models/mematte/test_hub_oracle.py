"""The unrouted network against the ViTMatte of transformers, the same random weights in both."""

import pytest
import torch

from maskwright.models import mematte
from maskwright.models.mematte.config import SMALL

transformers = pytest.importorskip("transformers", reason="transformers is a test oracle")
WINDOW_BLOCKS = {4: [0, 2], 12: [0, 1, 3, 4, 6, 7, 9, 10]}


def hub_network(*, channels, depth, heads, window, side, widths):
    backbone = transformers.VitDetConfig(
        hidden_size=channels,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        image_size=16 * side,
        pretrain_image_size=80,
        num_channels=4,
        window_size=window,
        window_block_indices=WINDOW_BLOCKS[depth],
        residual_block_indices=[i for i in range(depth) if i not in WINDOW_BLOCKS[depth]],
        use_relative_position_embeddings=True,
        out_features=[f"stage{depth}"],
    )
    config = transformers.VitMatteConfig(
        backbone_config=backbone,
        hidden_size=channels,
        convstream_hidden_sizes=widths[0],
        fusion_hidden_sizes=widths[1],
    )
    torch.manual_seed(0)
    model = transformers.VitMatteForImageMatting(config).eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.normal_(std=value[0].numel() ** -0.5 if value.ndim > 1 else 0.2)
                value += float(value.ndim == 1 and name.endswith("weight"))
    return model


def check(hub, size, *, batch):
    official = hub.state_dict()
    config = mematte.infer_config(official)
    assert not config.routed
    model = mematte.build(config).eval()
    model.load_state_dict(mematte.convert(official))
    x = torch.randn(batch, 4, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, alpha = hub(pixel_values=x).alphas, model(x)
    assert expected.std() > 0.03
    torch.testing.assert_close(alpha, expected, rtol=0, atol=1e-4)
    return config


@pytest.mark.parametrize("size", [(64, 96), (192, 64)])
def test_a_small_network_equals_the_hub_s(size):
    hub = hub_network(
        channels=24, depth=4, heads=3, window=3, side=4, widths=([5, 6, 7], [12, 11, 10, 9])
    )
    check(hub, size, batch=2)


@pytest.mark.slow
def test_vitmatte_small_equals_the_hub_s():
    widths = [48, 96, 192], [256, 128, 64, 32]
    hub = hub_network(channels=384, depth=12, heads=6, window=14, side=32, widths=widths)
    config = check(hub, (288, 352), batch=1)
    assert (config.channels, config.window) == (SMALL.channels, SMALL.window)
