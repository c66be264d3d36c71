"""Answering by ONNX Runtime, where a decoder was exported into the cache folder beforehand.

`maskwright export NAME --to onnx --cache` puts it there. It is used only for the very weights it
was made of, and only after it has answered a first click of the photo at hand as PyTorch did.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from maskwright.inference.export import Size, as_inputs
from maskwright.models.interformer.quick import Prepared
from maskwright.weights.download import cache_folder
from maskwright.weights.onnx import MOST_DIFFERENCE, largest_difference, open_session

SIZES_KEPT = 2  # a session holds the weights and its working memory
Margins = Float32[np.ndarray, "object rows columns"]

log = logging.getLogger("maskwright")


def decoder_path(weights: str, size: Size) -> Path:
    """Return where the cache folder has the exported decoder of a network.

    Args:
        weights: `hash_weights` of the network.
        size: Height and width of its reference maps.
    """
    return cache_folder() / "onnx" / f"{weights[:32]}-{size[0]}x{size[1]}.onnx"


class ExportedDecoder:
    """A decoder's file, opened.

    Args:
        path: The file.
        weights: The network's hash.
        size: Height and width of the reference maps.

    Raises:
        MissingExtraError: If ONNX Runtime is not installed.
        WeightsError: If the file is damaged.
        ValueError: If it is of other weights, or made for another size.
    """

    def __init__(self, path: Path, *, weights: str, size: Size) -> None:
        self._session = open_session(path, threads=torch.get_num_threads())
        said = self._session.get_modelmeta().custom_metadata_map
        if said.get("maskwright.weights") != weights:
            raise ValueError(f"{path.name} is of other weights")
        wanted = [1, 1, *size]
        if {x.name: x.shape for x in self._session.get_inputs()}.get("reference") != wanted:
            raise ValueError(f"{path.name} is made for another size")
        self._last: tuple[Prepared, dict[str, Any]] | None = None

    def margins(
        self, prepared: Prepared, references: UInt8[np.ndarray, "object height width"]
    ) -> Margins:
        """Return the margins of several objects; see `QuickDecoder.margin`."""
        last = self._last  # another thread may put another photo there
        if last is None or last[0] is not prepared:
            last = prepared, {name: x.numpy() for name, x in as_inputs(prepared).items()}
            self._last = last
        answers = [
            self._session.run(["margin"], {"reference": reference[None, None], **last[1]})[0]
            for reference in references
        ]
        return np.concatenate(answers)[:, 0]


class ExportedDecoders:
    """The exported decoders of one network, by size.

    Args:
        weights: The network's hash.
    """

    def __init__(self, weights: str) -> None:
        self.weights = weights
        self._opened: dict[Size, ExportedDecoder | None] = {}

    def margins(
        self,
        prepared: Prepared,
        references: UInt8[np.ndarray, "object height width"],
        plain: Callable[[], Margins],
    ) -> Margins:
        """Return the margins of an exported decoder, or else PyTorch's.

        Args:
            prepared: Of the photo.
            references: One map for each object.
            plain: Asks PyTorch.
        """
        size = (references.shape[1], references.shape[2])
        if size not in self._opened:
            expected = plain()
            self._keep(size, self._proven(prepared, references, expected))
            return expected
        decoder = self._opened.get(size)
        return plain() if decoder is None else decoder.margins(prepared, references)

    def _proven(
        self, prepared: Prepared, references: UInt8[np.ndarray, "_ _ _"], expected: Margins
    ) -> ExportedDecoder | None:
        """Return the decoder of a size, if there is one and it answers as expected."""
        size = (references.shape[1], references.shape[2])
        path = decoder_path(self.weights, size)
        if not path.is_file():
            return None
        try:
            decoder = ExportedDecoder(path, weights=self.weights, size=size)
            difference = largest_difference([decoder.margins(prepared, references)], [expected])
        except Exception as error:  # of many kinds; whatever it is, PyTorch answers
            log.info("clicks are answered by PyTorch: %s", error)
            return None
        if not difference <= MOST_DIFFERENCE:
            log.info("clicks are answered by PyTorch: %s differs by %.1e", path.name, difference)
            return None
        log.info("clicks are answered by ONNX Runtime: %s", path.name)
        return decoder

    def _keep(self, size: Size, decoder: ExportedDecoder | None) -> None:
        if len(self._opened) >= SIZES_KEPT:
            self._opened.pop(next(iter(self._opened)), None)
        self._opened[size] = decoder
