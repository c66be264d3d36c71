"""Is a photo's subject found without a hint? Ten photos with outlines drawn by hand.

python -m benchmarks.subjects PHOTOS [--model mask2former-mini] [--matter a2u-mini]

The outlines stand in benchmarks/subjects.json: polygons in pixels of the upright photo, drawn and
checked enlarged, to a few pixels, before a network was tried on them. Six photos come with
scikit-image; the others lie in the folder PHOTOS. Subjects are found as `maskwright cutout` finds
them. Prints the IoU of each, and writes benchmarks/results/subjects.md and .csv, and the sheet
docs/pictures/subjects.jpg of scikit-image's photos, cut out.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from jaxtyping import Bool
from numpy.typing import NDArray

import maskwright as mw
from benchmarks.record import RESULTS, append_csv, provenance
from examples.demo import checkerboard, laid_on
from maskwright.errors import DataError, SubjectError
from maskwright.image.colour import from_float, network_rgb
from maskwright.image.io import read_photo, write_image
from maskwright.image.polygons import Polygon, mask_from_polygons
from maskwright.inference.subject import find_subjects
from maskwright.metrics.interactive import iou

OUTLINES = Path(__file__).with_name("subjects.json")
PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "subjects.jpg"
SCIKIT_IMAGE = "scikit-image"
ENOUGH, WANTED = 0.8, 8
TILE_PX, COLUMNS, GAP_PX = 240, 3, 6
NOTE = """The subject is what `maskwright cutout` takes without a hint: the most prominent thing
with all others of comparable prominence. IoU of its mask, before matting, with an outline drawn by
hand (`benchmarks/subjects.json`). A photo in which nothing is found has 0.
"""


@dataclass(frozen=True)
class Outlined:
    """A photo with the outline of its subject.

    Attributes:
        name: Of the photo, here.
        origin: "scikit-image", or "photos" for a file in the folder given.
        file: The name of the file, or of scikit-image's function.
        subject: What was outlined, in words.
        size: Height and width.
        polygons: The outline.
    """

    name: str
    origin: str
    file: str
    subject: str
    size: tuple[int, int]
    polygons: tuple[Polygon, ...]

    def mask(self) -> Bool[np.ndarray, "h w"]:
        """Return the mask of the outline."""
        return mask_from_polygons(self.polygons, self.size)

    def pixels(self, folder: Path) -> NDArray[np.uint8]:
        """Return the photo in sRGB, (h, w, 3).

        Raises:
            DataError: If it has another size than the outline was drawn for.
            ImageError: If it is missing or damaged.
        """
        if self.origin == SCIKIT_IMAGE:
            found = getattr(skimage.data, self.file)()
            photo = read_photo(np.asarray(found[0] if isinstance(found, tuple) else found))
        else:
            photo = read_photo(folder / self.file)
        if photo.size != self.size:
            raise DataError(
                f"{self.file}: expected the photo that was outlined, {self.size}, got"
                f" {photo.size}; use that one"
            )
        return from_float(network_rgb(photo), np.uint8)


@dataclass(frozen=True, eq=False)
class Score:
    """What was found in a photo.

    Attributes:
        photo: With its outline.
        iou: Of the subject and the outline; 0 if nothing was found.
        mask: Of the subject; None if nothing was found.
    """

    photo: Outlined
    iou: float
    mask: Bool[np.ndarray, "h w"] | None


def read_outlines(file: Path = OUTLINES) -> list[Outlined]:
    """Return the photos with their outlines."""
    return [
        Outlined(
            row["name"],
            row["from"],
            row["file"],
            row["subject"],
            (row["size"][0], row["size"][1]),
            tuple(
                Polygon(_ring(one["outer"]), tuple(_ring(hole) for hole in one["holes"]))
                for one in row["polygons"]
            ),
        )
        for row in json.loads(file.read_text())
    ]


def _ring(points: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    return np.asarray(points, np.float64)


def scored(photo: Outlined, pixels: NDArray[np.uint8], segmenter: mw.Segmenter) -> Score:
    """Return how well a photo's subject is found.

    Args:
        photo: With its outline.
        pixels: Of the photo.
        segmenter: Finds what is in it.
    """
    try:
        (subject,) = find_subjects(segmenter, pixels)
    except SubjectError:
        return Score(photo, 0.0, None)
    mask = subject.mask()
    return Score(photo, iou(mask, photo.mask()), mask)


def page(scores: Sequence[Score], model: str, run: Mapping[str, str]) -> str:
    """Return the table in Markdown."""
    lines = ["# Subjects found without a hint", ""]
    lines += [*(f"- {key}: `{value}`" for key, value in run.items()), "", NOTE.rstrip(), ""]
    lines += [f"| photo | from | outlined | IoU, {model} |", "|---|---|---|--:|"]
    for score in scores:
        photo = score.photo
        cells = [photo.name, photo.origin, photo.subject, f"{score.iou:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    good = sum(score.iou >= ENOUGH for score in scores)
    mean = float(np.mean([score.iou for score in scores]))
    verdict = "met" if good >= WANTED else "missed"
    lines += [
        "",
        f"{good} of {len(scores)} photos with an IoU of {ENOUGH} or more; mean IoU {mean:.3f}."
        f" Goal: {WANTED} photos: {verdict}.",
    ]
    return "\n".join([*lines, ""])


def contact_sheet(
    scores: Sequence[Score], matter: mw.Matter, photos: Mapping[str, NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Return scikit-image's photos, each beside its subject on a checkerboard.

    Args:
        scores: What was found.
        matter: Softens the edges.
        photos: Pixels by name.
    """
    tiles = []
    for score in scores:
        if score.photo.origin != SCIKIT_IMAGE:
            continue
        pixels = photos[score.photo.name]
        found = np.asarray(checkerboard(score.photo.size), np.float32)
        shown = from_float(found, np.uint8)
        if score.mask is not None:
            trimap = mw.trimap_from_mask(score.mask, image=pixels)
            shown = laid_on(found, mw.cut_out(pixels, matter.matte(pixels, trimap)))
        tiles.append(np.hstack([_tile(pixels), _tile(np.asarray(shown, np.uint8))]))
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % COLUMNS)
    gap = np.full((TILE_PX, GAP_PX, 3), 255, np.uint8)
    rows = []
    for start in range(0, len(tiles), COLUMNS):
        row = tiles[start : start + COLUMNS]
        rows.append(np.hstack([part for tile in row for part in (gap, tile)][1:]))
    line = np.full((GAP_PX, rows[0].shape[1], 3), 255, np.uint8)
    return np.vstack([part for row in rows for part in (line, row)][1:])


def _tile(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture in the middle of a white square."""
    height, width = pixels.shape[:2]
    scale = TILE_PX / max(height, width)
    size = round(width * scale), round(height * scale)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    tile = np.full((TILE_PX, TILE_PX, 3), 255, np.uint8)
    top, left = (TILE_PX - size[1]) // 2, (TILE_PX - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile


def main() -> None:
    """Find the subjects; print the table, and write it and the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("photos", type=Path, help="folder of the photos not of scikit-image")
    parser.add_argument("--model", default="mask2former-mini", help="name or file")
    parser.add_argument("--matter", default="a2u-mini", help="name or file, for the sheet")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("-o", "--output", type=Path, help="folder for all results; else their own")
    given = parser.parse_args()
    segmenter = mw.Segmenter.load(given.model, device=given.device)
    outlines = read_outlines()
    photos = {one.name: one.pixels(given.photos) for one in outlines}
    scores = [scored(one, photos[one.name], segmenter) for one in outlines]
    run = provenance("subjects", device=given.device)
    name = Path(given.model).stem
    text = page(scores, name, run)
    print(text)
    sheet = contact_sheet(scores, mw.Matter.load(given.matter, device=given.device), photos)
    results, picture = RESULTS, PICTURE
    if given.output is not None:
        results, picture = given.output, given.output / PICTURE.name
        results.mkdir(parents=True, exist_ok=True)
    (results / "subjects.md").write_text(text)
    for score in scores:
        row = {"photo": score.photo.name, "model": name, "iou": f"{score.iou:.4f}"}
        append_csv(results / "subjects.csv", {**row, **run})
    write_image(picture, sheet, overwrite=True)


if __name__ == "__main__":
    main()
