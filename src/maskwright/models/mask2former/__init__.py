"""Mask2Former: what is in a photo, by queries that become masks and classes.

Cheng et al., "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR 2022.
Figure 2 network: `model.py:Mask2Former` · section 3.1 pixel decoder: `pixel_decoder.py`,
`ops/deformable.py` · 3.2 masked attention, queries: `decoder.py` · 3.3 losses on points: `loss.py`
· positions: `position.py` · other names of the weights: `convert.py`, `hub.py`, `starts.py`.
"""

from maskwright.models.mask2former.config import Config as Config
from maskwright.models.mask2former.convert import DROPPED as DROPPED
from maskwright.models.mask2former.convert import convert as convert
from maskwright.models.mask2former.convert import infer_config as infer_config
from maskwright.models.mask2former.model import build as build
