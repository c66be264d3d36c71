"""Inference: numpy in, structures out; one file per task, not per paper.

May not: train, print, read settings of the environment. Start at `matte.py` or `click.py`;
`tiles.py` cuts large photos so that the pieces equal the whole, `scale.py` shrinks them,
`memory.py` keeps a budget, `device.py` picks hardware.
"""
