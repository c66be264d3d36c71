from pathlib import Path

import pytest
import torch

from maskwright.models.mematte.loss import (
    alpha_losses,
    budget_loss,
    distillation_loss,
    gradient_loss,
    laplacian_loss,
    region_loss,
)

RECORDED = Path(__file__).parents[2] / "parity" / "mematte_losses.pt"
BATCH, HEIGHT, WIDTH = 2, 68, 71


@pytest.fixture(scope="module")
def recorded():
    return torch.load(RECORDED, weights_only=True)


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    prediction, alpha = torch.rand(
        2, BATCH, 1, HEIGHT, WIDTH, dtype=torch.float64, generator=generator
    )
    unknown = torch.zeros(BATCH, 1, HEIGHT, WIDTH, dtype=torch.bool)
    unknown[0, 0, 5:9, 3:14] = unknown[1, 0, :3, -2:] = True
    return prediction, alpha, unknown


def test_the_losses_of_alpha_equal_the_official_ones(recorded):
    trimap, official = recorded["input"]["trimap"], recorded["losses"]
    unknown = (trimap >= 85) & (trimap < 170)
    losses = alpha_losses(recorded["phas"], recorded["input"]["alpha"], unknown)
    assert losses.unknown.item() == pytest.approx(official["unknown_l1_loss"], abs=1e-4)
    assert losses.known.item() == pytest.approx(official["known_l1_loss"], abs=1e-4)
    assert losses.gradient.item() == pytest.approx(official["loss_gradient_penalty"], abs=1e-4)
    assert losses.laplacian.item() == pytest.approx(official["loss_pha_laplacian"], abs=1e-4)


def test_the_budget_equals_the_official_one(recorded):
    keep = torch.stack(recorded["masks"], 1).float().unflatten(2, (16, 16))
    official = recorded["losses"]["mse_ratio_loss"]
    assert budget_loss(keep).item() == pytest.approx(official, abs=1e-4)


def test_a_region_s_loss_written_out(tensors):
    prediction, alpha, unknown = tensors
    total, count = 0.0, 0
    for at in unknown.nonzero().tolist():
        total += abs(prediction[tuple(at)] - alpha[tuple(at)]).item()
        count += 1
    per_pixel = total / (BATCH * HEIGHT * WIDTH)
    expected = per_pixel * BATCH * 512**2 / count
    assert region_loss(prediction, alpha, unknown.double()).item() == pytest.approx(expected)


def test_the_gradient_loss_written_out(tensors):
    prediction, alpha, unknown = tensors

    def slope(image, y, x, axis):
        total = 0.0
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                weight = (2 - abs(j)) * i if axis == 0 else (2 - abs(i)) * j
                if 0 <= y + i < HEIGHT and 0 <= x + j < WIDTH:
                    total += weight * image[y + i, x + j].item()
        return total

    total = 0.0
    for b, _, y, x in unknown.nonzero().tolist():
        for axis in (0, 1):
            found, true = (slope(image[b, 0], y, x, axis) for image in (prediction, alpha))
            total += abs(found - true) + 0.01 * abs(found)
    expected = total / (BATCH * HEIGHT * WIDTH) * BATCH * 512**2 / int(unknown.sum())
    assert gradient_loss(prediction, alpha, unknown.double()).item() == pytest.approx(expected)


def test_the_laplacian_loss_sees_detail_more_than_a_shift(tensors):
    prediction, alpha, _ = tensors
    assert laplacian_loss(alpha, alpha) == 0
    rough = laplacian_loss(alpha + 0.1 * (prediction - 0.5).sign(), alpha)
    assert rough > 5 * laplacian_loss(alpha + 0.1, alpha)


def test_the_budget_holds_the_average_over_images_and_routers_only():
    keep = torch.zeros(3, 4, 5, 7)
    keep[0, :3] = 1
    assert budget_loss(keep).item() == pytest.approx(0, abs=1e-12)
    assert budget_loss(1 - keep, budget=0.5).item() == pytest.approx(0.0625)


def test_autocast_does_not_round_the_losses(tensors):
    prediction, alpha, unknown = (x if x.dtype == torch.bool else x.float() for x in tensors)
    exact = alpha_losses(prediction, alpha, unknown)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert alpha_losses(prediction, alpha, unknown) == exact
    rounded = alpha_losses(prediction.bfloat16(), alpha, unknown)
    assert all(loss.dtype == torch.float32 for loss in rounded)


def test_distillation_is_the_mean_squared_difference():
    student, teacher = torch.zeros(2, 3, 5, 7), torch.zeros(2, 3, 5, 7)
    student[1, 2, 4, 6] = 3
    assert distillation_loss(student, teacher).item() == pytest.approx(9 / 210)


@pytest.mark.parametrize("value", [False, True], ids=["nothing", "everything"])
def test_losses_are_finite_when_nothing_or_everything_is_unknown(tensors, value):
    prediction, alpha, unknown = tensors
    prediction.requires_grad_()
    losses = alpha_losses(prediction, alpha, torch.full_like(unknown, value))
    sum(losses).backward()
    assert prediction.grad.isfinite().all() and prediction.grad.any()
    assert (losses.unknown == 0) == (not value)
    assert (losses.known == 0) == value
