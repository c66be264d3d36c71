"""Training: one readable loop on accelerate, and recipes that say what it runs.

A recipe is a Python file under `recipes/` (or anywhere) with frozen `Settings` and a function
`job(settings)`. Start at `loop.py`, then read a recipe.
"""
