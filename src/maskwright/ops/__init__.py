"""Operators: tensor to tensor, no parameters; what may get a faster kernel one day.

Start at `affinity.py` (A2U's reassembly and kernel generation); `deformable.py` is deformable
attention, `points.py` reads maps at points. Nothing here knows a network.
"""
