import sys
from pathlib import Path

import pytest
import torch

from maskwright.errors import ShapeError
from maskwright.layers.conv import folded
from maskwright.models import mask2former
from maskwright.models.mask2former.config import MINI, R50, R101, SWIN_B, SWIN_L, SWIN_S, SWIN_T

sys.path.append(str(Path(__file__).parent))
from query_networks import MOBILE, PARITY, RESNET, SWIN, network, photo

sys.path.append(str(PARITY))
from fixture_weights import load_case

CONFIGS = pytest.mark.parametrize(
    "config", [RESNET, SWIN, MOBILE], ids=["resnet", "swin", "mobilenetv2"]
)


@pytest.fixture(scope="module", params=["mini", "swin_t", "r50"])
def recorded(request):
    """Return the official network's weights in ours, and what it gave."""
    official, tensors, _ = load_case(f"mask2former_{request.param}_96x128", PARITY)
    model = mask2former.build(mask2former.infer_config(official))
    model.load_state_dict(mask2former.convert(official))
    return model.eval(), tensors


def check(found, tensors, suffix=""):
    for name, tolerance in (("class_logits", 1e-4), ("mask_logits", 1e-3)):
        expected = tensors[f"{name}{suffix}"]
        torch.testing.assert_close(getattr(found, name), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("grad", [False, True], ids=["inference", "training"])
def test_logits_equal_the_official_network_at_equal_attention_masks(recorded, grad):
    model, tensors = recorded
    masks = [tensors[f"attention_mask_{index}"] for index in range(9)]
    with torch.set_grad_enabled(grad):
        found = model(tensors["input"], attention_masks=masks)
    check(found, tensors)
    assert len(found.auxiliary) == 9
    check(found.auxiliary[0], tensors, "_0")


def test_the_network_makes_the_official_attention_masks_itself(recorded):
    model, tensors = recorded
    with torch.no_grad():
        found = folded(model)(tensors["input"])
    check(found, tensors)
    assert found.auxiliary == ()


@pytest.mark.parametrize(
    ("config", "total", "parts"),
    [
        (R50, 43_983_878, (23_454_912, 6_035_904, 14_493_062)),
        (R101, 62_923_782, (42_394_816, 6_035_904, 14_493_062)),
        (SWIN_T, 47_435_264, (27_520_698, 5_421_504, 14_493_062)),
        (SWIN_S, 68_753_168, (48_838_602, 5_421_504, 14_493_062)),
        (SWIN_B, 106_917_822, (86_880_376, 5_544_384, 14_493_062)),
        (SWIN_L, 215_535_610, (195_201_204, 5_790_144, 14_544_262)),
    ],
    ids=["r50", "r101", "swin_t", "swin_s", "swin_b", "swin_l"],
)
def test_the_paper_s_networks_have_their_parameters(config, total, parts):
    with torch.device("meta"):
        model = mask2former.build(config)
    modules = (model, model.backbone, model.pixel_decoder, model.decoder)
    counts = [sum(p.numel() for p in module.parameters()) for module in modules]
    assert counts == [total, *parts]


def test_the_mini_network_fits_in_eight_megabytes():
    with torch.device("meta"):
        state = mask2former.build(MINI).state_dict().values()
    assert sum(value.numel() for value in state) <= 4_000_000
    assert sum(value.numel() * (2 if value.ndim > 1 else 4) for value in state) <= 7_900_000


@CONFIGS
@pytest.mark.parametrize("size", [(64, 96), (97, 131), (32, 288), (5, 3)])
def test_photos_of_any_size_give_masks_of_a_quarter(config, size):
    with torch.no_grad():
        found = network(config)(photo(*size))
    assert found.class_logits.shape == (1, config.queries, config.classes + 1)
    assert found.mask_logits.shape == (1, config.queries, -(-size[0] // 4), -(-size[1] // 4))
    assert found.class_logits.isfinite().all() and found.mask_logits.isfinite().all()


@CONFIGS
def test_two_images_at_once_are_two_images_alone(config):
    model, x = network(config), photo(batch=2)
    with torch.no_grad():
        both = model(x)
        for i in range(2):
            alone = model(x[i : i + 1])
            for one, other in zip(both[:2], alone[:2], strict=True):
                torch.testing.assert_close(one[i], other[0], rtol=0, atol=1e-4)


@CONFIGS
def test_every_parameter_learns(config):
    torch.manual_seed(0)
    model = network(config).train()
    for module in model.modules():
        if hasattr(module, "rate"):
            module.rate = 0.0
    found = model(photo(batch=2))
    assert len(found.auxiliary) == config.layers
    total = found.class_logits.square().sum() + found.mask_logits.square().sum()
    for each in found.auxiliary:
        total = total + each.class_logits.square().sum() + each.mask_logits.square().sum()
    total.backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_the_last_prediction_is_the_same_in_training_and_inference():
    model, x = network(RESNET), photo()
    training, inference = model.train()(x), model.eval()(x)
    torch.testing.assert_close(training.mask_logits, inference.mask_logits)
    torch.testing.assert_close(training.class_logits, inference.class_logits)


def test_attention_masks_decide_and_a_blocked_query_looks_everywhere():
    model, x = network(), photo(64, 96)
    cells = (6, 24, 96, 6)
    nothing, everything = (
        [torch.full((1, 11, n), value) for n in cells] for value in (False, True)
    )
    half = [mask.clone() for mask in nothing]
    half[2][0, 3, :40] = True
    with torch.no_grad():
        open_, blocked, partly = (
            model(x, attention_masks=masks) for masks in (nothing, everything, half)
        )
    torch.testing.assert_close(open_.mask_logits, blocked.mask_logits)
    before, after = ((open_.auxiliary[i], partly.auxiliary[i]) for i in (2, 3))
    torch.testing.assert_close(*(each.mask_logits for each in before))
    changed = (after[0].class_logits - after[1].class_logits).abs().amax((0, 2))
    assert changed[3] > 1e-4


def test_a_photo_is_filled_up_with_zeros_to_multiples_of_32():
    model, x = network(), photo(49, 70)
    filled = torch.zeros(1, 3, 64, 96)
    filled[:, :, :49, :70] = x
    with torch.no_grad():
        found, expected = model(x), model(filled)
    torch.testing.assert_close(found.class_logits, expected.class_logits)
    torch.testing.assert_close(found.mask_logits, expected.mask_logits[:, :, :13, :18])


def test_wrong_shapes_are_named():
    model = network()
    with pytest.raises(ShapeError, match=r"expected images .* got \(1, 3, 0, 32\); put the chan"):
        model(photo(0, 32))
    masks = [torch.zeros(1, 11, n) for n in (6, 24, 96, 24)]
    with pytest.raises(ShapeError, match=r"expected 4 attention masks .*give each layer its own"):
        model(photo(64, 96), attention_masks=masks)
    with pytest.raises(ShapeError, match=r"expected 4 attention masks .*got 3, first"):
        model(photo(64, 96), attention_masks=masks[:3])


@CONFIGS
def test_half_precision_predicts_nearly_the_same(config):
    model, x = network(config), photo()
    open_ = [torch.zeros(1, config.queries, n) for n in (15, 60, 240)]
    masks = [open_[index % 3] for index in range(config.layers)]
    with torch.no_grad():
        expected = model(x, attention_masks=masks)
        found = model.bfloat16()(x.bfloat16(), attention_masks=masks)
    for name in ("class_logits", "mask_logits"):
        half, full = getattr(found, name), getattr(expected, name)
        assert half.dtype == torch.bfloat16
        assert (half.float() - full).norm() < 0.08 * full.norm()


def test_autocast_leaves_the_pixel_decoder_in_full_precision():
    model, seen = network(RESNET), []
    model.pixel_decoder.layers[0].register_forward_hook(lambda *args: seen.append(args[2].dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(photo())
    assert seen == [torch.float32]
    assert found.mask_logits.dtype == torch.bfloat16
