"""The state of a run on disk: whole or not at all, and enough to go on as if never stopped.

It says nothing of processes: a run goes on with another number of them, sharded or not.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn, optim

from maskwright.errors import WeightsError
from maskwright.image.publish import atomic_write
from maskwright.training.sharding import load_model, load_optimizer, whole

FORMAT = 1


def run_state(
    *, step: int, model: nn.Module, average: nn.Module, optimizer: optim.Optimizer
) -> dict[str, Any]:
    """Return the run's state after `step` steps; all processes that share a model must ask."""
    return {
        "format": FORMAT,
        "step": step,
        "model": whole(model.state_dict()),
        "average": whole(average.state_dict()),
        "optimizer": whole(optimizer.state_dict()),
        "random": torch.get_rng_state(),
    }


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a run's state; the file before is replaced when all is written."""
    with atomic_write(path, overwrite=True) as file:
        torch.save(state, file)


def load_checkpoint(
    path: Path, *, model: nn.Module, average: nn.Module, optimizer: optim.Optimizer
) -> int:
    """Load the run's state and return how many steps are done; 0 without a file.

    Raises:
        WeightsError: If the file is damaged or belongs to another run.
    """
    if not path.is_file():
        return 0
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        load_model(model, state["model"])
        load_model(average, state["average"])
        load_optimizer(optimizer, state["optimizer"])
        torch.set_rng_state(state["random"])
        return int(state["step"])
    except Exception as error:  # torch.load raises many kinds
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"{path} is damaged or belongs to another run ({reason}); move it away to start anew"
        ) from error
