"""Cut a person out of a real photo and show the result on other backgrounds.

python examples/demo.py [-o DIR]

The photo is NASA's portrait of Eileen Collins (public domain), which scikit-image carries; the
trimap beside this file was drawn by hand.
"""

import argparse
from pathlib import Path

import numpy as np
import skimage.data
from maskwright.image.compose import compose, parse_colour
from numpy.typing import NDArray

import maskwright as mw
from maskwright.image.io import write_image

TRIMAP = Path(__file__).parent / "astronaut_trimap.png"
CHECKS_PX = 16


def main() -> None:
    """Write the alpha, the cut-out and a sheet of four pictures; print where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("demo"))
    folder: Path = parser.parse_args().output
    photo = skimage.data.astronaut()

    matte = mw.Matter.load("a2u-mini").matte(photo, TRIMAP)
    cutout = mw.cut_out(photo, matte)

    colours, alpha = cutout.rgba[..., :3] / 255, cutout.rgba[..., 3] / 255
    checks = checkerboard(photo.shape[:2])
    teal = np.broadcast_to(parse_colour("#0b6e6e"), photo.shape)
    panels = [photo, *(composed(colours, alpha, behind) for behind in (checks, teal))]
    panels.insert(1, np.repeat(np.rint(255 * alpha)[..., None], 3, axis=2).astype(np.uint8))
    pictures = {
        "alpha.png": matte.alpha,
        "cutout.png": cutout.rgba,
        "sheet.jpg": np.hstack(panels),
    }
    for name, pixels in pictures.items():
        write_image(folder / name, pixels, overwrite=True)
        print(folder / name)


def composed(
    colours: NDArray[np.floating], alpha: NDArray[np.floating], behind: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """Return the cut-out before a background, 8 bit."""
    result = compose(
        colours.astype(np.float32), alpha.astype(np.float32), behind.astype(np.float32)
    )
    return np.rint(255 * result).astype(np.uint8)


def checkerboard(size: tuple[int, int]) -> NDArray[np.floating]:
    """Return the pattern that stands for transparency, (h, w, 3) in [0, 1]."""
    y, x = np.indices(size) // CHECKS_PX
    return np.where((y + x)[..., None] % 2, 0.8, 1.0) * np.ones(3)


if __name__ == "__main__":
    main()
