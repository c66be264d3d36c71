"""The nouns that pass between the parts: frozen, checked on construction, numpy only.

Owns what a click, a box, a trimap, a segmentation, a list of classes, a matte and a cut-out are,
and COCO's run-length code.
Does no image processing, reads and writes no files. Sizes are (height, width), points (x, y).
Start reading at `trimap.py`.
"""
