"""The published scores: two arrays in, a number out.

Owns the definitions that benchmarks agree on, as functions of numpy arrays. Reads no file and
knows no model. Start at `matting.py`.
"""
