"""Folders of photos and of label pictures: one's own, CamVid's, and others of this form."""

import logging
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from maskwright.data.ground_truth import Labels, TruthSet, each, files_by_name, paired
from maskwright.errors import DataError
from maskwright.formats.palette import read_class_map
from maskwright.image.source import SUFFIXES, display_name
from maskwright.structures.class_list import ClassList
from maskwright.structures.segmentation import VOID

log = logging.getLogger(__name__)
_LABELS = (".png", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class LabelFiles:
    """Label pictures in order.

    Attributes:
        files: Their paths.
        classes: Which number is which class.
        may_be_void: As for `read_class_map`.
    """

    files: tuple[Path, ...]
    classes: ClassList
    may_be_void: bool = False

    def read(self, index: int) -> Labels:
        """Return the classes of one, 255 where it is void; see `read_class_map`."""
        return read_class_map(self.files[index], classes=self.classes, may_be_void=self.may_be_void)


def label_folder(
    images: Path, labels: Path, classes: ClassList, *, may_be_void: bool = False
) -> TruthSet:
    """Return photos with label pictures of their names, whatever the suffix; folders within both.

    Values are those of the class list, 255 is void. In many sets, as in SegNet's CamVid, so is
    the number after the last class: it is read as void, with a warning, if nothing else fits.

    Args:
        images: Folder of photos.
        labels: Folder of label pictures.
        classes: Which number is which class.
        may_be_void: As for `read_class_map`.

    Raises:
        DataError: If a folder is empty, or a photo or labels lack their partner; names them.
    """
    photos, files = paired(files_by_name(images, SUFFIXES), files_by_name(labels, _LABELS))
    strict = LabelFiles(files, classes, may_be_void)
    return TruthSet("semantic", classes, photos, _Lenient(strict).read, each(files))


@dataclass(frozen=True)
class _Lenient:
    """Label pictures whose void may be the number after the last class."""

    strict: LabelFiles

    def read(self, index: int) -> Labels:
        strict, classes = self.strict, self.strict.classes
        after = len(classes)
        if classes.numbers != tuple(range(after)) or after >= VOID:
            return strict.read(index)
        try:
            return strict.read(index)
        except DataError:
            wider = replace(classes, void=(*classes.void, after))
            try:
                found = replace(strict, classes=wider).read(index)
            except DataError:
                found = None
            if found is None:
                raise
        _warn_once(strict.files[index].parent, after)
        return found


@cache
def _warn_once(folder: Path, number: int) -> None:
    log.warning(
        "%s: reading %d, the number after the last class, as void; a line 'void' at the end of the"
        " list of classes says so",
        display_name(folder),
        number,
    )
