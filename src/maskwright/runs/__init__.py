"""Runs: how results come to lie on disk, whole or not at all.

Owns atomic publishing of files; knows nothing of images, networks or the command line.
Start reading at `publish.py`.
"""
