"""Cut a person out of a real photo and show the result on other backgrounds.

python examples/demo.py [-o DIR]

The photo is NASA's portrait of Eileen Collins (public domain), which scikit-image carries; the
trimap beside this file was drawn by hand.
"""

import argparse
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray

import maskwright as mw
from maskwright.image.colour import from_float, to_float
from maskwright.image.compose import compose, parse_colour
from maskwright.image.io import write_image

TRIMAP = Path(__file__).parent / "astronaut_trimap.png"
CHECKS_PX = 16


def main() -> None:
    """Write the alpha, the cut-out and a sheet of four pictures; print where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("demo"))
    folder: Path = parser.parse_args().output
    photo: NDArray[np.uint8] = skimage.data.astronaut()  # type: ignore[no-untyped-call]

    matte = mw.Matter.load("a2u-mini").matte(photo, TRIMAP)
    cutout = mw.cut_out(photo, matte)

    grey = from_float(np.repeat(np.asarray(matte.alpha)[..., None], 3, axis=2), np.uint8)
    backgrounds = (checkerboard(matte.size), parse_colour("#0b6e6e"))
    on_backgrounds = [laid_on(background, cutout) for background in backgrounds]
    pictures = {
        "alpha.png": matte.alpha,
        "cutout.png": cutout.rgba,
        "sheet.jpg": np.hstack([photo, grey, *on_backgrounds]),
    }
    for name, pixels in pictures.items():
        write_image(folder / name, pixels, overwrite=True)
        print(folder / name)


def laid_on(background: NDArray[np.floating], cutout: mw.Cutout) -> NDArray[np.generic]:
    """Return the cut-out before a background, 8 bit."""
    rgba = to_float(cutout.rgba)
    return from_float(compose(rgba[..., :3], rgba[..., 3], background), np.uint8)


def checkerboard(size: tuple[int, int]) -> NDArray[np.floating]:
    """Return the pattern that stands for transparency, (h, w, 3) in [0, 1]."""
    y, x = np.indices(size) // CHECKS_PX
    return np.where((y + x)[..., None] % 2, 0.8, 1.0) * np.ones(3)


if __name__ == "__main__":
    main()
