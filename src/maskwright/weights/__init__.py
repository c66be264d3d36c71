"""Weights: which there are, where they come from, and how a file becomes a model.

Owns the catalogue, the cache folder, our file format and the conversion of official checkpoints.
The network is used in `download` and nowhere else. Start reading at `catalog.py`, then `load.py`.
"""
