"""The verb `train`: run a recipe."""

from importlib.util import find_spec
from typing import Annotated

import typer

from maskwright.cli import flags
from maskwright.cli.progress import DONE
from maskwright.errors import MissingExtraError, UsageError


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe's name, or a Python file.")
    ],
    *,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated."),
    ] = None,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Train a network by a recipe.

    A run that was interrupted goes on where it stopped.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    changes = parse_settings(overrides or [])
    if find_spec("accelerate") is None:
        raise MissingExtraError("training needs accelerate; pip install 'maskwright[train]'")
    from maskwright.training import loop

    loop.run(recipe, changes)
    return DONE


def parse_settings(texts: list[str]) -> dict[str, str]:
    """Return the settings of `--set key=value`, as text.

    Raises:
        UsageError: If one has no "=", or a key comes twice.
    """
    settings: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--set must be KEY=VALUE, got {text!r}")
        if key in settings:
            raise UsageError(f"--set {key} was given twice; keep one")
        settings[key] = value
    return settings
