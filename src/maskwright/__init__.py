"""Maskwright: photos in; masks, soft mattes and clean cut-outs out.

Names are looked up on first use, so that `import maskwright` loads no torch.
Start reading at `inference/matte.py` or `inference/click.py`; parts stand in the order in which
data flows.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskwright.image.trimap import trimap_from_mask as trimap_from_mask
    from maskwright.inference.click import Clicker as Clicker
    from maskwright.inference.cutout import cut_out as cut_out
    from maskwright.inference.features import ImageFeatures as ImageFeatures
    from maskwright.inference.matte import Matter as Matter
    from maskwright.inference.segment import Segmenter as Segmenter
    from maskwright.structures.box import Box as Box
    from maskwright.structures.click import Click as Click
    from maskwright.structures.cutout import Cutout as Cutout
    from maskwright.structures.matte import Matte as Matte
    from maskwright.structures.segment import Segment as Segment
    from maskwright.structures.segmentation import Segmentation as Segmentation
    from maskwright.structures.trimap import Trimap as Trimap
    from maskwright.weights.catalog import list_weights as list_weights

__version__ = "0.1.0"

_HOME = {
    "Box": "maskwright.structures.box",
    "Click": "maskwright.structures.click",
    "Clicker": "maskwright.inference.click",
    "Cutout": "maskwright.structures.cutout",
    "ImageFeatures": "maskwright.inference.features",
    "Matte": "maskwright.structures.matte",
    "Matter": "maskwright.inference.matte",
    "Segment": "maskwright.structures.segment",
    "Segmentation": "maskwright.structures.segmentation",
    "Segmenter": "maskwright.inference.segment",
    "Trimap": "maskwright.structures.trimap",
    "cut_out": "maskwright.inference.cutout",
    "list_weights": "maskwright.weights.catalog",
    "trimap_from_mask": "maskwright.image.trimap",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'maskwright' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
