"""The subject, where no hint says what it is: found in the photo, chosen by flags."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskwright.cli.items import PIPE, Item, plan_items
from maskwright.cli.pictures import OPAQUE
from maskwright.errors import UsageError
from maskwright.image.publish import check_target

if TYPE_CHECKING:
    from maskwright.image.photo import Photo
    from maskwright.inference.segment import Segmenter
    from maskwright.inference.subject import Subject

DEFAULT_SEGMENTER = "mask2former-mini"
EACH = ".*.png"  # how the outputs of one photo are named where each subject has a file

Categories = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        metavar="NAME",
        help="Without a hint: the subject is of this class; can be given several times.",
    ),
]
Largest = Annotated[
    bool, typer.Option("--largest", help="Without a hint: the one thing of the most pixels.")
]
Every = Annotated[
    bool,
    typer.Option("--all", help="Without a hint: a file for each thing, STEM.NUMBER-CLASS.png."),
]
SegmentModel = Annotated[
    str,
    typer.Option(metavar="NAME|FILE", help="Weights that find the subject where there is no hint."),
]


@dataclass(frozen=True)
class SubjectHints:
    """What is found in the photos, as hints.

    Attributes:
        segmenter: Loads the network when first called.
        categories: Names of the classes wanted; () means all things.
        choice: As for `maskwright.inference.subject`.
        band: Width of the unknown band around a mask's edge.
    """

    segmenter: "Callable[[], Segmenter]"
    categories: tuple[str, ...] = ()
    choice: str = "prominent"
    band: str | int = "auto"

    def trimap(self, item: Item, photo: "Photo") -> Any:
        """Return the trimap of a photo, uint8 (h, w).

        Raises:
            SubjectError: If nothing is found.
            TrimapError: If the subject fills the photo.
        """
        return self._trimap(self._find(photo)[0], photo)

    def trimaps(self, item: Item, photo: "Photo", *, overwrite: bool) -> Iterator[tuple[str, Any]]:
        """Yield the output and the trimap of each subject.

        Raises:
            SubjectError: If nothing is found.
            OutputError: If an output exists and may not be replaced; before the first is yielded.
            TrimapError: If a subject fills the photo.
        """
        found = self._find(photo)
        targets = [subject_file(item, n, one.category) for n, one in enumerate(found, start=1)]
        for target in targets:
            check_target(target, overwrite=overwrite)
        for target, subject in zip(targets, found, strict=True):
            yield target, self._trimap(subject, photo)

    def _find(self, photo: "Photo") -> "tuple[Subject, ...]":
        from maskwright.inference.subject import find_subjects

        return find_subjects(
            self.segmenter(), photo, choice=self.choice, categories=self.categories
        )

    def _trimap(self, subject: "Subject", photo: "Photo") -> Any:
        from maskwright.image.trimap import trimap_from_mask

        return trimap_from_mask(subject.mask(), self.band, image=photo)


def chosen(categories: list[str] | None, *, largest: bool, every: bool, hinted: bool) -> str:
    """Return which subjects the flags choose.

    Raises:
        UsageError: If they exclude each other, or a hint says already what the subject is.
    """
    if largest and every:
        raise UsageError("--largest is one subject, --all is each of them; keep one of the two")
    if hinted and (largest or every or categories):
        given = "--largest" if largest else "--all" if every else "--class"
        raise UsageError(
            f"{given} chooses among what is found where no hint is given; leave it out, or"
            " --trimap, --mask, --point and --box"
        )
    return "all" if every else "largest" if largest else "prominent"


def plan_subjects(photos: list[str], output: str, *, recursive: bool) -> list[Item]:
    """Return the photos with the outputs `OUT/STEM.*.png`.

    Raises:
        UsageError: As `plan_items`, or if the output is no folder.
    """
    is_picture = output.lower().endswith(OPAQUE) and not Path(output).is_dir()
    if output == PIPE or is_picture:
        raise UsageError(
            f"--all writes a file for each subject; name a folder with -o, got {output}"
        )
    return plan_items(photos, output.rstrip("/\\") + "/", recursive=recursive, suffix=EACH)


def subject_file(item: Item, number: int, category: str) -> str:
    """Return the output of one subject: `OUT/STEM.1-person.png`."""
    name = re.sub(r"\W+", "-", category.split(",")[0].strip())
    return f"{item.target.removesuffix(EACH)}.{number}-{name}.png"
