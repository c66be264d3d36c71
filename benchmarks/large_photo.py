"""What a large photo costs: seconds and peak memory of `maskwright cutout`, seen from outside.

python -m benchmarks.large_photo [--megapixels 24] [--max-memory 4G] [--model a2u-mini]

The photo is drawn (a furry thing before a scene), 3 to 2, with a trimap whose band is 1 % of the
long side wide; it is written as PNG first, and that is not timed.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.record import RESULTS, append_csv, provenance
from maskwright.data.procedural import draw, draw_background
from maskwright.data.trimaps import shrunk_trimap
from maskwright.image.io import write_image

DRAWN_PX = (800, 1200)


def make_photo(folder: Path, megapixels: float) -> tuple[Path, Path]:
    """Write photo and trimap; return their paths."""
    height = round(math.sqrt(megapixels * 1e6 / 1.5))
    size = (round(1.5 * height), height)
    rng = np.random.default_rng(5)
    thing, scene = draw("fur", DRAWN_PX, rng), draw_background(DRAWN_PX, rng)
    colour, alpha, behind = (
        cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
        for picture in (thing.colour, thing.alpha, scene)
    )
    alpha = np.where(alpha < 0.02, 0, np.where(alpha > 0.98, 1, alpha)).astype(np.float32)
    image = np.empty_like(colour)
    for row in range(height):  # a float copy of the whole would need gigabytes
        share = alpha[row, :, None]
        image[row] = np.rint(share * colour[row] + (1 - share) * behind[row])
    band = max(3, size[0] // 200)
    trimap = shrunk_trimap(alpha, foreground_px=band, background_px=band)
    print(f"{size[0]} x {size[1]}, {np.mean(trimap == 128):.1%} unknown")
    write_image(folder / "photo.png", image)
    write_image(folder / "trimap.png", trimap)
    return folder / "photo.png", folder / "trimap.png"


def main() -> None:
    """Run the command once and print what it took; add it to results/large_photo.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--max-memory", default="4G")
    parser.add_argument("--model", default="a2u-mini")
    options = parser.parse_args()
    run = provenance("large_photo")
    with tempfile.TemporaryDirectory() as name:
        photo, trimap = make_photo(Path(name), options.megapixels)
        command = [sys.executable, "-m", "maskwright", "cutout", str(photo)]
        command += ["--trimap", str(trimap), "-o", str(Path(name) / "cutout.png")]
        command += ["--model", options.model, "--max-memory", options.max_memory, "-q"]
        start = time.perf_counter()
        process = subprocess.Popen(command)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    scale = 1 if sys.platform == "darwin" else 1024
    row = {
        "model": options.model,
        "megapixels": options.megapixels,
        "max_memory": options.max_memory,
        "exit_code": os.waitstatus_to_exitcode(status),
        "seconds": f"{seconds:.1f}",
        "peak_gib": f"{usage.ru_maxrss * scale / 2**30:.2f}",
    }
    print("  ".join(f"{key} {value}" for key, value in row.items()))
    append_csv(RESULTS / "large_photo.csv", {**row, **run})


if __name__ == "__main__":
    main()
