import math
from pathlib import Path

import pytest
import torch

from maskwright.models.interformer.loss import (
    click_losses,
    normalised_focal_loss,
    overlap_losses,
)
from maskwright.models.interformer.model import Training

RECORDED = Path(__file__).parents[2] / "parity" / "interformer_behaviour.pt"


@pytest.fixture(scope="module")
def recorded():
    return torch.load(RECORDED, weights_only=True)["loss"]


def test_loss_and_gradient_equal_the_official_ones(recorded):
    logits = recorded["logit"].requires_grad_()
    losses = normalised_focal_loss(logits, recorded["label"])
    torch.testing.assert_close(losses, recorded["nfl"], rtol=0, atol=1e-6)
    losses.mean().backward()
    torch.testing.assert_close(logits.grad, recorded["grad"], rtol=0, atol=1e-8)


def test_the_loss_written_out():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 2, 3, 5, dtype=torch.float64, generator=generator)
    truth = torch.randint(0, 2, (1, 3, 5), generator=generator).to(torch.uint8)
    truth[0, 1, 2] = truth[0, 2, 4] = 255
    rights = []
    for row in range(3):
        for column in range(5):
            if truth[0, row, column] != 255:
                shares = logits[0, :, row, column].softmax(0)
                rights.append(shares[int(truth[0, row, column])].item())
    mean = sum((1 - right) ** 2 for right in rights) / 13
    expected = sum(-0.5 * (1 - right) ** 2 / mean * math.log(right) for right in rights) / 13
    found = normalised_focal_loss(logits, truth)
    assert found.shape == (1,)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_ignored_pixels_change_nothing():
    logits = torch.randn(1, 2, 7, 11, requires_grad=True)
    truth = torch.zeros(1, 7, 11, dtype=torch.uint8)
    truth[0, 2:5, 3:7], truth[0, 6] = 1, 255
    normalised_focal_loss(logits, truth).sum().backward()
    assert not logits.grad[:, :, 6].any()
    assert logits.grad[:, :, :6].all()


def test_both_heads_are_weighed():
    logits, truth = torch.randn(2, 2, 7, 11), torch.ones(2, 7, 11, dtype=torch.uint8)
    losses = click_losses(Training(logits, logits), truth)
    assert losses.auxiliary.item() == pytest.approx(0.4 * losses.focal.item())


@pytest.mark.parametrize("value", [0, 1, 255])
def test_losses_are_finite_when_all_is_certain_or_ignored(value):
    logits = torch.tensor([200.0, -200.0])[None, :, None, None].expand(1, 2, 7, 11)
    logits = logits.clone().requires_grad_()
    loss = normalised_focal_loss(logits, torch.full((1, 7, 11), value, dtype=torch.uint8)).sum()
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()
    assert (loss > 1) == (value == 1)


def test_entropy_and_overlap_leave_out_what_nobody_knows():
    truth = torch.tensor([[[1, 1, 0, 255]]], dtype=torch.uint8)
    margin = torch.tensor([2.0, -1.0, 0.0, 50.0])
    logits = torch.stack([-margin / 2, margin / 2])[None, :, None]
    found = overlap_losses(Training(logits, 0 * logits), truth)
    p = margin[:3].sigmoid()
    expected = -(p[0].log() + p[1].log() + (1 - p[2]).log()) / 3
    assert found.entropy.item() == pytest.approx(expected.item())
    iou = (p[0] + p[1] + 1) / (2 + p[2] + 1)
    assert found.overlap.item() == pytest.approx(1 - iou.item())
    half = 0.4 * (math.log(2) + 1 - 2 / 3.5)  # all probabilities are a half
    assert found.auxiliary.item() == pytest.approx(half)


def test_a_right_and_sure_answer_costs_nothing_even_of_an_empty_truth():
    for value in (0, 1):
        truth = torch.full((2, 4, 4), value, dtype=torch.uint8)
        margin = torch.full((2, 4, 4), 40.0 * (2 * value - 1))
        logits = torch.stack([-margin, margin], 1)
        assert sum(overlap_losses(Training(logits, logits), truth)).item() < 1e-6
