"""Photos and masks between files and arrays, and the arithmetic of pixels; no torch.

Owns reading and writing (`io`), sizes (`resize`), colour (`colour`), trimaps, foreground
colours, compositing, polygons, and files that appear whole or not at all (`publish`).
Start reading at `io.py`; every format is one file beside it.
"""
