"""A2U matting: kernels for up- and down-sampling generated from affinity.

Paper: Dai, Lu, Shen, "Learning Affinity-Aware Upsampling for Deep Image Matting", CVPR 2021.
Section 3.1: `ops/affinity.py:reassemble_up, reassemble_down` · 3.2, 3.3: `kernels.py` ·
4 network: `model.py`, `encoder.py`, `decoder.py` · 4.2 losses: `loss.py` ·
image reconstruction: `reconstruction.py`, `samplers.py` · ours, not the paper's: `compact.py`,
`unknown.py`, `layers/hints.py`.
"""

from maskwright.models.a2u.config import Config as Config
from maskwright.models.a2u.convert import DROPPED as DROPPED
from maskwright.models.a2u.convert import convert as convert
from maskwright.models.a2u.convert import infer_config as infer_config
from maskwright.models.a2u.model import build as build
