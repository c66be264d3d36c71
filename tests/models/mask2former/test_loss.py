import itertools
import math
import sys
from pathlib import Path

import pytest
import torch

from maskwright.errors import ShapeError
from maskwright.models.mask2former.decoder import Prediction
from maskwright.models.mask2former.loss import (
    Draws,
    Sampling,
    Share,
    Target,
    draw,
    match,
    matching_cost,
    segment_losses,
)
from maskwright.models.mask2former.model import Segments
from maskwright.ops.draws import part_of_batch

sys.path.append(str(Path(__file__).parent))
from query_networks import PARITY, RESNET, network, photo

FEW = Sampling(points=64)


@pytest.fixture(scope="module")
def recorded():
    return torch.load(PARITY / "mask2former_behaviour.pt", weights_only=True)["criterion_256"]


def recorded_targets(recorded):
    return [Target(each["labels"], each["masks"]) for each in recorded["targets"]]


def drawn(counts=(3, 1, 0), *, queries=7, classes=4, layers=2, size=(12, 20), seed=0):
    """Return predictions with gradients, and targets with so many segments each."""
    generator = torch.Generator().manual_seed(seed)

    def logits(*shape):
        return torch.randn(len(counts), queries, *shape, generator=generator).requires_grad_()

    predictions = [Prediction(logits(classes + 1), logits(*size)) for _ in range(layers + 1)]
    targets = [
        Target(
            torch.randint(classes, (count,), generator=generator),
            torch.rand(count, 4 * size[0], 4 * size[1], generator=generator) > 0.6,
        )
        for count in counts
    ]
    return Segments(*predictions[0], tuple(predictions[1:])), targets


def leaves(found):
    outputs = [Prediction(found.class_logits, found.mask_logits), *found.auxiliary]
    return [tensor for each in outputs for tensor in each]


def test_matches_equal_the_official_ones(recorded):
    predictions = [
        Prediction(each["pred_logits"], each["pred_masks"])
        for each in (recorded["outputs"], *recorded["aux"])
    ]
    points = torch.cat(recorded["match_draws"])
    found = match(predictions, recorded_targets(recorded), points)
    assert len(found) == 3
    for ours, theirs in zip(found[0], recorded["indices"], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_losses_and_gradients_equal_the_official_ones_at_the_recorded_points(recorded):
    targets, total = recorded_targets(recorded), torch.zeros(())
    kept = {}
    for layer, outputs in enumerate((recorded["outputs"], *recorded["aux"])):
        logits = [outputs[name].clone().requires_grad_() for name in ("pred_logits", "pred_masks")]
        points = recorded["draws"][5 * layer : 5 * layer + 5]
        draws = Draws(torch.cat(points[:3]), points[3], points[4], 192)
        losses = segment_losses(Segments(*logits), targets, draws=draws)
        suffix = f"_{layer - 1}" if layer else ""
        for name, loss in zip(("loss_ce", "loss_mask", "loss_dice"), losses, strict=True):
            expected = recorded["losses"][name + suffix] * recorded["weight_dict"][name + suffix]
            torch.testing.assert_close(loss.detach(), expected, rtol=1e-5, atol=1e-6)
        kept[layer], total = logits, total + torch.stack(list(losses)).sum()
    torch.testing.assert_close(total.detach(), recorded["total"], rtol=1e-5, atol=1e-5)
    total.backward()
    for tensor, name in zip(kept[0], ("pred_logits", "pred_masks"), strict=True):
        torch.testing.assert_close(tensor.grad, recorded["grads"][name], rtol=1e-4, atol=1e-7)


def test_the_costs_written_out():
    torch.manual_seed(0)
    class_logits, mask_logits = torch.randn(3, 5), torch.randn(3, 11)
    classes, truth = torch.tensor([1, 3]), torch.rand(2, 11)
    found = matching_cost(class_logits, mask_logits, classes=classes, truth=truth)
    for query, target in itertools.product(range(3), range(2)):
        shares, true = mask_logits[query].sigmoid().tolist(), truth[target].tolist()
        pairs = list(zip(shares, true, strict=True))
        entropy = -sum(t * math.log(p) + (1 - t) * math.log(1 - p) for p, t in pairs) / 11
        dice = 1 - (2 * sum(p * t for p, t in pairs) + 1) / (sum(shares) + sum(true) + 1)
        certain = class_logits[query].softmax(0)[classes[target]].item()
        expected = 5 * entropy - 2 * certain + 5 * dice
        assert found[query, target].item() == pytest.approx(expected, rel=1e-4)


def test_autocast_does_not_round_the_costs():
    torch.manual_seed(0)
    logits, truth = (torch.randn(7, 5), 5 * torch.randn(7, 97)), torch.rand(3, 97)
    given = {"classes": torch.tensor([1, 3, 0]), "truth": truth}
    exact = matching_cost(*logits, **given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(matching_cost(*logits, **given), exact)


def test_a_batch_of_layers_is_the_sum_of_the_layers():
    found, targets = drawn()
    draws = draw(targets, 7, FEW, device=torch.device("cpu"))
    together = segment_losses(found, targets, draws=draws)
    outputs = [Prediction(found.class_logits, found.mask_logits), *found.auxiliary]
    alone = [segment_losses(Segments(*each), targets, draws=draws) for each in outputs]
    for whole, parts in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(whole, torch.stack(parts).sum())


def test_points_are_the_official_number_and_mostly_uncertain():
    found, targets = drawn()
    draws = draw(targets, 7, Sampling(), device=torch.device("cpu"))
    assert draws.matching.shape == (3, 12_544, 2)
    assert (draws.tried.shape, draws.fresh.shape) == ((4, 37_632, 2), (4, 3_136, 2))
    assert draws.kept == 9_408
    few = draw([targets[0]], 2, FEW, device=torch.device("cpu"))
    assert few.tried.shape == (2, 192, 2)
    # Where one half of a mask is certain, only the other half is looked at twice.
    logits = torch.full((1, 1, 12, 20), 50.0)
    logits[..., 10:] = 0.0
    logits.requires_grad_()
    draws = Draws(*(torch.rand(1, count, 2) for count in (64, 192, 0)), 48)
    target = Target(torch.tensor([0]), torch.zeros(1, 48, 80, dtype=torch.bool))
    segment_losses(Segments(torch.zeros(1, 1, 5), logits), [target], draws=draws).masks.backward()
    assert logits.grad[..., 10:].any() and not logits.grad[..., :9].any()


def test_whole_masks_are_compared_where_no_sampling_is_asked_for():
    found, targets = drawn((2,), layers=0)
    losses = segment_losses(found, targets, sampling=None)
    ((queries, chosen),) = match([Prediction(*found[:2])], targets, None)[0]
    values = torch.nn.functional.interpolate(
        found.mask_logits[:, queries], size=(48, 80), mode="bilinear"
    )[0]
    truth = targets[0].masks[chosen].float()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(values, truth)
    torch.testing.assert_close(losses.masks, 5 * entropy)
    shares = values.sigmoid()
    overlap = (shares * truth).sum((1, 2))
    dice = 1 - (2 * overlap + 1) / (shares.sum((1, 2)) + truth.sum((1, 2)) + 1)
    torch.testing.assert_close(losses.dice, 5 * dice.mean())


def test_the_mean_of_the_losses_of_parts_is_the_loss_of_the_whole():
    found, targets = drawn((3, 0, 1, 2))
    whole = segment_losses(found, targets, sampling=None)
    share = Share(torch.tensor(3.0), torch.tensor(3.0))  # 6 targets in two parts
    parts = []
    for part in (slice(0, 2), slice(2, 4)):
        own = [Prediction(*(x[part] for x in layer)) for layer in found.auxiliary]
        half = Segments(found.class_logits[part], found.mask_logits[part], tuple(own))
        parts.append(segment_losses(half, targets[part], sampling=None, share=share))
    for value, halves in zip(whole, zip(*parts, strict=True), strict=True):
        torch.testing.assert_close(torch.stack(halves).mean(), value)
    alone = segment_losses(half, targets[2:], sampling=None)
    torch.testing.assert_close(alone, parts[1])  # which has 3 targets, too
    assert not torch.allclose(
        segment_losses(found, targets, sampling=None, share=share).masks, value
    )


def test_points_and_whole_masks_agree_on_average():
    found, targets = drawn((3, 2), layers=0)
    uniform = Sampling(points=20_000, importance=0.0)
    points = segment_losses(found, targets, sampling=uniform)
    whole = segment_losses(found, targets, sampling=None)
    torch.testing.assert_close(points.masks, whole.masks, rtol=0.02, atol=0)
    torch.testing.assert_close(points.dice, whole.dice, rtol=0.02, atol=0)


@pytest.mark.parametrize("sampling", [FEW, None], ids=["points", "whole"])
@pytest.mark.parametrize("counts", [(0, 0), (3, 0), (9, 1)])
def test_all_predictions_get_gradients_whatever_the_targets(sampling, counts):
    found, targets = drawn(counts)
    losses = segment_losses(found, targets, sampling=sampling)
    assert all(loss.isfinite() for loss in losses)
    torch.stack(list(losses)).sum().backward()
    assert all(tensor.grad is not None and tensor.grad.isfinite().all() for tensor in leaves(found))
    assert found.class_logits.grad.any()
    assert bool(found.mask_logits.grad.any()) == any(counts)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
def test_a_network_gone_wrong_is_still_matched(value):
    found, targets = drawn((3, 1), layers=0)
    with torch.no_grad():
        found.mask_logits[0, 2:] = value
        found.class_logits[1, 3] = value
    pairs = match([Prediction(*found[:2])], targets, torch.rand(2, 64, 2))
    assert [len(queries) for queries, _ in pairs[0]] == [3, 1]


def test_perfect_predictions_cost_little_and_match_themselves():
    found, targets = drawn((3,), layers=0)
    masks = torch.zeros(3, 48, 80, dtype=torch.bool)
    masks[0, :20, :32], masks[1, 24:, :], masks[2, 4:16, 40:72] = True, True, True
    target = Target(torch.tensor([1, 3, 0]), masks)
    logits = torch.full((1, 7, 12, 20), -20.0)
    classes = torch.full((1, 7, 5), -20.0)
    classes[..., 4] = 20
    for query, segment in ((5, 0), (0, 1), (3, 2)):
        logits[0, query] = 40 * masks[segment, 1::4, 1::4].float() - 20
        classes[0, query, 4], classes[0, query, target.classes[segment]] = -20, 20
    pairs = match([Prediction(classes, logits)], [target], torch.rand(1, 256, 2))
    assert [each.tolist() for each in pairs[0][0]] == [[0, 3, 5], [1, 2, 0]]
    losses = segment_losses(Segments(classes, logits), [target], sampling=None)
    assert losses.classes < 1e-3 and losses.dice < 0.3
    worse = segment_losses(Segments(classes, -logits), [target], sampling=None)
    assert worse.dice > 4 * losses.dice and worse.masks > 4 * losses.masks


def test_half_precision_logits_are_compared_in_full():
    found, targets = drawn(layers=0)
    draws = draw(targets, 7, FEW, device=torch.device("cpu"))
    half = Segments(*(x.bfloat16() for x in found[:2]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = segment_losses(half, targets, draws=draws)
    exact = segment_losses(Segments(*(x.float() for x in half[:2])), targets, draws=draws)
    for ours, theirs in zip(losses, exact, strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs)


def test_every_parameter_of_a_network_learns_from_the_losses():
    model, (_, targets) = network(RESNET).train(), drawn((4, 2), size=(24, 40))
    found = model(photo(batch=2))
    torch.stack(list(segment_losses(found, targets, sampling=FEW))).sum().backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_without_any_target_masks_and_dice_are_nothing():
    found, targets = drawn((0, 0))
    losses = segment_losses(found, targets, sampling=FEW)
    assert losses.masks == losses.dice == 0 and losses.classes > 0


def test_an_image_s_points_are_its_own_whatever_else_is_in_the_batch():
    _, targets = drawn()
    torch.manual_seed(0)
    together = draw(targets, 7, FEW, device=torch.device("cpu"))
    torch.manual_seed(0)
    with part_of_batch(1, 3):
        alone = draw(targets[1:], 7, FEW, device=torch.device("cpu"))
    assert torch.equal(alone.matching, together.matching[1:])
    assert torch.equal(alone.tried, together.tried[3:]) and len(alone.fresh) == 1
    assert len(together.matching.unique()) == 3 * 64 * 2


def test_a_wrong_number_of_targets_is_named():
    found, targets = drawn()
    with pytest.raises(ShapeError, match="expected targets of 3 images, got 2; give each its"):
        segment_losses(found, targets[:2], sampling=FEW)
