"""Layers that two papers or more use, and published backbones.

Plain `nn.Module`s that take numbers, not configurations. Start at `conv.py`; `norm.py` holds the
normalisations, `mobilenet.py`, `resnet.py` and `swin.py` the backbones.
"""
