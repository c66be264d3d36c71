"""Training and test data: folders read, samples composed, foregrounds drawn.

Owns: dataset layouts, augmentations in the papers' order, procedural foregrounds, the samplers
that make a run repeatable. May not: know a model or a loss. Start with `augmentation`.
"""
