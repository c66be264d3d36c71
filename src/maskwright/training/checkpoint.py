"""The state of a run on disk: whole or not at all, and enough to go on as if never stopped."""

from pathlib import Path
from typing import Any

import torch
from torch import nn, optim

from maskwright.errors import WeightsError
from maskwright.image.publish import atomic_write

FORMAT = 1


def save_checkpoint(
    path: Path, *, step: int, model: nn.Module, average: nn.Module, optimizer: optim.Optimizer
) -> None:
    """Write the run's state after `step` steps; the file before is replaced when all is written."""
    state = {
        "format": FORMAT,
        "step": step,
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
    }
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
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        return int(state["step"])
    except Exception as error:  # torch.load raises many kinds
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"{path} is damaged or belongs to another run ({reason}); move it away to start anew"
        ) from error
