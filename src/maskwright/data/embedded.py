"""What the embedded matting networks are trained on: composites of few real and drawn things.

`splits.py` names the files that are held out.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskwright.data.crops import CompositeCrops, CropPlan
from maskwright.data.foreground import Foreground
from maskwright.data.matting import TrainingRow
from maskwright.data.sources import (
    FolderBackgrounds,
    FolderForegrounds,
    ProceduralBackgrounds,
    ProceduralForegrounds,
    Source,
)
from maskwright.data.splits import split_backgrounds, split_foregrounds

DRAWN_SHARE = 0.3  # of the things, where there are real ones too
DRAWN_SCENES = 60
HELD_OUT_SIDE_PX, HELD_OUT_DRAWN = 384, 8


@dataclass(frozen=True)
class Sources:
    """Where things and scenes come from.

    Attributes:
        folder: Holds `matting_fg_real` and `backgrounds`; empty for drawn data only.
        drawn: How many things are drawn.
        seed: Of everything random.
    """

    folder: str
    drawn: int
    seed: int

    def training(self, side_px: int) -> CompositeCrops:
        """Return crops of the training files."""
        return self._crops(side_px, drawn=self.drawn, seed=self.seed, held_out=False)

    def held_out(self) -> CompositeCrops:
        """Return larger crops of the files that are held out."""
        seed = self.seed + 1
        return self._crops(HELD_OUT_SIDE_PX, drawn=HELD_OUT_DRAWN, seed=seed, held_out=True)

    def _crops(self, side_px: int, *, drawn: int, seed: int, held_out: bool) -> CompositeCrops:
        things: list[tuple[float, Source[Foreground]]] = [
            (DRAWN_SHARE, ProceduralForegrounds(drawn, (640, 640), seed=seed))
        ]
        scenes: Source[np.ndarray] = ProceduralBackgrounds(DRAWN_SCENES, (480, 640), seed=seed)
        if self.folder:
            things.append((1 - DRAWN_SHARE, self._real_things(held_out=held_out)))
            found = split_backgrounds(Path(self.folder) / "backgrounds")
            scenes = FolderBackgrounds(found.held_out if held_out else found.training)
        return CompositeCrops(things, scenes, plan=CropPlan(side_px=side_px), seed=seed)

    def _real_things(self, *, held_out: bool) -> Source[Foreground]:
        folder = Path(self.folder) / "matting_fg_real"
        found = split_foregrounds(folder / "fg")
        files = found.held_out if held_out else found.training
        rows = [TrainingRow(file.stem, file, folder / "alpha" / file.name) for file in files]
        return FolderForegrounds(rows)
