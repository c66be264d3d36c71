"""The network against the Mask2Former of transformers, the same random weights in both."""

import pytest
import torch

from maskwright.models import mask2former

transformers = pytest.importorskip("transformers", reason="transformers is a test oracle")
STAGES = ["stage1", "stage2", "stage3", "stage4"]


def swin(window):
    return transformers.SwinConfig(
        **{"image_size": 64, "embed_dim": 24, "depths": [2, 2, 3, 2], "num_heads": [1, 2, 3, 4]},
        **{"window_size": window, "out_features": STAGES, "drop_path_rate": 0.0},
    )


def resnet():
    return transformers.ResNetConfig(depths=[2, 2, 3, 2], out_features=STAGES)


@pytest.fixture(scope="module", params=[swin(4), swin(7), resnet()], ids=["swin4", "swin7", "r"])
def hub(request):
    """Return a small network of the hub, every parameter drawn."""
    backbone = request.param
    config = transformers.Mask2FormerConfig(
        **{"backbone_config": backbone, "num_queries": 7, "num_labels": 5},
        **{"feature_size": 64, "mask_feature_size": 64, "hidden_dim": 64},
        **{"num_attention_heads": 4, "dim_feedforward": 48, "encoder_feedforward_dim": 40},
        **{"encoder_layers": 2, "decoder_layers": 6},
    )
    model = transformers.Mask2FormerForUniversalSegmentation(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if not value.is_floating_point():
                continue
            value.normal_(generator=generator)
            if name.endswith("running_var"):
                value.abs_().add_(0.5)
            elif value.ndim > 1 and "embed" not in name.rsplit(".", 2)[-2]:
                value *= value[0].numel() ** -0.5
            elif value.ndim == 1:
                value *= 0.1
                value += float(name.endswith("weight"))
    return model


@pytest.mark.parametrize("size", [(224, 256), (288, 224)])
def test_a_small_network_equals_the_hub_s(hub, size):
    official = hub.state_dict()
    config = mask2former.infer_config(official)
    model = mask2former.build(config).eval()
    model.load_state_dict(mask2former.convert(official))
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = hub(pixel_values=x), model(x)
    assert config.depths == (2, 2, 3, 2) and config.layers == 5
    assert expected.masks_queries_logits.std() > 0.1
    torch.testing.assert_close(found.class_logits, expected.class_queries_logits, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.mask_logits, expected.masks_queries_logits, rtol=0, atol=1e-3)
