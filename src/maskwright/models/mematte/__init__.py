"""MEMatte: matting of large photos; routers choose the tokens that attend globally.

Paper: Lin et al., "Memory Efficient Matting with Adaptive Token Routing", AAAI 2025.
Section 3.1 network: `model.py:MemoryEfficientMatting`, `encoder.py`, `decoder.py` ·
3.2 router: `router.py:Router, choose`, `attention.py:attend_masked` · LTRM: `refinement.py` ·
3.3 BATR: `encoder.py:RoutedBlock.train_routing`, `loss.py:budget_loss` · losses: `loss.py` ·
teacher (ViTMatte): `build(Config(routed=False))` · ours: `limits.py`, `tiles.py`.
"""

from maskwright.models.mematte.config import Config as Config
from maskwright.models.mematte.convert import DROPPED as DROPPED
from maskwright.models.mematte.convert import convert as convert
from maskwright.models.mematte.convert import infer_config as infer_config
from maskwright.models.mematte.limits import Limits as Limits
from maskwright.models.mematte.model import build as build
