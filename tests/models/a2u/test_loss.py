import pytest
import torch

from maskwright.models.a2u.loss import (
    Composition,
    alpha_loss,
    composition_loss,
    laplacian_loss,
    matting_loss,
    squared_loss,
)

BATCH, HEIGHT, WIDTH = 2, 16, 32


@pytest.fixture
def tensors():
    torch.manual_seed(0)
    prediction, alpha = torch.rand(2, BATCH, 1, HEIGHT, WIDTH, dtype=torch.float64)
    unknown = (torch.rand(BATCH, 1, HEIGHT, WIDTH) > 0.6).double()
    colours = torch.rand(3, BATCH, 3, HEIGHT, WIDTH, dtype=torch.float64)
    return prediction, alpha, unknown, Composition(*colours)


def test_alpha_loss_written_out(tensors):
    prediction, alpha, unknown, _ = tensors
    expected = 0.0
    for b in range(BATCH):
        total, count = 0.0, 0.0
        for y in range(HEIGHT):
            for x in range(WIDTH):
                at = (b, 0, y, x)
                total += ((((prediction[at] - alpha[at]) * unknown[at]) ** 2 + 1e-12) ** 0.5).item()
                count += unknown[at].item()
        expected += total / (count + 1) / BATCH
    assert alpha_loss(prediction, alpha, unknown).item() == pytest.approx(expected)


def test_composition_loss_sums_the_colours(tensors):
    prediction, _, unknown, made_of = tensors
    expected = 0.0
    for b in range(BATCH):
        total = 0.0
        for c in range(3):
            again = prediction[b, 0] * made_of.foreground[b, c]
            again = again + (1 - prediction[b, 0]) * made_of.background[b, c]
            difference = (again - made_of.image[b, c]) * unknown[b, 0]
            total += (difference**2 + 1e-12).sqrt().sum().item()
        expected += total / (unknown[b].sum().item() + 1) / BATCH
    assert composition_loss(prediction, made_of, unknown).item() == pytest.approx(expected)


def test_the_paper_weighs_both_halves_equally(tensors):
    prediction, alpha, unknown, made_of = tensors
    half = alpha_loss(prediction, alpha, unknown) + composition_loss(prediction, made_of, unknown)
    whole = matting_loss(prediction, alpha, unknown, composition=made_of)
    assert whole.item() == pytest.approx(0.5 * half.item())


def test_the_squared_loss_is_a_mean_over_the_unknown_pixels(tensors):
    prediction, alpha, unknown, _ = tensors
    errors = [
        (p - a) ** 2 for p, a, u in zip(*(t.flatten() for t in tensors[:3]), strict=True) if u
    ]
    expected = sum(errors).item() / len(errors)
    assert squared_loss(prediction, alpha, unknown).item() == pytest.approx(expected)


def test_known_pixels_do_not_matter(tensors):
    prediction, alpha, unknown, _ = tensors
    changed = torch.where(unknown > 0, prediction, prediction + 3)
    for loss in (alpha_loss, laplacian_loss, squared_loss):
        torch.testing.assert_close(loss(changed, alpha, unknown), loss(prediction, alpha, unknown))


def test_the_laplacian_loss_ignores_nothing_but_the_mean_of_a_block(tensors):
    _, alpha, _, _ = tensors
    everywhere = torch.ones_like(alpha)
    assert laplacian_loss(alpha + 0.25, alpha, everywhere).item() == pytest.approx(0, abs=1e-9)
    assert laplacian_loss(alpha.flip(-1), alpha, everywhere).item() > 0.1


@pytest.mark.parametrize("unknown", [0.0, 1.0])
def test_losses_are_finite_with_no_or_only_unknown_pixels(tensors, unknown):
    prediction, alpha, mask, made_of = tensors
    mask = torch.full_like(mask, unknown)
    prediction = prediction.clone().requires_grad_()
    loss = matting_loss(prediction, alpha, mask, composition=made_of)
    loss = loss + laplacian_loss(prediction, alpha, mask) + squared_loss(prediction, alpha, mask)
    loss.backward()
    assert prediction.grad.isfinite().all()
