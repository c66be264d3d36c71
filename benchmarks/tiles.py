"""How far alpha from tiles is from alpha of the whole photo, and of a shifted grid, in 1/255.

python -m benchmarks.tiles [--model a2u-mini] [--megapixels 4] [--halo 320]

At 24 megapixels the whole does not fit into memory: there, two grids of tiles are compared.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from benchmarks.large_photo import make_photo
from benchmarks.record import RESULTS, append_csv, provenance
from maskwright.image.io import read_photo
from maskwright.inference.matte import Matter
from maskwright.inference.planning import TilePlanner
from maskwright.inference.tiles import Grid

WHOLE_UP_TO = 6.0  # megapixels


def alpha_on(
    matter: Matter, photo: Path, trimap: Path, *, grid: Grid
) -> Float32[np.ndarray, "h w"]:
    """Return the alpha computed on a grid."""
    matter.grid = grid
    start = time.perf_counter()
    alpha = matter.matte(photo, trimap).alpha
    print(f"core {grid.core_px}, shift {grid.shift_px}: {time.perf_counter() - start:.1f} s")
    return np.asarray(alpha, np.float32)


def main() -> None:
    """Print the largest difference; add it to results/tiles.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="a2u-mini")
    parser.add_argument("--megapixels", type=float, default=4)
    parser.add_argument("--halo", type=int, help="pixels; the model's own without it")
    parser.add_argument("--core", type=int, default=512, help="pixels")
    options = parser.parse_args()
    run = provenance("tiles")
    matter = Matter.load(options.model, device="cpu")
    planner = matter.planner
    if not isinstance(planner, TilePlanner):
        parser.error(f"expected a model that works in tiles, got {options.model}")
    align = planner.align_px
    halo: int = options.halo or planner.reach_px or 0
    with tempfile.TemporaryDirectory() as name:
        photo, trimap = make_photo(Path(name), options.megapixels)
        size = read_photo(photo).size
        tiled = alpha_on(matter, photo, trimap, grid=Grid(options.core, halo, align))
        is_whole = options.megapixels <= WHOLE_UP_TO
        side = -(-max(size) // align) * align
        shifted = Grid(options.core, halo, align, shift_px=options.core // 2 // align * align)
        other = alpha_on(
            matter, photo, trimap, grid=Grid(side, side, align) if is_whole else shifted
        )
    row = {
        "model": options.model,
        "megapixels": options.megapixels,
        "halo_px": halo,
        "core_px": options.core,
        "against": "whole" if is_whole else "shifted grid",
        "largest_difference_255": f"{255 * np.abs(tiled - other).max():.3f}",
    }
    print("  ".join(f"{key} {value}" for key, value in row.items()))
    append_csv(RESULTS / "tiles.csv", {**row, **run})


if __name__ == "__main__":
    main()
