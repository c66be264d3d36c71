"""Scores over folders of files, as tables: what users get, measured as the benchmarks do.

Owns pairing files, scoring them item by item, and how the result is shown. Reaches models only
through what `inference` offers. Start at `run.py`.
"""
