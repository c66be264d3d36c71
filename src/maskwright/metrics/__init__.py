"""The published scores: two arrays, or two segmentations, in; numbers out.

Owns the definitions that benchmarks agree on, as functions of numpy arrays, or counts over
photos that are added up. Reads no file and knows no model. Start at `matting.py`.
"""
