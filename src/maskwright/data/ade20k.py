"""ADE20K, the 150 classes of the scene parsing challenge.

Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017. Label pictures hold 1 to 150, 0 is
void. The panoptic and instance files are those that Mask2Former's and Detectron2's preparation
writes, in COCO's forms.
"""

from pathlib import Path

from maskwright.data.coco import coco_file
from maskwright.data.ground_truth import TruthSet, each, files_by_name, paired
from maskwright.data.semantic import LabelFiles
from maskwright.errors import UsageError
from maskwright.formats.classes import published_classes
from maskwright.image.source import SUFFIXES

SPLITS = {"training": "train", "validation": "val"}


def ade20k_folder(root: Path, split: str = "validation", *, task: str = "semantic") -> TruthSet:
    """Return a part of ADE20K.

    Args:
        root: `ADEChallengeData2016`, with `images` and `annotations`; for panoptic with
            `ade20k_panoptic_val.json` and the folder of its name; for instances with
            `ade20k_instance_val.json`, whose own 100 classes count.
        split: "training" or "validation".
        task: "semantic", "panoptic" or "instance".

    Raises:
        DataError: If a folder or file is missing, or a photo or labels lack their partner.
        UsageError: If split or task is unknown.
    """
    if split not in SPLITS:
        raise UsageError(f"a split must be one of {', '.join(SPLITS)}, got {split!r}")
    images, classes = root / "images" / split, published_classes("ade20k")
    if task != "semantic":
        file = root / f"ade20k_{task}_{SPLITS[split]}.json"
        wanted = classes if task == "panoptic" else None
        return coco_file(file, images, task=task, classes=wanted, is_lenient=True)
    labels = files_by_name(root / "annotations" / split, (".png",))
    photos, files = paired(files_by_name(images, SUFFIXES), labels)
    return TruthSet(task, classes, photos, LabelFiles(files, classes).read, each(files))
