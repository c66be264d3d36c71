"""Models named on the command line: checked at once, loaded when first needed."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from maskwright.errors import UsageError
from maskwright.weights.catalog import check_commercial, find_weight

if TYPE_CHECKING:
    from maskwright.inference.click import Clicker
    from maskwright.inference.matte import Matter
    from maskwright.inference.segment import Segmenter


def open_matter(
    model: str,
    device: str,
    dtype: str,
    *,
    max_memory: str | None,
    commercial: bool,
    offline: bool,
) -> Callable[[], "Matter"]:
    """Return what loads the model when first called; name and terms are checked at once."""
    check_model(model, commercial=commercial)

    @cache
    def load() -> "Matter":
        from maskwright.inference.matte import Matter

        return Matter.load(
            model,
            device=device,
            dtype=dtype,
            max_memory=max_memory,
            commercial=commercial,
            offline=offline,
        )

    return load


def check_model(model: str, *, commercial: bool) -> None:
    """Check, before anything is loaded, that a model exists and may be used.

    Raises:
        UsageError: If the name is unknown, or there is no such file.
        LicenceError: If `commercial` and the terms forbid it.
    """
    if not model.endswith(".safetensors") and not Path(model).is_file():
        row = find_weight(model)
        if commercial:
            check_commercial(row)
    elif not Path(model).is_file():
        raise UsageError(f"expected weights, there is no file {model}; check the path")


def open_clicker(
    model: str,
    device: str,
    dtype: str,
    *,
    most_px: int | None = None,
    commercial: bool,
    offline: bool,
) -> Callable[[], "Clicker"]:
    """Return what loads the model when first called; name and terms are checked at once."""
    check_model(model, commercial=commercial)

    @cache
    def load() -> "Clicker":
        from maskwright.inference.click import Clicker

        return Clicker.load(
            model,
            device=device,
            dtype=dtype,
            most_px=most_px,
            commercial=commercial,
            offline=offline,
        )

    return load


def open_segmenter(
    model: str,
    device: str,
    dtype: str,
    *,
    short_side_px: int | None = None,
    commercial: bool,
    offline: bool,
) -> Callable[[], "Segmenter"]:
    """Return what loads the model when first called; name and terms are checked at once."""
    check_model(model, commercial=commercial)

    @cache
    def load() -> "Segmenter":
        from maskwright.inference.segment import Segmenter

        return Segmenter.load(
            model,
            device=device,
            dtype=dtype,
            short_side_px=short_side_px,
            commercial=commercial,
            offline=offline,
        )

    return load
