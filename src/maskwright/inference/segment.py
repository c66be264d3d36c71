"""What is in a photo: panoptic, instance and semantic segmentation with one network.

Cheng et al., "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR 2022,
arXiv:2112.01527. What becomes of the network's queries stands in `queries.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from maskwright.errors import UsageError, WeightsError
from maskwright.formats.classes import published_classes
from maskwright.image.colour import network_rgb
from maskwright.image.io import PhotoSource, read_photo
from maskwright.image.photo import Photo
from maskwright.image.resize import resize
from maskwright.inference.device import pick_device, pick_dtype
from maskwright.inference.enlarging import Sizes
from maskwright.inference.matte import DEVIATION, MEAN
from maskwright.inference.memory import reused_memory
from maskwright.inference.queries import (
    MOST_INSTANCES,
    OVERLAP,
    SCORE,
    Queries,
    instances,
    panoptic,
    semantic,
)
from maskwright.layers.conv import folded
from maskwright.models.mask2former.config import Config
from maskwright.models.mask2former.model import ALIGN_PX, Mask2Former
from maskwright.structures.class_list import ClassList
from maskwright.structures.segmentation import TASKS, Segmentation
from maskwright.weights.load import another_network, load_config, load_model

PAPER = "mask2former"
PUBLISHED = {133: "coco-panoptic", 80: "coco-instance", 150: "ade20k", 19: "cityscapes"}
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # of the usual size, averaged over


@dataclass(frozen=True)
class Thresholds:
    """What counts as found.

    Attributes:
        score: Panoptic: how sure of its class a segment must be. Instance: how sure of class and
            mask together; None is 0.8 and 0.
        overlap: Panoptic: which share of a segment's own mask must be left to it by others.
        most: Instance: how many objects at most.
    """

    score: float | None = None
    overlap: float = OVERLAP
    most: int = MOST_INSTANCES

    def __post_init__(self) -> None:
        for name in ("score", "overlap"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"the {name} threshold must lie in [0, 1], got {value}")
        if self.most < 1:
            raise UsageError(f"at least 1 object may be found at most, got {self.most}")


class Segmenter:
    """Segments photos with one network.

    Args:
        model: The network, with its weights.
        config: Its configuration.
        device: What to compute on: "auto", "cpu", "cuda", "cuda:1", "mps".
        dtype: What to compute in: "auto", "fp32", "bf16", "fp16".
        short_side_px: The network sees photos with a shorter side of so many pixels; None is what
            it was trained for.
    """

    def __init__(
        self,
        model: Mask2Former,
        config: Config,
        *,
        device: str = "auto",
        dtype: str = "auto",
        short_side_px: int | None = None,
    ) -> None:
        if short_side_px is not None and short_side_px < 1:
            raise UsageError(f"expected a shorter side of 1 pixel or more, got {short_side_px}")
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self.config = config
        self.classes = classes_of(config)
        self.short_side_px = short_side_px or config.short_side_px
        self._model = folded(model).requires_grad_(False).to(self.device, self.dtype)

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        short_side_px: int | None = None,
        commercial: bool = False,
        offline: bool = False,
    ) -> "Segmenter":
        """Return a segmenter with the weights of the catalogue, or of a file.

        Args:
            name: A name of the catalogue, or a safetensors file.
            device: See the class.
            dtype: See the class.
            short_side_px: See the class.
            commercial: Refuse weights that may not be used commercially.
            offline: Do not download weights.

        Raises:
            WeightsError: If the file is missing, damaged, or not of a segmenting network.
            LicenceError: If `commercial` and the terms forbid it.
            UsageError: If the name, the device or the dtype is unknown.
        """
        model, paper, config = load_model(name, commercial=commercial, offline=offline)
        if paper != PAPER or not isinstance(model, Mask2Former):
            raise another_network(name, paper, wanted="segmenting")
        return cls(model, config, device=device, dtype=dtype, short_side_px=short_side_px)

    def segment(
        self,
        image: PhotoSource,
        task: str = "panoptic",
        *,
        thresholds: Thresholds = Thresholds(),
        scales: Sequence[float] = (1.0,),
        mirrored: bool = False,
    ) -> Segmentation:
        """Return what is in a photo, at its full size.

        Args:
            image: A path, bytes, PIL image, array (h, w, 3) or `Photo`.
            task: "panoptic", "instance" or "semantic".
            thresholds: What counts as found.
            scales: Sizes at which the network looks at the photo, 1 being the usual; scores are
                averaged. More than one for the semantic task only.
            mirrored: Look at the mirrored photo too; for the semantic task only.

        Raises:
            ImageError: If the photo cannot be read.
            UsageError: If the task is unknown, the network was not trained for it, or several
                views are asked for where they cannot be averaged.
        """
        self._check(task, scales, mirrored=mirrored)
        photo = read_photo(image)
        with reused_memory():
            views = [
                view
                for scale in scales
                for is_mirrored in ((False, True) if mirrored else (False,))
                for view in self._look([photo], scale=scale, is_mirrored=is_mirrored)
            ]
            return self._found(views, task, thresholds)

    def segment_many(
        self,
        images: Iterable[PhotoSource],
        task: str = "panoptic",
        *,
        thresholds: Thresholds = Thresholds(),
        batch: int = 8,
    ) -> Iterator[Segmentation]:
        """Yield what is in each of several photos, in their order.

        Photos that follow each other and look equally large to the network go through it together;
        what is found is what `segment` finds.

        Args:
            images: As for `segment`.
            task: As for `segment`.
            thresholds: As for `segment`.
            batch: At most so many go together.

        Raises:
            ImageError: As for `segment`, when the photo's turn comes.
            UsageError: As for `segment`, or if the batch is below 1.
        """
        self._check(task, (1.0,), mirrored=False)
        if batch < 1:
            raise UsageError(f"a batch must hold 1 photo or more, got {batch}")
        return self._in_batches(images, task, thresholds, batch)

    def _in_batches(
        self, images: Iterable[PhotoSource], task: str, thresholds: Thresholds, batch: int
    ) -> Iterator[Segmentation]:
        together = list[Photo]()
        for image in images:
            try:
                photo = read_photo(image)
            except Exception:
                yield from self._found_in(together, task, thresholds)
                raise
            is_full = len(together) == batch
            if together and (is_full or self._seen(photo.size) != self._seen(together[0].size)):
                yield from self._found_in(together, task, thresholds)
                together = []
            together.append(photo)
        yield from self._found_in(together, task, thresholds)

    def _found_in(
        self, photos: Sequence[Photo], task: str, thresholds: Thresholds
    ) -> Iterator[Segmentation]:
        if not photos:
            return
        with reused_memory():
            for view in self._look(photos):
                yield self._found([view], task, thresholds)

    def _check(self, task: str, scales: Sequence[float], *, mirrored: bool) -> None:
        if task not in TASKS:
            raise UsageError(f"a task must be one of {', '.join(TASKS)}, got {task!r}")
        trained = self.config.task
        if trained != "panoptic" and task != trained:
            raise UsageError(
                f"this network was trained for {trained} segmentation alone, got the task {task!r};"
                f" use {trained!r}, or weights of a panoptic network"
            )
        if not scales or min(scales) <= 0:
            raise UsageError(f"scales must be one or more numbers above 0, got {list(scales)}")
        if task != "semantic" and (len(scales) > 1 or mirrored):
            raise UsageError(
                f"several views can be averaged for the task 'semantic' only, got {task!r};"
                " use one scale, not mirrored"
            )

    def _seen(self, size: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
        """Return the height and width at which the network sees a photo."""
        factor = min(
            self.short_side_px / min(size),
            max(self.config.long_side_px, self.short_side_px) / max(size),
        )
        height, width = (max(1, round(side * factor * scale)) for side in size)
        return height, width

    def _look(
        self, photos: Sequence[Photo], *, scale: float = 1.0, is_mirrored: bool = False
    ) -> list[Queries]:
        """Return what the network says of photos that it sees at the same size."""
        seen = self._seen(photos[0].size, scale)
        x = torch.stack([torch.from_numpy(network_input(photo, seen)) for photo in photos])
        if is_mirrored:
            x = x.clone()
            x[..., : seen[1]] = x[..., : seen[1]].flip(-1)
        with torch.inference_mode():
            found = self._model(x.to(self.device, self.dtype))
        padded = (x.shape[2], x.shape[3])
        views = []
        for photo, classes, masks in zip(
            photos, found.class_logits, found.mask_logits, strict=True
        ):
            sizes = Sizes((masks.shape[1], masks.shape[2]), padded, seen, photo.size)
            views.append(Queries(classes.float().cpu(), masks.float().cpu(), sizes, is_mirrored))
        return views

    def _found(self, views: Sequence[Queries], task: str, given: Thresholds) -> Segmentation:
        if task == "semantic":
            return semantic(views, self.classes, scores_first=self.config.task == "semantic")
        if task == "instance":
            return instances(
                views[0],
                self.classes,
                most=given.most,
                score_threshold=given.score or 0.0,
                things_only=self.config.task == "panoptic",
            )
        score = SCORE if given.score is None else given.score
        return panoptic(
            views[0], self.classes, score_threshold=score, overlap_threshold=given.overlap
        )


def load_classes(name: str | Path, *, commercial: bool = False, offline: bool = False) -> ClassList:
    """Return the classes that a segmenting network knows, without loading it.

    Args:
        name: A name of the catalogue, or a safetensors file.
        commercial: Refuse weights that may not be used commercially.
        offline: Do not download weights.

    Raises:
        WeightsError: If the file is missing, damaged, or not of a segmenting network.
        LicenceError: If `commercial` and the terms forbid it.
        UsageError: If the name is unknown.
    """
    paper, config = load_config(name, commercial=commercial, offline=offline)
    if paper != PAPER:
        raise another_network(name, paper, wanted="segmenting")
    return classes_of(config)


def classes_of(config: Config) -> ClassList:
    """Return the classes of a network: its own, or those of the published set with so many.

    Raises:
        WeightsError: If there are not as many names as classes.
    """
    if not config.names:
        if config.classes in PUBLISHED:
            return published_classes(PUBLISHED[config.classes])
        return ClassList(tuple(f"class {number}" for number in range(config.classes)))
    if len(config.names) != config.classes or len(config.things) not in {0, config.classes}:
        raise WeightsError(
            f"expected {config.classes} names of classes in the weights, got {len(config.names)};"
            " they are damaged"
        )
    return ClassList(config.names, config.things)


def network_input(
    photo: Photo, seen: tuple[int, int]
) -> Float32[np.ndarray, "3 padded_h padded_w"]:
    """Return normalised RGB, filled up with zeros at the right and at the bottom to 32s.

    Args:
        photo: The photo.
        seen: Height and width at which the network sees it.
    """
    rgb = network_rgb(replace(photo, pixels=resize(photo.pixels, seen), alpha=None))
    height, width = (-(-side // ALIGN_PX) * ALIGN_PX for side in seen)
    x = np.zeros((3, height, width), np.float32)
    x[:, : seen[0], : seen[1]] = ((rgb - MEAN) / DEVIATION).transpose(2, 0, 1)
    return x
