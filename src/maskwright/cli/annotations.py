"""What `segment` writes: a file or three for each photo, or one set of files for all."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from maskwright.cli.items import PIPE, Item, plan_items
from maskwright.errors import UsageError
from maskwright.image.publish import check_target

if TYPE_CHECKING:
    from maskwright.formats.annotated import Annotated, Loss
    from maskwright.image.photo import Photo
    from maskwright.structures.class_list import ClassList
    from maskwright.structures.segmentation import Segmentation

EACH = {"png": ".png", "labelme": ".json", "palette": ".png"}  # a file for each photo
FORMATS = ("png", "coco", "labelme", "yolo", "palette")
TOLD_LOSS = 0.001  # less is not worth a line

_log = logging.getLogger(__name__)


@dataclass
class Annotations:
    """Writes what is found.

    Attributes:
        format: One of `FORMATS`.
        output: File or folder.
        as_polygons: COCO: polygons instead of run lengths.
        overwrite: Whether files may be replaced.
        found: What is to be written together.
        losses: What polygons lost.
    """

    format: str
    output: str
    as_polygons: bool = False
    overwrite: bool = False
    found: "list[Annotated]" = field(default_factory=list)
    losses: "list[Loss]" = field(default_factory=list)

    def plan(self, photos: list[str], *, recursive: bool) -> list[Item]:
        """Return the photos with their outputs.

        Raises:
            UsageError: If there is none, they cannot be told apart, or the output does not fit.
        """
        if self.output == PIPE:
            raise UsageError("segment writes files that belong together; name a file or folder")
        if self.format in EACH:
            suffix = EACH[self.format]
            items = plan_items(photos, self.output, recursive=recursive, suffix=suffix)
            wrong = [item.target for item in items if not item.target.lower().endswith(suffix)]
            if wrong:
                raise UsageError(
                    f"-o must end with {suffix} for --format {self.format}, got {wrong[0]}"
                )
            return items
        target, folder = self.output, self.output
        if self.format == "coco":
            target = self._coco_file()
            folder = str(Path(target).with_suffix(""))
        items = plan_items(photos, folder + "/", recursive=recursive)
        if self.format == "yolo":
            return self._with_labels(items)
        return [replace(item, target=target) for item in items]

    def _coco_file(self) -> str:
        """Return the one file for all photos: the output, or a file in it."""
        if self.output.lower().endswith(".json"):
            return self.output
        return str(Path(self.output) / "annotations.json")

    def _with_labels(self, items: Sequence[Item]) -> list[Item]:
        """Return the photos with their files of YOLO's labels.

        Raises:
            UsageError: If two photos would have one file.
        """
        from maskwright.formats.yolo import label_files

        files = label_files(Path(self.output), [item.name.as_posix() for item in items])
        return [replace(item, target=str(f)) for item, f in zip(items, files, strict=True)]

    def check(self, item: Item) -> None:
        """Refuse, before any work, an output that exists beside the one that names the item.

        Raises:
            OutputError: If it exists and may not be replaced.
        """
        if self.format == "png":
            for target in (Path(item.target).with_suffix(".json"), overlay_file(item.target)):
                check_target(target, overwrite=self.overwrite)
        if self.format == "yolo":
            from maskwright.formats.yolo import NAMES_FILE

            check_target(Path(self.output) / NAMES_FILE, overwrite=self.overwrite)

    def add(
        self, item: Item, photo: "Photo", segmentation: "Segmentation", classes: "ClassList"
    ) -> None:
        """Write what was found in a photo, or keep it for `finish`.

        Raises:
            OutputError: If a file exists and may not be replaced, or cannot be written.
        """
        if self.format == "png":
            write_pictures(item.target, photo, segmentation, classes, overwrite=self.overwrite)
        elif self.format == "palette":
            from maskwright.formats.palette import write_palette

            write_palette(item.target, segmentation, classes=classes, overwrite=self.overwrite)
        elif self.format == "labelme":
            from maskwright.formats.labelme import write_labelme

            source = Path(item.source).resolve().as_posix() if item.source != PIPE else None
            named = _named(item, segmentation)
            lost = write_labelme(item.target, named, image_path=source, overwrite=self.overwrite)
            self.losses += lost
        else:
            self.found.append(_named(item, segmentation))

    def finish(self, classes: "Callable[[], ClassList]") -> None:
        """Write what belongs to all photos together, and tell what polygons lost.

        Args:
            classes: Returns the network's classes; not called if nothing was found.

        Raises:
            OutputError: If a file exists and may not be replaced, or cannot be written.
        """
        if self.found and self.format == "coco":
            self._write_coco(self.found, classes())
        elif self.found:
            from maskwright.formats.yolo import write_yolo

            self.losses += write_yolo(
                self.output, self.found, classes=classes(), overwrite=self.overwrite
            )
        tell(self.losses)

    def _write_coco(self, found: "Sequence[Annotated]", classes: "ClassList") -> None:
        from maskwright.formats.coco import write_coco
        from maskwright.formats.panoptic import write_panoptic

        file = self._coco_file()
        if found[0].segmentation.task == "panoptic" and not self.as_polygons:
            write_panoptic(file, found, classes=classes, overwrite=self.overwrite)
            return
        self.losses += write_coco(
            file, found, classes=classes, as_polygons=self.as_polygons, overwrite=self.overwrite
        )


def _named(item: Item, segmentation: "Segmentation") -> "Annotated":
    from maskwright.formats.annotated import Annotated

    return Annotated(item.name.as_posix(), segmentation)


def overlay_file(target: str) -> Path:
    """Return where the overlay of a label map goes: `a.overlay.jpg` beside `a.png`."""
    return Path(target).with_suffix(".overlay.jpg")


def write_pictures(
    target: str,
    photo: "Photo",
    segmentation: "Segmentation",
    classes: "ClassList",
    *,
    overwrite: bool,
) -> None:
    """Write a label map, its JSON, and the photo with the segments laid over it."""
    import numpy as np

    from maskwright.formats.label_map import write_label_map
    from maskwright.formats.overlay import overlay
    from maskwright.image.colour import from_float, network_rgb
    from maskwright.image.io import write_image

    write_label_map(target, segmentation, overwrite=overwrite)
    rgb = from_float(network_rgb(photo), np.uint8)
    shown = overlay(rgb, segmentation, classes=classes)
    write_image(overlay_file(target), shown, overwrite=overwrite)


def tell(losses: "Sequence[Loss]") -> None:
    """Warn of the object that lost most by becoming polygons, if it is worth a line."""
    worst = max(losses, key=lambda loss: loss.iou_lost, default=None)
    if worst is not None and worst.iou_lost > TOLD_LOSS:
        count = sum(loss.iou_lost > TOLD_LOSS for loss in losses)
        _log.warning(
            "polygons are not the masks of %d objects; the worst is %s of %s, which lost %.1f %%"
            " of IoU",
            count,
            worst.category,
            worst.name,
            100 * worst.iou_lost,
        )
