"""The verbs `evaluate semantic|panoptic|instance`: segmentations against the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskwright.cli import flags
from maskwright.cli.evaluate import identity, kept_beside, tell_failed
from maskwright.cli.items import PIPE
from maskwright.cli.loading import check_model, open_segmenter
from maskwright.cli.progress import DONE, progress_bar
from maskwright.errors import UsageError
from maskwright.image.publish import check_target

if TYPE_CHECKING:
    from maskwright.data.ground_truth import TruthSet
    from maskwright.evaluation.segmenting import PredictFunction, Tally
    from maskwright.inference.segment import Segmenter
    from maskwright.structures.class_list import ClassList

PICTURE_SUFFIX = ".png"
LAYOUTS = {"coco": "val2017", "ade20k": "validation", "cityscapes": "val"}  # and their usual split
ALL_SCALES = "all"

Model = Annotated[str | None, typer.Option(metavar="NAME|FILE", help="Weights to score.")]
Predictions = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Score what anything else found: as --labels, of its forms."),
]
Images = Annotated[str | None, typer.Option(metavar="DIR", help="Photos, with --labels.")]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Their truth: COCO's JSON, or a folder of Cityscapes', labelme's, YOLO's or our files,"
        " or for semantic of label pictures.",
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A name a line, or JSON; or coco-panoptic, coco-instance, ade20k, cityscapes.",
    ),
]
Root = Annotated[
    str | None, typer.Option(metavar="DIR", help="A published set, instead of --images.")
]
Layout = Annotated[str | None, typer.Option(metavar="|".join(LAYOUTS), help="Which one it is.")]
Split = Annotated[
    str | None, typer.Option(metavar="NAME", help="Which part of it; else that to score on.")
]
Report = Annotated[
    str | None, typer.Option(metavar="OUT", help="Write all scores here; - prints them.")
]
ShortSide = Annotated[
    int | None,
    typer.Option(metavar="PX", min=1, help="The network sees photos with this shorter side."),
]
Score = Annotated[
    float | None, typer.Option(metavar="0-1", min=0, max=1, help="Leave out what is less sure.")
]


@dataclass(frozen=True)
class Asked:
    """What the three verbs have in common; names are those of their flags."""

    task: str
    model: str | None
    predictions: str | None
    images: str | None
    labels: str | None
    classes: str | None
    root: str | None
    layout: str | None
    split: str | None
    json: str | None
    short_side: int | None
    device: str
    dtype: str
    overwrite: bool
    offline: bool
    commercial: bool
    quiet: bool
    verbose: int

    def check(self) -> None:
        """Refuse flags that do not go together, and paths that are not there.

        Raises:
            UsageError: If there are any.
            OutputError: If the report exists and may not be replaced.
        """
        flags.set_verbosity(quiet=self.quiet, verbose=self.verbose)
        if bool(self.model) == bool(self.predictions):
            raise UsageError("give --model to score a network, or --predictions to score files")
        if bool(self.root) != bool(self.layout):
            raise UsageError("--layout says which published set lies at --root; give both")
        places = {"images": self.images, "labels": self.labels}
        given = {flag for flag, place in places.items() if place}
        if given != (set() if self.root else set(places)) or (self.root and self.classes):
            raise UsageError(
                "give --images and --labels, with --classes where the labels do not name them;"
                " or --root and --layout of a published set"
            )
        if self.split and not self.root:
            raise UsageError("--split says which part of --root; leave it out")
        if self.layout and self.layout not in LAYOUTS:
            raise UsageError(f"--layout must be {', '.join(LAYOUTS)}, got {self.layout!r}")
        self._check_paths()

    def _check_paths(self) -> None:
        for flag in ("images", "root"):
            place = getattr(self, flag)
            if place and not Path(place).is_dir():
                raise UsageError(f"--{flag} must be a folder, there is none at {place}")
        for flag in ("labels", "predictions"):
            place = getattr(self, flag)
            if place and not Path(place).exists():
                raise UsageError(f"--{flag} must be a file or folder, there is none at {place}")
        if self.json and self.json != PIPE:
            check_target(self.json, overwrite=self.overwrite)
        if self.model:
            check_model(self.model, commercial=self.commercial)

    def truth(self) -> "TruthSet":
        """Return the photos and their truth.

        Raises:
            DataError: If files are damaged or missing.
            UsageError: If classes are needed.
        """
        if self.root:
            from maskwright.data.ade20k import ade20k_folder
            from maskwright.data.cityscapes import cityscapes_folder
            from maskwright.data.coco import coco_folder

            readers: dict[str, Callable[..., TruthSet]] = {
                "coco": coco_folder,
                "ade20k": ade20k_folder,
                "cityscapes": cityscapes_folder,
            }
            layout = self.layout or ""
            split = self.split or LAYOUTS[layout]
            return readers[layout](Path(self.root), split, task=self.task)
        from maskwright.data.truth_finder import open_truth

        place = self.labels or ""
        return open_truth(self.images or "", place, task=self.task, classes=self._listed())

    def found(self, truth: "TruthSet") -> "TruthSet":
        """Return the predictions for a set's photos, in the classes of the set.

        Raises:
            DataError: If files are damaged or missing.
            UsageError: If classes are needed, or none is one of the set's.
        """
        import os

        from maskwright.data.truth_finder import open_predictions
        from maskwright.evaluation.matching import in_classes

        images = self.images or os.path.commonpath([photo.parent for photo in truth.photos])
        found = open_predictions(
            images,
            self.predictions or "",
            task=self.task,
            truth=truth.classes,
            listed=truth.classes if self.root else self._listed(),
        )
        return in_classes(found, truth.classes)

    def _listed(self) -> "ClassList | None":
        """Return the classes that --classes lists, if it is given."""
        from maskwright.formats.classes import read_classes

        return read_classes(self.classes) if self.classes else None

    def segmenter(self) -> "Segmenter":
        """Return the network.

        Raises:
            WeightsError: If it cannot be loaded.
        """
        return open_segmenter(
            self.model or "",
            self.device,
            self.dtype,
            short_side_px=self.short_side,
            commercial=self.commercial,
            offline=self.offline,
        )()


def _asked(task: str, given: Mapping[str, Any]) -> Asked:
    """Return the flags that the three verbs share, of all that one was given."""
    return Asked(task, **{flag.name: given[flag.name] for flag in fields(Asked)[1:]})


def semantic(
    *,
    model: Model = None,
    predictions: Predictions = None,
    images: Images = None,
    labels: Labels = None,
    classes: Classes = None,
    root: Root = None,
    layout: Layout = None,
    split: Split = None,
    json: Report = None,
    confusion: Annotated[
        str | None, typer.Option(metavar="OUT.png", help="Draw what classes were taken for.")
    ] = None,
    scales: Annotated[
        str, typer.Option(metavar="S,S|all", help="Average over these sizes; all is 0.5 to 1.75.")
    ] = "1",
    mirrored: Annotated[
        bool, typer.Option("--mirrored", help="Average over mirrored photos, too.")
    ] = False,
    short_side: ShortSide = None,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    overwrite: flags.Overwrite = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Score a class for each pixel.

    Told are the mean IoU of classes (mIoU), weighted by their pixels (fwIoU), the share of pixels
    that are right, and each class, the worst first. Void pixels of the truth do not count. With
    --json OUT a stopped run goes on where it was.
    """
    asked = _asked("semantic", locals())
    looks = {"scales": _scales(scales), "mirrored": mirrored}
    if confusion:
        if Path(confusion).suffix.lower() != PICTURE_SUFFIX:
            raise UsageError(f"--confusion must be a file {PICTURE_SUFFIX}, got {confusion}")
        check_target(confusion, overwrite=overwrite)
    return _evaluate(asked, looks, confusion=confusion)


def panoptic(
    *,
    model: Model = None,
    predictions: Predictions = None,
    images: Images = None,
    labels: Labels = None,
    classes: Classes = None,
    root: Root = None,
    layout: Layout = None,
    split: Split = None,
    json: Report = None,
    score: Score = 0.8,
    overlap: Annotated[
        float,
        typer.Option(
            metavar="0-1", min=0, max=1, help="Leave out what keeps less of its own mask."
        ),
    ] = 0.8,
    short_side: ShortSide = None,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    overwrite: flags.Overwrite = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Score segments that share no pixel.

    Told are panoptic, segmentation and recognition quality (PQ = SQ x RQ) of all classes, of things
    and of stuff, and of each class, the worst first. With --json OUT a stopped run goes on where
    it was.
    """
    asked = _asked("panoptic", locals())
    return _evaluate(asked, {"score": score, "overlap": overlap})


def instance(
    *,
    model: Model = None,
    predictions: Predictions = None,
    images: Images = None,
    labels: Labels = None,
    classes: Classes = None,
    root: Root = None,
    layout: Layout = None,
    split: Split = None,
    json: Report = None,
    score: Score = 0.0,
    most: Annotated[
        int, typer.Option(metavar="N", min=1, help="The most objects of a photo.")
    ] = 100,
    short_side: ShortSide = None,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    overwrite: flags.Overwrite = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Score objects, which may overlap.

    Told are COCO's average precision of masks (AP, and AP50 at IoU 0.5), that of their boundaries,
    and each class, the worst first. With --json OUT a stopped run goes on where it was.
    """
    asked = _asked("instance", locals())
    return _evaluate(asked, {"score": score, "most": most})


def _evaluate(asked: Asked, looks: dict[str, Any], *, confusion: str | None = None) -> int:
    """Score every photo, add up, tell.

    Args:
        asked: Flags of all verbs.
        looks: Those of this one that change what is found.
        confusion: Where its picture goes, or None.
    """
    asked.check()
    truth = asked.truth()

    from maskwright.evaluation.kept import score_kept
    from maskwright.evaluation.segmenting import (
        KEPT,
        TALLIES,
        items_of,
        predicted,
        score_photos,
    )

    tally = TALLIES[asked.task](truth)
    facts: dict[str, Any] = {"task": asked.task, "layout": asked.layout}
    if asked.model:
        items, segmenter = items_of(truth), asked.segmenter()
        predict = _predict(truth, segmenter, asked.task, looks)
        facts |= {**looks, "short_side": segmenter.short_side_px}
        facts |= identity(asked.model, str(segmenter.device), str(segmenter.dtype))
    else:
        found = asked.found(truth)
        items, predict = items_of(truth, found), predicted(truth, found)
        facts |= identity(None)
    kept = kept_beside(asked.json)
    score = partial(score_photos, tally=tally, predict=predict)
    rows = []
    with progress_bar("scoring", quiet=asked.quiet) as progress:
        scored = score(items)
        if kept:
            settings = {**facts, "classes": list(truth.classes.names)}
            scored = score_kept(items, score, file=kept, settings=settings)
        for item, row in zip(items, scored, strict=True):
            rows.append(row)
            if row.scores is not None:
                tally.add(item.index, row.scores[KEPT])
            progress(len(rows), len(items))
    _tell(asked, rows, tally, facts)
    if confusion:
        _draw(confusion, tally, overwrite=asked.overwrite)
    code = tell_failed(rows)
    if kept and code == DONE:
        kept.unlink()
    return code


def _predict(
    truth: "TruthSet", segmenter: "Segmenter", task: str, looks: dict[str, Any]
) -> "PredictFunction":
    """Return what finds in a photo what its truth has names for."""
    from maskwright.evaluation.matching import match_classes
    from maskwright.inference.segment import PUBLISHED, Thresholds

    config = segmenter.config
    unnamed = not config.names and config.classes not in PUBLISHED
    matching = match_classes(segmenter.classes, truth.classes, unnamed=unnamed)
    chosen = {name: looks[name] for name in ("score", "overlap", "most") if name in looks}
    segment = partial(
        segmenter.segment,
        task=task,
        thresholds=Thresholds(**chosen),
        scales=looks.get("scales", (1.0,)),
        mirrored=looks.get("mirrored", False),
    )
    segmenter.segment_many((), task)  # refuses, before any photo, a task it was not trained for
    return lambda index: matching.renamed(segment(truth.photos[index]))


def _scales(text: str) -> list[float]:
    """Return the sizes asked for, 1 being the usual.

    Raises:
        UsageError: If one is no number above 0.
    """
    if text == ALL_SCALES:
        from maskwright.inference.segment import SCALES

        return list(SCALES)
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < scale < 10 for scale in found):
        raise UsageError(
            f"--scales must be {ALL_SCALES}, or numbers above 0 like 0.5,1, got {text!r}"
        )
    return found


def _tell(asked: Asked, rows: list[Any], tally: "Tally", facts: dict[str, Any]) -> None:
    """Print the tables, or everything as JSON, and write the report."""
    from json import dumps

    from maskwright.evaluation.report import write_json
    from maskwright.evaluation.segment_report import as_json, as_text

    made_by = {"model": Path(asked.model).name} if asked.model else {}
    report = as_json(rows, tally, {**made_by, **facts})
    print(dumps(report, indent=1) if asked.json == PIPE else as_text(report, tally))
    if asked.json and asked.json != PIPE:
        write_json(Path(asked.json), report, overwrite=asked.overwrite)


def _draw(target: str, tally: "Tally", *, overwrite: bool) -> None:
    """Draw what each class was taken for, if any pixel was counted."""
    from maskwright.evaluation.confusion_picture import draw_confusion
    from maskwright.evaluation.segmenting import SemanticTally
    from maskwright.image.io import write_image

    assert isinstance(tally, SemanticTally), "only this verb has the flag"
    if tally.counts.counts.any():
        picture = draw_confusion(tally.counts.counts, tally.counts.names)
        write_image(target, picture, overwrite=overwrite)
