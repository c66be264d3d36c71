"""Training a routed network beside its teacher: what the MEMatte recipes share, section 3.4."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from maskwright.errors import UsageError
from maskwright.models.mematte.config import Config
from maskwright.models.mematte.encoder import RoutedBlock
from maskwright.models.mematte.loss import (
    BUDGET,
    alpha_losses,
    budget_loss,
    distillation_loss,
)
from maskwright.models.mematte.model import (
    MemoryEfficientMatting,
    Training,
    build,
    start_from_vitmatte,
)
from maskwright.training.inputs import matting_input
from maskwright.weights.load import load_model


class Trained(nn.Module):
    """A network whose `forward` gives, in training, what the losses need.

    Args:
        network: Teacher or student.
    """

    def __init__(self, network: MemoryEfficientMatting) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Training | Tensor:
        """Return a `Training` in training, alpha outside it."""
        return self.network.forward_training(x) if self.training else self.network(x)


def network_of(model: nn.Module) -> nn.Module:
    """Return the network inside a `Trained`: what is stored at the end of a run."""
    assert isinstance(model, Trained)
    return model.network


Terms = dict[str, Tensor]


def alpha_terms(prediction: Tensor, alpha: Tensor, unknown: Tensor) -> Terms:
    """Return the paper's losses of alpha, by name."""
    return alpha_losses(prediction, alpha, unknown)._asdict()


class Losses:
    """The losses of a teacher or of a student.

    Args:
        teacher: What a student's features are compared to; None trains a teacher.
        budget: Share of the tokens that a student learns to keep.
        budget_weight: How much a departure from it weighs; 1 in the paper.
        terms: Compares a prediction (batch, 1, height, width) to alpha, given where the trimap is
            unknown.
    """

    def __init__(
        self,
        teacher: MemoryEfficientMatting | None,
        *,
        budget: float = BUDGET,
        budget_weight: float = 1.0,
        terms: Callable[[Tensor, Tensor, Tensor], Terms] = alpha_terms,
    ) -> None:
        self.teacher, self.terms = teacher, terms
        self.budget, self.budget_weight = budget, budget_weight

    def __call__(self, model: nn.Module, batch: dict[str, Tensor]) -> Terms:
        """Return the losses of alpha; for a student also distillation and budget.

        Args:
            model: A `Trained`, in training.
            batch: Image, alpha and trimap, each in [0, 1].
        """
        trimap, alpha = batch["trimap"], batch["alpha"]
        x = matting_input(batch["image"], trimap)
        found: Training = model(x)
        unknown = (trimap > 0.25) & (trimap < 0.75)
        terms = self.terms(found.alpha.float(), alpha, unknown)
        if self.teacher is None:
            return terms
        with torch.no_grad():
            wanted = self.teacher.to(x.device).features(x)
        terms["distillation"] = distillation_loss(found.features, wanted)
        terms["budget"] = self.budget_weight * budget_loss(found.keep, self.budget)
        return terms


def read_teacher(path: str) -> tuple[MemoryEfficientMatting, Config]:
    """Return a network without routers, in evaluation mode and frozen, and its configuration.

    Raises:
        UsageError: If there is no such file, or it holds another network.
        WeightsError: If it is damaged.
    """
    if not Path(path).is_file():
        raise UsageError(
            f"expected the teacher's weights, there is no {path}; train it first with "
            "--set stage=teacher, or name it with --set teacher=FILE"
        )
    model, _, config = load_model(path)
    if (
        not isinstance(config, Config)
        or config.routed
        or not isinstance(model, MemoryEfficientMatting)
    ):
        raise UsageError(f"expected a teacher without routers, {path} holds another network")
    return model.requires_grad_(False), config


def student_of(teacher: MemoryEfficientMatting, config: Config) -> MemoryEfficientMatting:
    """Return a routed network that starts from all of its teacher but the global positions."""
    network = build(config)
    network.load_state_dict(start_from_vitmatte(teacher.state_dict()), strict=False)
    return network


@torch.no_grad()
def shift_routers(
    network: MemoryEfficientMatting, inputs: Sequence[Tensor], *, share: float, rounds: int = 3
) -> None:
    """Move all routers' thresholds together until they keep a share of the tokens.

    In training a router's decision is drawn: one that is never quite sure keeps a quarter on the
    average and, once nothing is drawn, next to nothing.

    Args:
        network: A routed network; its routers' last biases are changed.
        inputs: Each (1, 4, height, width), normalised, like those it is made for.
        share: Of the tokens of all of them, over all routers.
        rounds: How often the shift is found anew, as later routers see what earlier ones did.
    """
    routers = [block.router for block in network.encoder.blocks if isinstance(block, RoutedBlock)]
    margins = list[Tensor]()
    hooks = [
        router.register_forward_hook(
            lambda _, __, scores: margins.append((scores[..., 0] - scores[..., 1]).flatten())
        )
        for router in routers
    ]
    device = next(network.parameters()).device
    for _ in range(rounds):
        margins.clear()
        for x in inputs:
            network.eval().features(x.to(device))
        shift = torch.cat(margins).quantile(1 - share)
        for router in routers:
            router.leave.bias[0] -= shift
    for hook in hooks:
        hook.remove()
