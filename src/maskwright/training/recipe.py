"""What a recipe is, how it is found, and how `--set key=value` changes its settings."""

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import ModuleType
from typing import (
    Any,
    Literal,
    Protocol,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

import numpy as np
from torch import Tensor, nn, optim
from torch.utils.data import Dataset

from maskwright.errors import UsageError

HERE = Path(__file__).parent / "recipes"
Batch = dict[str, Tensor]
Precision = Literal["no", "bf16"]
Losses = dict[str, Tensor]


@runtime_checkable
class Validation(Protocol):
    """Scores of a model, lower first score being better, and sheets to look at.

    On held-out data, but for the recipes of whole published data sets, which say so.
    """

    def __call__(self, model: nn.Module) -> tuple[dict[str, float], list[np.ndarray]]:
        """Return named scores and pictures (h, w, 3) uint8."""


@dataclass(frozen=True)
class Sharing:
    """How a step is computed, whatever is learned: `--set` may change it for every recipe.

    Attributes:
        accumulate: Parts in which a process computes its share of a batch, one after the other;
            their gradients are added up.
        checkpointing: Whether blocks of the encoder are computed twice, not kept, for gradients.
        shard: Whether parameters, gradients and averages are dealt out to the processes.
    """

    accumulate: int = 1
    checkpointing: bool = False
    shard: bool = False


@dataclass(frozen=True)
class Job:
    """Everything the loop needs.

    Attributes:
        model: The network, its start weights loaded.
        dataset: Takes keys (epoch, index); its items are dicts of tensors.
        losses: From the model and a batch, the named terms whose sum is minimised.
        optimizer: Holds the model's parameters in its groups.
        rate: Factor on every group's learning rate at a step.
        steps: How many steps the whole run has.
        batch: Samples of a step, over all processes.
        paper: Which folder of `models/` builds the network; None leaves a checkpoint only.
        config: The network's configuration.
        source: One line on where the weights come from, kept in the file.
        validate: Scores the averaged weights every `validate_every` steps.
        validate_every: Steps between validations.
        save_every: Steps between checkpoints.
        average: Share of the old value in the moving average of the weights; 0 averages nothing.
        precision: "no" or "bf16".
        clip: Largest norm of the gradient; 0 does not clip.
        workers: Processes that make samples.
        seed: Of the order of samples and of the random draws.
        name: What the run's folder is called; empty means as the recipe.
        sums: Of a batch, what its losses are divided by, by name, if that is a sum over its
            samples: each part of a batch that is computed in parts gets the mean of all parts.
        finish: Makes the network that is stored from the averaged one, such as folding norms.
        sharing: How a step is computed.
    """

    model: nn.Module
    dataset: Dataset[Batch]
    losses: Callable[[nn.Module, Batch], Losses]
    optimizer: optim.Optimizer
    rate: Callable[[int], float]
    steps: int
    batch: int
    paper: str | None
    config: Any
    source: str
    validate: Validation | None = None
    validate_every: int = 1000
    save_every: int = 200
    average: float = 0.0
    precision: Precision = "no"
    clip: float = 0.0
    workers: int = 1
    seed: int = 0
    name: str = ""
    sums: Callable[[Batch], Batch] = field(default=lambda batch: {})
    finish: Callable[[nn.Module], nn.Module] = field(default=lambda model: model)
    sharing: Sharing = Sharing()


def find_recipe(name: str) -> tuple[str, ModuleType]:
    """Return the name and the module of a recipe: one of ours, or a Python file.

    Raises:
        UsageError: If there is none, or it lacks `Settings` or `job`.
    """
    path = Path(name) if name.endswith(".py") else HERE / f"{name.replace('-', '_')}.py"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in HERE.glob("[!_]*.py")))
        raise UsageError(
            f"expected a recipe's name or a Python file, got {name!r}; there are {known}"
        )
    spec = importlib.util.spec_from_file_location(f"maskwright_recipe_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its annotations are looked up, if they are strings
    spec.loader.exec_module(module)
    for wanted in ("Settings", "job"):
        if not hasattr(module, wanted):
            raise UsageError(
                f"a recipe must define Settings and job, {path} lacks {wanted}; see {HERE}"
            )
    return path.stem, module


def with_overrides(settings: Any, overrides: Mapping[str, str]) -> Any:
    """Return the settings, a frozen dataclass, with some fields set from text.

    Raises:
        UsageError: If a field does not exist or the text does not fit its type.
    """
    return all_with_overrides((settings,), overrides)[0]


def all_with_overrides(every: Sequence[Any], overrides: Mapping[str, str]) -> list[Any]:
    """Return several settings, each a frozen dataclass, with some fields set from text.

    Args:
        every: The settings; where several have a field, the first has it.
        overrides: Text by name of field.

    Raises:
        UsageError: If a field does not exist or the text does not fit its type.
    """
    owner = {
        entry.name: index
        for index, settings in reversed(list(enumerate(every)))
        for entry in fields(settings)
    }
    changed: list[dict[str, Any]] = [{} for _ in every]
    for key, text in overrides.items():
        if key not in owner:
            names = dict.fromkeys(entry.name for settings in every for entry in fields(settings))
            raise UsageError(f"--set expects one of {', '.join(names)}, got {key!r}")
        index = owner[key]
        changed[index][key] = _parsed(key, text, get_type_hints(type(every[index]))[key])
    return [replace(settings, **own) for settings, own in zip(every, changed, strict=True)]


def _parsed(key: str, text: str, kind: Any) -> Any:
    if kind is str:
        return text
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise UsageError(f"--set {key} expects {' or '.join(get_args(kind))}, got {text!r}")
        return text
    try:
        value = json.loads(text.lower())
    except ValueError:
        value = None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(kind, type) or type(value) is not kind:
        wanted = getattr(kind, "__name__", str(kind))
        raise UsageError(f"--set {key} expects {wanted}, got {text!r}")
    return value


def warmup_cosine(*, warmup: int, steps: int, last: float = 0.01) -> Callable[[int], float]:
    """Return a schedule that rises linearly for `warmup` steps, then falls as a half cosine."""

    def rate(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = (step - warmup) / max(1, steps - warmup)
        return float(last + (1 - last) * 0.5 * (1 + np.cos(np.pi * min(1.0, done))))

    return rate


def staircase(*, milestones: Sequence[int], factor: float = 0.1) -> Callable[[int], float]:
    """Return a schedule that multiplies the rate by `factor` at each milestone."""
    return lambda step: float(factor ** sum(step >= milestone for milestone in milestones))
