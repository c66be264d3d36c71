"""Annotation files, read and written: COCO, panoptic maps, labelme, YOLO, palettes; no torch.

Owns the layouts of other tools' files and the lists of classes. A file that does not hold what
it should is refused, by its name and the object's; files are written whole or not at all.
Start reading at `annotated.py`, then `coco.py`; every format is one file beside it.
"""
