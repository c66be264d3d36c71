"""Selecting by clicks: a photo is encoded once, then every click is answered at once.

After Huang et al., "InterFormer: Real-time Interactive Image Segmentation", ICCV 2023,
arXiv:2304.02942. The state of a dialogue is the reference map of `data/reference.py`; it lives in
the answers, so that an earlier answer is the dialogue as it was then.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from maskwright.data.reference import unknown_map, with_prediction
from maskwright.errors import UsageError
from maskwright.image.io import DEFAULT_MAX_PIXELS, PhotoSource, read_mask, read_photo
from maskwright.inference.answer import Answer as Answer
from maskwright.inference.device import pick_device, pick_dtype, pick_encoding_dtype
from maskwright.inference.enlarge import enlarged_mask
from maskwright.inference.exported import ExportedDecoders
from maskwright.inference.features import ImageFeatures, hash_image, hash_weights
from maskwright.inference.memory import reused_memory
from maskwright.inference.prompt import Prompt as Prompt
from maskwright.inference.prompt import Told, tell
from maskwright.inference.scale import scale_for
from maskwright.layers.conv import folded
from maskwright.models.interformer.config import Config
from maskwright.models.interformer.model import InterFormer
from maskwright.models.interformer.quick import Prepared, QuickDecoder
from maskwright.structures.box import Box
from maskwright.structures.click import Click
from maskwright.structures.scribble import Scribble
from maskwright.weights.load import another_network, load_model

# Most pixels that a network sees of a photo, by its encoder; 4:3 is 1024 x 768 and 512 x 384. The
# small network learned from crops of 320: larger photos take it more clicks.
MOST_PX = {"vit": 1024 * 768, "mobilenetv2": 512 * 384}
PAPER = "interformer"


class Clicker:
    """Selects objects with one network.

    Args:
        model: The network, with its weights.
        config: Its configuration.
        device: What to compute on: "auto", "cpu", "cuda", "cuda:1", "mps".
        dtype: What to encode in: "auto", "fp32", "bf16", "fp16"; clicks are answered in fp32.
        most_px: Photos are shrunk to about so many pixels for the network; None is `MOST_PX`.
    """

    def __init__(
        self,
        model: InterFormer,
        config: Config,
        *,
        device: str = "auto",
        dtype: str = "auto",
        most_px: int | None = None,
    ) -> None:
        if most_px is not None and most_px < 1:
            raise UsageError(f"expected 1 pixel or more to see, got {most_px}; leave it out")
        self.device = pick_device(device)
        # Batch 1 and few channels: MobileNetV2 gains nothing from bf16.
        pick = pick_encoding_dtype if config.encoder == "vit" else pick_dtype
        self.dtype = pick(dtype, self.device)
        self.most_px = most_px or MOST_PX[config.encoder]
        self.weights = hash_weights(model, config)
        self._refines = any(config.refine)
        self._decoder = QuickDecoder(model).to(self.device)
        # Exported decoders know no regions, and no other device.
        may_export = self.device.type == "cpu" and not self._refines
        self._exported = ExportedDecoders(self.weights) if may_export else None
        self._model = folded(model).requires_grad_(False).to(self.device, self.dtype)
        self._last: tuple[ImageFeatures, Prepared] | None = None

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        most_px: int | None = None,
        commercial: bool = False,
        offline: bool = False,
    ) -> "Clicker":
        """Return a clicker with the weights of the catalogue, or of a file.

        Args:
            name: A name of the catalogue, or a safetensors file.
            device: See the class.
            dtype: See the class.
            most_px: See the class.
            commercial: Refuse weights that may not be used commercially.
            offline: Do not download weights.

        Raises:
            WeightsError: If the file is missing, damaged, or not of a clicking network.
            LicenceError: If `commercial` and the terms forbid it.
            UsageError: If the name, the device or the dtype is unknown.
        """
        model, paper, config = load_model(name, commercial=commercial, offline=offline)
        if paper != PAPER or not isinstance(model, InterFormer):
            raise another_network(name, paper, wanted="clicking")
        return cls(model, config, device=device, dtype=dtype, most_px=most_px)

    def encode(self, image: PhotoSource) -> ImageFeatures:
        """Return what clicking needs of a photo; the heavy part, done once.

        Args:
            image: A path, bytes, PIL image, array (h, w, 3) or `Photo`.

        Raises:
            ImageError: If the photo cannot be read.
            FeaturesError: If values overflow, as can happen with fp16.
        """
        photo = read_photo(image)
        scale = scale_for(photo.size, self.most_px)
        with reused_memory(), torch.inference_mode():
            x = scale.image(photo).to(self.device, self.dtype)
            maps = [x.float() for x in self._model.encode(x)]
            prepared = self._decoder.prepare(maps)
        return ImageFeatures(
            scale=scale,
            image=hash_image(photo),
            weights=self.weights,
            maps=tuple(map(_kept, maps)),
            read=tuple((_kept(key), _kept(value)) for key, value in prepared.read),
        )

    def start(self, features: ImageFeatures, mask: PhotoSource) -> Answer:
        """Return a mask from elsewhere as an answer, to go on from with clicks.

        Args:
            features: Of the photo.
            mask: A picture, white on the object, or an array (h, w) of bool, of the photo's size.

        Raises:
            TrimapError: If it has another size, or is no mask.
            ImageError: If it cannot be read.
        """
        height, width = features.size  # whose photo was read: its mask may be as large
        limit = max(DEFAULT_MAX_PIXELS, height * width)
        given = read_mask(mask, features.size, max_pixels=limit)
        scale = features.scale
        reference = with_prediction(unknown_map(scale.padded), scale.mask(given))
        return Answer(features.image, scale, reference, given=given)

    def answer(
        self,
        features: ImageFeatures,
        clicks: Sequence[Click] = (),
        previous: Answer | None = None,
        *,
        box: Box | None = None,
        scribbles: Sequence[Scribble] = (),
    ) -> Answer:
        """Return the answer to what is new: the mask of one object.

        Args:
            features: Of the photo.
            clicks: The new clicks only, in their order; where disks meet, the newest wins.
            previous: The answer so far; an earlier one undoes what came after it. None begins
                anew.
            box: Around the object.
            scribbles: Lines on it or beside it.

        Raises:
            UsageError: If there is nothing new, it lies outside the photo, or the answer so far
                is about another photo.
            FeaturesError: If the features were made with other weights.
        """
        prompt = Prompt(tuple(clicks), previous, box, tuple(scribbles))
        return self.answer_many(features, [prompt])[0]

    def answer_many(self, features: ImageFeatures, prompts: Sequence[Prompt]) -> list[Answer]:
        """Return the answers about several objects of one photo, made in one batch.

        Args:
            features: Of the photo.
            prompts: What is new about each object.

        Raises:
            UsageError: As for `answer`.
            FeaturesError: As for `answer`.
        """
        started = time.perf_counter()
        features.check_weights(self.weights)
        if not prompts:
            return []
        told = [tell(features, prompt) for prompt in prompts]
        margins = self._margins(features, told)
        milliseconds = (time.perf_counter() - started) * 1000
        scale = features.scale
        return [
            Answer(
                features.image,
                scale,
                _moved(one.reference, margin),
                margin=margin,
                clicks=one.clicks,
                milliseconds=milliseconds,
            )
            for one, margin in zip(told, margins, strict=True)
        ]

    def _margins(
        self, features: ImageFeatures, told: Sequence[Told]
    ) -> Float32[np.ndarray, "object rows columns"]:
        prepared = self._prepare(features)
        references = np.stack([one.reference for one in told])
        if self._exported is not None:
            return self._exported.margins(
                prepared, references, lambda: self._plain_margins(prepared, references)
            )
        regions = [one.region(features.scale) for one in told] if self._refines else None
        return self._plain_margins(prepared, references, regions)

    def _plain_margins(
        self,
        prepared: Prepared,
        references: UInt8[np.ndarray, "object height width"],
        regions: Sequence[Box] | None = None,
    ) -> Float32[np.ndarray, "object rows columns"]:
        reference = torch.from_numpy(references)[:, None].to(self.device)
        with reused_memory(), torch.inference_mode():
            margins: Tensor = self._decoder.margin(prepared, reference, regions=regions)[:, 0]
        return margins.cpu().numpy()

    def _prepare(self, features: ImageFeatures) -> Prepared:
        """Return the features as the decoder takes them; those of the last photo are kept."""
        last = self._last  # another thread may put another photo there
        if last is not None and last[0] is features:
            return last[1]
        largest, *pairs = (self._wide(x) for x in (features.maps[0], *_flat(features.read)))
        read = tuple(zip(pairs[::2], pairs[1::2], strict=True))
        prepared = Prepared(largest[0].permute(1, 2, 0).contiguous(), read)
        self._last = features, prepared
        return prepared

    def _wide(self, x: Tensor) -> Tensor:
        return x.to(self.device, torch.float32)


def _kept(x: Tensor) -> Tensor:
    return x.to("cpu", torch.float16).clone(memory_format=torch.contiguous_format)


def _flat(pairs: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    return [x for pair in pairs for x in pair]


def _moved(
    reference: UInt8[np.ndarray, "height width"], margin: Float32[np.ndarray, "rows columns"]
) -> UInt8[np.ndarray, "height width"]:
    size = reference.shape[0], reference.shape[1]
    return with_prediction(reference, enlarged_mask(margin, size, seen=size))
