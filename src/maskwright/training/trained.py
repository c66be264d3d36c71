"""What a run changes, as its processes hold it: the network, its average and the optimizer.

Each process computes the gradients of its share of a batch. Without sharding, all have the whole
network and average their gradients (DistributedDataParallel); batch norms that learn take the
statistics of all. With it, see `sharding.py`.
"""

import copy
from dataclasses import dataclass
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import distributed, nn, optim

from maskwright.errors import UsageError
from maskwright.layers.checkpointing import run_blocks_again
from maskwright.layers.norm_together import normalise_over_processes
from maskwright.ops.processes import count
from maskwright.training.recipe import Job
from maskwright.training.sharding import shard, shard_with_optimizer, whole

PATIENCE = timedelta(hours=3)  # for a process that validates while the others wait


@dataclass(frozen=True)
class Trained:
    """The network and what belongs to it.

    Attributes:
        model: What is called in training.
        bare: The network inside it.
        average: The averaged weights, dealt out like the network's.
        optimizer: Changes the network.
        shown: A whole network for the averaged weights; the average itself where that is whole.
    """

    model: nn.Module
    bare: nn.Module
    average: nn.Module
    optimizer: optim.Optimizer
    shown: nn.Module

    @classmethod
    def of(cls, job: Job, accelerator: Accelerator) -> "Trained":
        """Return a job's network, prepared for the processes that there are.

        Raises:
            UsageError: If the job cannot be shared as it asks for.
        """
        _check(job)
        average = copy.deepcopy(job.model).to(accelerator.device).eval().requires_grad_(False)
        if count() > 1:
            normalise_over_processes(job.model)
        if job.sharing.checkpointing and not run_blocks_again(job.model):
            raise UsageError(
                "expected an encoder of blocks to compute twice, this network has none; leave out"
                " --set checkpointing"
            )
        if not job.sharing.shard:
            model, optimizer = accelerator.prepare(job.model, job.optimizer)
            return cls(model, accelerator.unwrap_model(model), average, optimizer, average)
        shown = copy.deepcopy(average)
        model, device = job.model.to(accelerator.device), accelerator.device
        shard_with_optimizer(model, job.optimizer, device=device)
        shard(average, device=device)
        return cls(model, model, average, accelerator.prepare(job.optimizer), shown)

    def whole_average(self) -> nn.Module:
        """Return a network with the averaged weights; all processes that share it must ask."""
        if self.shown is not self.average:
            self.shown.load_state_dict(whole(self.average.state_dict()))
        return self.shown


def make_accelerator(job: Job) -> Accelerator:
    """Return what knows of the processes and devices that the run was started with."""
    return Accelerator(
        cpu=_meets_on_cpus(),
        mixed_precision=job.precision,
        kwargs_handlers=[
            # What changes buffers, the batch norms, changes them alike everywhere.
            DistributedDataParallelKwargs(broadcast_buffers=False),
            InitProcessGroupKwargs(timeout=PATIENCE),
        ],
    )


def _meets_on_cpus() -> bool:
    """Say whether torchrun started this process where no accelerator can meet others.

    Unless told so, accelerate would let each process train for itself.
    """
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return distributed.is_torchelastic_launched() and (found is None or found.type == "mps")


def _check(job: Job) -> None:
    processes, parts = count(), job.sharing.accumulate
    if parts < 1 or job.batch % (processes * parts):
        raise UsageError(
            f"a batch must be a multiple of processes x accumulate, got {job.batch} samples,"
            f" {processes} processes and accumulate={parts}; change one of them"
        )
    if job.sharing.shard and processes == 1:
        raise UsageError(
            "shard deals a network out to several processes, there is one; start it with torchrun"
            " --nproc_per_node N -m maskwright train …"
        )
