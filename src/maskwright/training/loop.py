"""The training loop, read top to bottom: one process or many, the same recipe.

Order on resuming: weights, averaged weights, optimizer, random state, then the data at the step
reached. Interrupted and resumed gives what an uninterrupted run gives.
"""

import copy
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from maskwright.data.loader import BatchOrder, make_loader
from maskwright.errors import TrainingError
from maskwright.training.checkpoint import load_checkpoint, save_checkpoint
from maskwright.training.log import Log
from maskwright.training.recipe import Batch, Job, find_recipe, with_overrides
from maskwright.weights.load import save_model

RUNS = Path("runs")


def run(recipe: str, overrides: Mapping[str, str], *, folder: Path | None = None) -> Path:
    """Train by a recipe, going on where an earlier run stopped; return the weights file.

    Args:
        recipe: Name of a recipe, or a Python file.
        overrides: Settings as text, such as {"steps": "100"}.
        folder: Where the run keeps its state; `runs/<job's or recipe's name>` without one.

    Raises:
        UsageError: If the recipe or a setting does not exist.
        TrainingError: If a loss is not finite; names the step.
    """
    name, module = find_recipe(recipe)
    settings = with_overrides(module.Settings(), overrides)
    set_seed(getattr(settings, "seed", 0))
    job = module.job(settings)
    return train(job, folder=folder or RUNS / (job.name or name))


def train(job: Job, *, folder: Path) -> Path:
    """Run a job to its end; return the weights file, or the checkpoint of a job without paper."""
    accelerator = Accelerator(mixed_precision=job.precision)
    average = copy.deepcopy(job.model).to(accelerator.device).eval().requires_grad_(False)
    model, optimizer = accelerator.prepare(job.model, job.optimizer)
    bare = accelerator.unwrap_model(model)
    base_rates = [group["lr"] for group in optimizer.param_groups]
    checkpoint = folder / "checkpoint.pt"
    start = load_checkpoint(checkpoint, model=bare, average=average, optimizer=optimizer)

    with Log(folder, steps=job.steps, start=start, is_main=accelerator.is_main_process) as log:
        for step, batch in enumerate(_batches(job, accelerator, start), start + 1):
            rate = job.rate(step - 1)
            for group, base in zip(optimizer.param_groups, base_rates, strict=True):
                group["lr"] = base * rate
            model.train()
            with accelerator.autocast():
                losses = job.losses(model, batch)
            loss = torch.stack(list(losses.values())).sum()
            _check_finite(losses, step)
            accelerator.backward(loss)
            if job.clip:
                accelerator.clip_grad_norm_(model.parameters(), job.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            update_average(average, bare, keep=min(job.average, step / (step + 10)))
            log.losses(step, {key: value.item() for key, value in losses.items()}, rate=rate)

            is_last = step == job.steps
            if accelerator.is_main_process:
                if job.validate is not None and (is_last or step % job.validate_every == 0):
                    log.scores(step, *job.validate(average))
                if is_last or step % job.save_every == 0:
                    save_checkpoint(
                        checkpoint, step=step, model=bare, average=average, optimizer=optimizer
                    )
    accelerator.wait_for_everyone()
    if job.paper is None:
        return checkpoint
    return export(job, average, folder / f"{folder.name}.safetensors")


def export(job: Job, average: nn.Module, path: Path) -> Path:
    """Write the averaged weights as people load them, in half precision."""
    assert job.paper is not None
    state = job.finish(average).state_dict()
    return save_model(
        path, state, paper=job.paper, config=job.config, source=job.source, dtype="fp16"
    )


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, *, keep: float) -> None:
    """Move the averaged weights a step towards the model's; statistics are copied.

    Args:
        average: What is moved, in place.
        model: What it follows.
        keep: Share of the old value, 0 to 1.
    """
    for old, new in zip(average.parameters(), model.parameters(), strict=True):
        old.lerp_(new, 1 - keep)
    for kept, current in zip(average.buffers(), model.buffers(), strict=True):
        kept.copy_(current)


def _batches(job: Job, accelerator: Accelerator, start: int) -> Iterator[Batch]:
    order = BatchOrder(
        len(job.dataset),  # type: ignore[arg-type]
        batch=job.batch,
        seed=job.seed,
        start=start,
        stop=job.steps,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
    )
    for batch in make_loader(job.dataset, order, workers=job.workers):
        yield {key: value.to(accelerator.device) for key, value in batch.items()}


def _check_finite(losses: dict[str, Tensor], step: int) -> None:
    values = {name: value.item() for name, value in losses.items()}
    if not all(math.isfinite(value) for value in values.values()):
        raise TrainingError(
            f"step {step}: expected finite losses, got {values}; lower the learning rate, or "
            "resume from the last checkpoint with another seed"
        )
