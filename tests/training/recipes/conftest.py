"""Recipes with few drawn pictures: drawing takes most of a second each."""

import pytest

from maskwright.data import embedded


@pytest.fixture(autouse=True)
def few_drawn_pictures(monkeypatch):
    monkeypatch.setattr(embedded, "DRAWN_SCENES", 2)
    monkeypatch.setattr(embedded, "HELD_OUT_DRAWN", 2)
