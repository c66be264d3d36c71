"""InterFormer: select by clicking; the photo is encoded once, each click runs a light decoder.

Paper: Huang et al., "InterFormer: Real-time Interactive Image Segmentation", ICCV 2023.
Section 3 network: `model.py:InterFormer`, encoder: `encoder.py`, `pyramid.py` · interactive
attention (I-MSA): `neck.py`, `attention.py` · zoom-in: `neck.py:Stage.sharpen` · head: `head.py` ·
training: `loss.py` · clicks, earlier masks and where to zoom in: `maskwright/data/reference.py` ·
ours: `mobile.py`, and the same decoder rewritten to answer fast: `quick.py`.
"""

from maskwright.models.interformer.config import Config as Config
from maskwright.models.interformer.convert import DROPPED as DROPPED
from maskwright.models.interformer.convert import convert as convert
from maskwright.models.interformer.convert import infer_config as infer_config
from maskwright.models.interformer.model import build as build
