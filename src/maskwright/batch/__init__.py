"""Folders of photos: many items through the same networks, stopped and resumed at any moment.

An operation (`operations.py`) is decode → infer → encode. `pipeline.py` overlaps the three, codecs
in processes of their own; `run.py` holds the manifest and lets an engine do the work: `local.py`
here, `ray.py` on machines that Ray connects. Places of files are `places.py`; `store.py` keeps
encoded photos for clicking. Modules that codec processes import load no torch at the top.
Start reading at `run.py`.
"""
