"""What a run tells: a progress bar, TensorBoard, validation sheets as PNG files."""

import json
from pathlib import Path
from types import TracebackType

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from maskwright.image.io import write_image


class Log:
    """The run's voice; only the main process has one that speaks.

    Args:
        folder: Where events, scores and sheets go.
        steps: Of the whole run.
        start: Steps done before.
        is_main: Whether to say anything.
    """

    def __init__(self, folder: Path, *, steps: int, start: int, is_main: bool) -> None:
        self.folder, self.is_main = folder, is_main
        self.writer = (
            SummaryWriter(str(folder / "events"), purge_step=start + 1) if is_main else None
        )
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not is_main,
        )
        self.task = self.progress.add_task(folder.name, total=steps, completed=start)

    def __enter__(self) -> "Log":
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()
        if self.writer is not None:
            self.writer.close()

    def losses(self, step: int, values: dict[str, float], *, rate: float) -> None:
        """Show the losses of a step; `rate` is the learning rate's factor."""
        text = " ".join(f"{name} {value:.4f}" for name, value in values.items())
        self.progress.update(self.task, completed=step, description=text)
        if self.writer is not None:
            for name, value in {**values, "rate": rate}.items():
                self.writer.add_scalar(f"train/{name}", value, step)

    def scores(self, step: int, scores: dict[str, float], sheets: list[np.ndarray]) -> None:
        """Keep the scores of a validation, a line of JSON each, and its sheets."""
        if self.writer is None:
            return
        line = {"step": step, **{name: round(value, 6) for name, value in scores.items()}}
        self.progress.console.print(json.dumps(line), markup=False, highlight=False)
        with (self.folder / "scores.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in scores.items():
            self.writer.add_scalar(f"validation/{name}", value, step)
        for index, sheet in enumerate(sheets):
            name = f"sheet-{step:07d}-{index}.png"
            write_image(self.folder / "sheets" / name, sheet, overwrite=True)
