"""What long work over many files needs to stop at any moment and go on where it was.

The manifest remembers what became of each item; results take their names whole or not at all.
Nothing here knows what the work is. Start reading at `manifest.py`.
"""
