"""The training loop, read top to bottom: one process or many, the same recipe.

Order on resuming: weights, averaged weights, optimizer, random state, then the data at the step
reached. Interrupted and resumed gives what an uninterrupted run gives, with as many processes or
others: `trained.py` says who computes what.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from maskwright.data.loader import BatchOrder, make_loader
from maskwright.errors import TrainingError
from maskwright.ops.draws import part_of_batch
from maskwright.ops.processes import count, mean_over_processes, rank
from maskwright.training.checkpoint import load_checkpoint, run_state, save_checkpoint
from maskwright.training.log import Log
from maskwright.training.recipe import (
    Batch,
    Job,
    Sharing,
    all_with_overrides,
    find_recipe,
)
from maskwright.training.trained import Trained, make_accelerator
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
    settings, sharing = all_with_overrides((module.Settings(), Sharing()), overrides)
    set_seed(getattr(settings, "seed", 0))
    job = replace(module.job(settings), sharing=sharing)
    try:
        return train(job, folder=folder or RUNS / (job.name or name))
    finally:
        if count() > 1:
            torch.distributed.destroy_process_group()


def train(job: Job, *, folder: Path) -> Path:
    """Run a job to its end; return the weights file, or the checkpoint of a job without paper."""
    accelerator = make_accelerator(job)
    trained = Trained.of(job, accelerator)
    model, optimizer, average = trained.model, trained.optimizer, trained.average
    base_rates = [group["lr"] for group in optimizer.param_groups]
    checkpoint, is_main = folder / "checkpoint.pt", accelerator.is_main_process
    start = load_checkpoint(checkpoint, model=trained.bare, average=average, optimizer=optimizer)
    _check_agreement(start, checkpoint, accelerator.device)

    with Log(folder, steps=job.steps, start=start, is_main=is_main) as log:
        for step, batch in enumerate(_batches(job, accelerator, start), start + 1):
            rate = job.rate(step - 1)
            for group, base in zip(optimizer.param_groups, base_rates, strict=True):
                group["lr"] = base * rate
            model.train()
            losses = _gradients(job, accelerator, model, batch)
            _check_finite(losses, step)
            if job.clip:
                accelerator.clip_grad_norm_(model.parameters(), job.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            update_average(average, trained.bare, keep=min(job.average, step / (step + 10)))
            log.losses(step, losses, rate=rate)

            is_last = step == job.steps
            if job.validate is not None and (is_last or step % job.validate_every == 0):
                shown = trained.whole_average()
                if is_main:
                    log.scores(step, *job.validate(shown))
            if is_last or step % job.save_every == 0:
                state = run_state(
                    step=step, model=trained.bare, average=average, optimizer=optimizer
                )
                if is_main:
                    save_checkpoint(checkpoint, state)
    accelerator.wait_for_everyone()
    if job.paper is None:
        return checkpoint
    weights, shown = folder / f"{folder.name}.safetensors", trained.whole_average()
    if is_main:
        export(job, shown, weights)
    accelerator.wait_for_everyone()
    return weights


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


def _gradients(
    job: Job, accelerator: Accelerator, model: nn.Module, batch: Batch
) -> dict[str, float]:
    """Leave the gradients of a batch in the model; return the losses' means over all processes.

    A process' share is computed in parts, all of which go on from one random state: their images
    have seeds of their own.
    """
    parts, images = job.sharing.accumulate, job.batch // count()
    each, random = images // parts, torch.get_rng_state()
    sums = job.sums(batch) if parts > 1 else {}
    shares = {name: mean_over_processes(value) / parts for name, value in sums.items()}
    found = list[dict[str, Tensor]]()
    for part in range(parts):
        torch.set_rng_state(random)
        own = {key: value[part * each : (part + 1) * each] for key, value in batch.items()}
        own |= shares
        is_last = part + 1 == parts
        with (
            part_of_batch(rank() * images + part * each, job.batch),
            nullcontext() if is_last else accelerator.no_sync(model),
        ):
            with accelerator.autocast():
                losses = job.losses(model, own)
            accelerator.backward(torch.stack(list(losses.values())).sum() / parts)
        found.append({name: value.detach() for name, value in losses.items()})
    values = torch.stack([torch.stack(list(each.values())) for each in found]).mean(0)
    means = mean_over_processes(values).tolist()
    return dict(zip(found[0], means, strict=True))


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


def _check_agreement(start: int, checkpoint: Path, device: torch.device) -> None:
    mean = mean_over_processes(torch.tensor(float(start), device=device)).item()
    if mean != start:
        raise TrainingError(
            f"expected all processes to go on from one checkpoint, this one has done {start} steps"
            f" and the mean is {mean}; put {checkpoint.parent} where all of them see it"
        )


def _check_finite(losses: dict[str, float], step: int) -> None:
    if not all(math.isfinite(value) for value in losses.values()):
        raise TrainingError(
            f"step {step}: expected finite losses, got {losses}; lower the learning rate, or "
            "resume from the last checkpoint with another seed"
        )
