"""Batches for training: one global order of samples, the same for every number of processes.

A sample is named by (epoch, index), and all its random draws come from (seed, epoch, index).
Step s of a run is therefore the same whether the run was resumed, and however many processes
and workers share it.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from maskwright.data.augmentation import Augmentation, augment, tensors
from maskwright.data.composition import Sample
from maskwright.data.foreground import Foreground
from maskwright.data.sources import Source
from maskwright.errors import UsageError

Key = tuple[int, int]


class Compositions(Dataset[dict[str, Tensor]]):
    """Foregrounds composited on backgrounds, augmented as a paper does.

    An epoch is as long as the longer of the two lists (in the papers, the backgrounds). Sample
    `index` takes foreground `index` and background `index`, each modulo their number; A2U draws
    the background instead.

    Args:
        foregrounds: What to cut out.
        backgrounds: What to lay it on.
        plan: The paper's augmentation.
        seed: Of all random draws.
    """

    def __init__(
        self,
        foregrounds: Source[Foreground],
        backgrounds: Source[np.ndarray],
        *,
        plan: Augmentation,
        seed: int = 0,
    ) -> None:
        self.foregrounds, self.backgrounds = foregrounds, backgrounds
        self.plan, self.seed = plan, seed

    def __len__(self) -> int:
        return max(len(self.foregrounds), len(self.backgrounds))

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """Return the tensors of one sample, see `augmentation.tensors`.

        Args:
            key: Epoch and index, 0 or more.
        """
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index])
        scenes, things = len(self.backgrounds), len(self.foregrounds)
        scene = int(rng.integers(scenes)) if self.plan.random_background else index % scenes

        def second(rng: np.random.Generator) -> Foreground:
            return self.foregrounds[(index + int(rng.integers(things))) % things]

        first = self.foregrounds[index % things]
        sample = Sample(first.colour, first.alpha, self.backgrounds[scene])
        return tensors(augment(sample, rng, plan=self.plan, second=second))


class BatchOrder(Sampler[list[Key]]):
    """The batches of one process: its share of a global order that goes on over epochs.

    Every epoch is a permutation drawn from (seed, epoch); batches run on across its end, so none
    is short. Global batch s holds samples s * batch to (s + 1) * batch, dealt to the processes
    in blocks.

    Args:
        length: Samples in an epoch.
        batch: Samples in a global batch, over all processes.
        seed: Of the permutations.
        start: The first global batch; give the number of steps done to resume.
        stop: The global batch to stop before; None goes on for ever.
        process: Which process this is.
        processes: How many there are.

    Raises:
        UsageError: If the processes cannot share a batch equally, or there are no samples.
    """

    def __init__(
        self,
        length: int,
        *,
        batch: int,
        seed: int = 0,
        start: int = 0,
        stop: int | None = None,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        if length < 1 or batch < 1:
            raise UsageError(
                f"an epoch and a batch must have samples, got {length} and {batch};"
                " check the data and the batch size"
            )
        if batch % processes:
            raise UsageError(
                f"a batch must be a multiple of the number of processes, got {batch} samples and"
                f" {processes} processes; change one of them"
            )
        self.length, self.batch, self.seed = length, batch, seed
        self.start, self.stop = start, stop
        self.process, self.share = process, batch // processes

    def __iter__(self) -> Iterator[list[Key]]:
        step, epoch, order = self.start, -1, np.empty(0, np.int64)
        while self.stop is None or step < self.stop:
            first = step * self.batch + self.process * self.share
            keys = []
            for number in range(first, first + self.share):
                if number // self.length != epoch:
                    epoch = number // self.length
                    order = np.random.default_rng([self.seed, epoch]).permutation(self.length)
                keys.append((epoch, int(order[number % self.length])))
            yield keys
            step += 1

    def __len__(self) -> int:
        if self.stop is None:
            raise TypeError("an endless order has no length")
        return max(0, self.stop - self.start)


def make_loader(
    dataset: Dataset[dict[str, Tensor]],
    order: BatchOrder,
    *,
    workers: int = 0,
    prefetch: int = 2,
    pin_memory: bool = False,
) -> DataLoader[dict[str, Tensor]]:
    """Return a loader of batched tensors in the given order.

    With accelerate, give the order `process=accelerator.process_index` and
    `processes=accelerator.num_processes`, and do not `prepare` the loader: it is sharded already.

    Args:
        dataset: Takes the keys of the order.
        order: Which samples, batch by batch.
        workers: Processes that make samples; 0 makes them in this one.
        prefetch: Batches each worker makes ahead.
        pin_memory: Whether batches are put where a GPU can fetch them.
    """
    return DataLoader(
        dataset,
        batch_sampler=order,
        num_workers=workers,
        prefetch_factor=prefetch if workers else None,
        pin_memory=pin_memory,
        worker_init_fn=_one_thread,
        generator=torch.Generator(),  # else each start would draw from the run's random state
    )


def _one_thread(worker: int) -> None:
    """Keep a worker to its own core; workers are the parallelism."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
