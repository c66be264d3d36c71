"""From a photo's document to files: cut-outs, alphas, masks, annotations, layers.

Pictures show all visible objects together; masks, annotations and layers hold every object that
has a mask, each by itself. Files appear whole or not at all.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from maskwright.app.annotations import annotated_of, classes_of, panoptic_of
from maskwright.app.document import Document, Object
from maskwright.app.rendering import cut_out_by, mask_of, matte_of, seen_alpha
from maskwright.errors import ShapeError, SubjectError, UsageError
from maskwright.formats.coco import write_coco
from maskwright.formats.labelme import write_labelme
from maskwright.formats.layered import Layer, flattened, write_layered
from maskwright.formats.panoptic import write_panoptic
from maskwright.formats.yolo import write_yolo
from maskwright.image.backdrop import compose_on
from maskwright.image.colour import at_depth, from_float
from maskwright.image.compose import parse_colour
from maskwright.image.io import write_image
from maskwright.image.photo import Photo
from maskwright.image.publish import check_target
from maskwright.structures import rle
from maskwright.structures.cutout import Cutout
from maskwright.structures.matte import Matte

if TYPE_CHECKING:
    from maskwright.inference.matte import Matter

CUTOUTS = {"png": ".png", "tiff": ".tif", "webp": ".webp"}
LAYERED = {"psd": ".psd", "layered-tiff": ".layers.tif"}
ANNOTATIONS = ("coco", "labelme", "yolo", "panoptic")
TOGETHER = ("coco", "yolo", "panoptic")
"""Formats with one set of files for all photos of a folder."""
FORMATS = (*CUTOUTS, "alpha", "masks", *ANNOTATIONS, *LAYERED)
_MOST_NAME = 60  # of an object, in the name of a file
Matters = Callable[[str], "Matter"]


@dataclass(frozen=True)
class Options:
    """What is written, and how.

    Attributes:
        format: One of `FORMATS`.
        bit_depth: 8 or 16 bits per channel; None is the photo's own.
        background: Behind cut-outs and layers: a colour such as "white" or "#ff8000", or sRGB
            pixels (3,) or (h, w, 3) in [0, 1]; None is transparent.
        decontaminate: How much of the old background's colour is taken out of soft edges.

    Raises:
        UsageError: If one is not as expected, or does not fit the format.
    """

    format: str
    bit_depth: int | None = None
    background: str | NDArray[Any] | None = None
    decontaminate: float | int = 1.0

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise UsageError(f"a format must be one of {', '.join(FORMATS)}, got {self.format!r}")
        if self.bit_depth not in (None, 8, 16) or (self.format, self.bit_depth) == ("webp", 16):
            raise UsageError(
                f"a bit depth must be 8 or 16, of webp 8, got {self.bit_depth}; leave it out, or"
                " use png or tiff"
            )
        if self.background is not None and self.format not in (*CUTOUTS, *LAYERED):
            raise UsageError(
                f"a background belongs to cut-outs and layers, got one for {self.format};"
                " leave it out"
            )
        if not 0 <= self.decontaminate <= 1:
            raise UsageError(f"decontaminate must lie in [0, 1], got {self.decontaminate}")
        self.backdrop()

    def backdrop(self) -> Float32[np.ndarray, "..."] | None:
        """Return the background as sRGB pixels, (3,) or (h, w, 3).

        Raises:
            UsageError: If it is no colour.
        """
        if isinstance(self.background, str):
            return parse_colour(self.background)
        return self.background


def export_photo(
    photo: Photo,
    document: Document,
    target: str | os.PathLike[str],
    *,
    name: str,
    format: str,
    bit_depth: int | None = None,
    background: str | NDArray[Any] | None = None,
    decontaminate: float | int = 1.0,
    matter: Matters | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write what was made of one photo, and return the files.

    Args:
        photo: The photo.
        document: What was done to it.
        target: Path of the files without their ends: "out/a" becomes `out/a.png`,
            `out/a.1-dog.mask.png`, `out/a.json`.
        name: Of the photo in annotations: its path below the folder of photos.
        format: As in `Options`.
        bit_depth: As in `Options`.
        background: As in `Options`.
        decontaminate: As in `Options`.
        matter: Returns the matting network of a name; None where no edge is refined.
        overwrite: Whether files may be replaced.

    Raises:
        SubjectError: If there is nothing to export.
        ShapeError: If photo and document differ in size.
        TrimapError: If an edge cannot be refined, for want of background.
        UsageError: If an option is not as expected, or a network is needed.
        MissingExtraError: If layers are asked for without the extra `psd`.
        OutputError: If a file exists and may not be replaced, or cannot be written.
    """
    options = Options(format, bit_depth, background, decontaminate)
    if photo.size != document.size:
        raise ShapeError(
            f"{name}: expected the photo that was worked on, {document.size}, got one of"
            f" {photo.size}; put the old one back"
        )
    if format in ANNOTATIONS:
        return export_annotations([(name, document)], target, format=format, overwrite=overwrite)
    objects, files = with_masks(document), planned_files(document, target, format=format)
    for file in files:
        check_target(file, overwrite=overwrite)
    if format == "masks":
        _need(objects, name)
        for one, file in zip(objects, files, strict=True):
            write_image(file, mask_of(one, photo.size), overwrite=overwrite)
        return files
    (file,) = files
    visible = [one for one in objects if one.visible]
    if format in LAYERED:
        _need(objects, name)
        layers = _layers(_in_depth(photo, _depth(photo, options)), objects, options, matter)
        write_layered(file, layers, photo.size, like=photo, overwrite=overwrite)
    elif format == "alpha":
        _need(visible, name)
        alpha = _alpha_of(photo, visible, matter)
        pixels = from_float(alpha, _depth(photo, options))
        write_image(file, pixels, like=photo, overwrite=overwrite)
    else:
        _need(visible, name)
        cut = _cut_out(photo, visible, options, matter)
        backdrop = options.backdrop()
        pixels = cut.rgba if backdrop is None else compose_on(cut, backdrop)
        write_image(file, at_depth(pixels, _depth(photo, options)), like=cut, overwrite=overwrite)
    return files


def export_annotations(
    documents: Sequence[tuple[str, Document]],
    target: str | os.PathLike[str],
    *,
    format: str,
    overwrite: bool = False,
) -> list[Path]:
    """Write the objects of one photo or more as annotations, and return the files.

    Classes are the objects' names, in the order in which they are met. Panoptic: where objects
    meet, the later one lies on top.

    Args:
        documents: Name and document of each photo; those without a mask are written as such.
        target: Path of the files without their ends; of YOLO the folder.
        format: "coco", "labelme" (of one photo), "yolo" or "panoptic".
        overwrite: Whether files may be replaced.

    Raises:
        SubjectError: If no object has a mask.
        UsageError: If there is no such format, or photos cannot be told apart in it.
        OutputError: If a file exists and may not be replaced, or cannot be written.
    """
    base = Path(target)
    if format not in ANNOTATIONS:
        raise UsageError(f"annotations must be {', '.join(ANNOTATIONS)}, got {format!r}")
    found = [document for _, document in documents]
    _need([one for document in found for one in with_masks(document)], documents[0][0])
    classes = classes_of(found)
    make = panoptic_of if format == "panoptic" else annotated_of
    items = [make(name, document, classes) for name, document in documents]
    if format == "yolo":
        write_yolo(base, items, classes=classes, overwrite=overwrite)
        texts = [base / "labels" / Path(name).with_suffix(".txt") for name, _ in documents]
        return [*texts, base / "data.yaml"]
    file = with_end(base, ".json")
    if format == "coco":
        write_coco(file, items, classes=classes, overwrite=overwrite)
        return [file]
    if format == "labelme":
        if len(items) != 1:
            raise UsageError(f"labelme has a file for each photo, got {len(items)} for one")
        write_labelme(file, items[0], overwrite=overwrite)
        return [file]
    write_panoptic(file, items, classes=classes, maps=base, overwrite=overwrite)
    return [file, *sorted(base.rglob("*.png"))]


def planned_files(document: Document, target: str | os.PathLike[str], *, format: str) -> list[Path]:
    """Return the files that `export_photo` writes for a photo; of YOLO the list of classes alone.

    Args:
        document: What was done to it.
        target: As for `export_photo`.
        format: As for `export_photo`.
    """
    base = Path(target)
    if format == "masks":
        ends = [f".{one.number}-{_file_part(one.name)}.mask.png" for one in with_masks(document)]
        return [with_end(base, end) for end in ends]
    if format == "yolo":
        return [base / "data.yaml"]
    if format in ANNOTATIONS:
        return [with_end(base, ".json")]
    return [with_end(base, CUTOUTS.get(format) or LAYERED.get(format) or ".alpha.png")]


def with_masks(document: Document) -> list[Object]:
    """Return the objects that have a mask of one pixel or more, the lowest first."""
    return [one for one in document.objects if one.rle is not None and rle.area(one.rle)]


def with_end(target: Path, end: str) -> Path:
    """Return a path with an end added, whatever dots its name has."""
    return target.with_name(target.name + end)


def _need(objects: Sequence[Object], name: str) -> None:
    if not objects:
        raise SubjectError(f"{name}: expected an object to export, got none; click on one first")


def _file_part(name: str) -> str:
    """Return a name as it can stand in the name of a file."""
    kept = "".join(c if c.isalnum() else "-" for c in name.strip())
    return "-".join(part for part in kept.split("-") if part)[:_MOST_NAME] or "object"


def _matte(one: Object, photo: Photo, matter: Matters | None) -> Matte:
    if one.refine is None:
        return matte_of(one, photo)
    if matter is None:
        raise UsageError(
            f"{one.name}: a refined edge needs the network {one.refine.model}, got none"
        )
    return matte_of(one, photo, matter(one.refine.model))


def _depth(photo: Photo, options: Options) -> np.dtype[Any]:
    """Return the type of the pixels to write; floating point becomes 16 bit."""
    if options.bit_depth is not None:
        return np.dtype(f"uint{options.bit_depth}")
    return np.dtype(np.uint16) if photo.pixels.dtype.kind == "f" else photo.pixels.dtype


def _in_depth(photo: Photo, dtype: np.dtype[Any]) -> Photo:
    alpha = None if photo.alpha is None else at_depth(photo.alpha, dtype)
    return replace(photo, pixels=at_depth(photo.pixels, dtype), alpha=alpha)


def _alpha_of(
    photo: Photo, objects: Sequence[Object], matter: Matters | None
) -> Float32[np.ndarray, "h w"]:
    """Return 1 - Π (1 - α): what the objects cover together, of what is to be seen of the photo."""
    left = np.ones(photo.size, np.float32)
    for one in objects:
        left *= 1 - np.asarray(_matte(one, photo, matter).alpha)
    return seen_alpha(photo, Matte(1 - left))


def _cut_out(
    photo: Photo, objects: Sequence[Object], options: Options, matter: Matters | None
) -> Cutout:
    if len(objects) == 1:
        matte = _matte(objects[0], photo, matter)
        return cut_out_by(photo, matte, float(options.decontaminate))
    photo = _in_depth(photo, np.dtype(np.uint16))  # rounded once, at the end
    layers = list(_objects_as_layers(photo, objects, options, matter))
    whole = cut_out_by(photo, Matte(np.zeros(photo.size, np.float32)), 0.0)
    return replace(whole, rgba=flattened(layers, photo.size)) if layers else whole


def _layers(
    photo: Photo, objects: Sequence[Object], options: Options, matter: Matters | None
) -> list[Layer]:
    """Return the photo, hidden; the background, if there is one; and the objects."""
    layers = [Layer("Photo", photo.pixels, mask=photo.alpha, visible=False)]
    backdrop = options.backdrop()
    if backdrop is not None:
        nothing = np.zeros((*photo.size, 4), photo.pixels.dtype)
        pixels = compose_on(Cutout(nothing, icc_profile=photo.icc_profile), backdrop)
        layers.append(Layer("Background", pixels))
    return [*layers, *_objects_as_layers(photo, objects, options, matter)]


def _objects_as_layers(
    photo: Photo, objects: Sequence[Object], options: Options, matter: Matters | None
) -> Iterator[Layer]:
    """Yield each object in its own colours, cut to its box, its alpha as a mask."""
    for one in objects:
        cut = cut_out_by(photo, _matte(one, photo, matter), float(options.decontaminate))
        alpha: NDArray[Any] = cut.rgba[..., 3]
        rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
        if not len(rows):
            continue
        top, left = int(rows[0]), int(columns[0])
        box = slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1)
        pixels: NDArray[Any] = cut.rgba[box][..., :3]
        yield Layer(one.name, pixels, left, top, mask=alpha[box], visible=one.visible)
