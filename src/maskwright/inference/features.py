"""An encoded photo: what clicking needs of it, in memory or in one safetensors file.

Encoding is the heavy part and can be done beforehand, on another machine. A file says of which
pixels and with which weights it was made, so that it never answers for another photo.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from maskwright.errors import FeaturesError
from maskwright.image.io import PhotoSource, read_photo
from maskwright.image.photo import Photo
from maskwright.image.publish import atomic_write
from maskwright.image.source import display_name
from maskwright.inference.scale import Scale
from maskwright.models.interformer.neck import STRIDES

FORMAT = 1  # raised when files of before cannot be read any more
METADATA = "maskwright.features"


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """A photo as InterFormer's encoder sees it.

    Attributes:
        scale: Size of the upright photo, and the size at which it was seen.
        image: `hash_image` of the photo.
        weights: `hash_weights` of the network.
        maps: The pyramid at strides 4, 8, 16 and 32, fp16 (1, channel, height, width).
        read: Keys and values of the first block of each stage, fp16 (1, head, token, channel).

    Raises:
        FeaturesError: If a tensor is of another kind or size, or has values that are not finite.
    """

    scale: Scale
    image: str
    weights: str
    maps: tuple[Tensor, ...]
    read: tuple[tuple[Tensor, Tensor], ...]

    def __post_init__(self) -> None:
        sides = [(1, *(side // stride for side in self.scale.padded)) for stride in STRIDES]
        found = [(x.shape[0], *x.shape[2:]) for x in self.maps if x.ndim == 4]
        if found != sides or len(self.read) != len(STRIDES):
            raise FeaturesError(
                f"features of {self.scale.seen} pixels need four maps of {sides} and their keys"
                f" and values, got maps of {found} and {len(self.read)}; encode the photo again"
            )
        if not all(x.dtype == torch.float16 and x.isfinite().all() for x in self.tensors.values()):
            raise FeaturesError(
                "features must be fp16 and finite, got others; encode the photo again, with fp32"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the upright photo."""
        return self.scale.size

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All tensors by the names they have in a file."""
        named = {f"map.{index}": x for index, x in enumerate(self.maps)}
        for index, (key, value) in enumerate(self.read):
            named |= {f"key.{index}": key, f"value.{index}": value}
        return named

    @property
    def bytes(self) -> int:
        """Memory that the tensors take; a file is hardly larger."""
        return sum(x.nbytes for x in self.tensors.values())

    def check_image(self, image: PhotoSource) -> None:
        """Check that the features are those of a photo.

        Raises:
            FeaturesError: If they were made of other pixels.
            ImageError: If the photo cannot be read.
        """
        photo = read_photo(image)
        if photo.size != self.size:
            raise FeaturesError(
                f"{photo.source}: expected the photo that was encoded, {self.size[1]} x"
                f" {self.size[0]}, got {photo.size[1]} x {photo.size[0]}; encode this one"
            )
        if hash_image(photo) != self.image:
            raise FeaturesError(
                f"{photo.source}: expected the photo that was encoded, got other pixels;"
                " encode this one"
            )

    def check_weights(self, weights: str) -> None:
        """Check that the features were made with the weights of this hash.

        Raises:
            FeaturesError: Otherwise.
        """
        if weights != self.weights:
            raise FeaturesError(
                f"expected features made with these weights ({weights[:12]}…), got those of others"
                f" ({self.weights[:12]}…); encode the photo again, or use the same weights"
            )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one safetensors file, which replaces an older one; returns the path.

        It appears whole or not at all.

        Raises:
            OutputError: If it cannot be written.
        """
        with atomic_write(path, overwrite=True) as file:
            file.write(as_file(self))
        return Path(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "ImageFeatures":
        """Return the features of a file that `save` wrote.

        Raises:
            FeaturesError: If the file is missing, cut off, damaged or of another kind.
        """
        tensors, said = _read(path)
        try:
            return cls(
                scale=Scale(_size(said["size"]), _size(said["seen"])),
                image=str(said["image"]),
                weights=str(said["weights"]),
                maps=tuple(tensors[f"map.{index}"] for index in range(len(STRIDES))),
                read=tuple(
                    (tensors[f"key.{index}"], tensors[f"value.{index}"])
                    for index in range(len(STRIDES))
                ),
            )
        except (KeyError, TypeError, ValueError) as error:  # FeaturesError is a ValueError
            problem = error if isinstance(error, FeaturesError) else f"lacks or garbles {error}"
            raise FeaturesError(f"{display_name(path)}: {problem}") from error


def as_file(features: ImageFeatures) -> bytes:
    """Return the content of the file that `ImageFeatures.save` writes."""
    tensors = {name: x.contiguous() for name, x in features.tensors.items()}
    said = {
        "format": FORMAT,
        "size": features.scale.size,
        "seen": features.scale.seen,
        "image": features.image,
        "weights": features.weights,
        "checksum": _checksum(tensors),
    }
    return bytes(save(tensors, {METADATA: json.dumps(said)}))


def hash_image(photo: Photo) -> str:
    """Return the sha256, in hexadecimal, of a photo's upright pixels, their type and profile."""
    digest = hashlib.sha256(f"{photo.pixels.shape} {photo.pixels.dtype.str}".encode())
    digest.update(photo.icc_profile or b"")
    digest.update(np.ascontiguousarray(photo.pixels).data)
    return digest.hexdigest()


def hash_weights(model: nn.Module, config: Any) -> str:
    """Return the sha256, in hexadecimal, of a network's configuration and parameters."""
    digest = hashlib.sha256(repr(config).encode())
    digest.update(_checksum(model.state_dict()).encode())
    return digest.hexdigest()


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        x = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {x.dtype} {tuple(x.shape)}".encode())
        digest.update(x.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a file, and what it says about them, once both are whole."""
    name = display_name(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            metadata = file.metadata() or {}
    except FileNotFoundError as error:
        raise FeaturesError(f"{name}: there is no such features file; check the path") from error
    except (SafetensorError, OSError) as error:
        raise FeaturesError(
            f"{name}: expected a features file, got one that is cut off, damaged or of another"
            f" kind ({error}); encode the photo again"
        ) from error
    try:
        said = json.loads(metadata[METADATA])
        is_known, checksum = said["format"] == FORMAT, said["checksum"]
    except (KeyError, TypeError, ValueError) as error:
        raise FeaturesError(
            f"{name}: expected a features file, got a safetensors file of another kind;"
            " encode the photo to make one"
        ) from error
    if not is_known:
        raise FeaturesError(
            f"{name}: expected features of format {FORMAT}, got {said['format']!r};"
            " encode the photo again with this version"
        )
    if checksum != _checksum(tensors):
        raise FeaturesError(
            f"{name}: expected the values that were written, got others; the file is damaged,"
            " encode the photo again"
        )
    return tensors, said


def _size(said: Any) -> tuple[int, int]:
    height, width = (int(length) for length in said)
    if min(height, width) < 1:
        raise ValueError(f"a size of {height} x {width}")
    return height, width
