"""The command line: one file per group of verbs.

Modules here import nothing heavy at the top: `--help`, `models list` and wrong use have to answer
at once, so numpy, OpenCV and torch are imported inside the functions that need them. Verbs return
their exit code; errors are raised and `main.py` turns them into one line and a code.
Start reading at `main.py`, then `matte.py`.
"""
