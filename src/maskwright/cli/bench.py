"""The verb `bench`: run a benchmark of the checkout."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import maskwright
from maskwright.cli.progress import DONE, FAILED
from maskwright.errors import UsageError

PASSES_ON = {"ignore_unknown_options": True}
"""How typer takes the verb: flags that it does not know are the benchmark's."""
_WIDTH = 18


def bench(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of a benchmark; without, all are listed.")
    ] = "",
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="...", help="What the benchmark takes; --help after -- tells."),
    ] = None,
) -> int:
    """Run a benchmark, in a checkout; tables go to its benchmarks/results."""
    root = Path(maskwright.__file__).parents[2]
    if not (root / "benchmarks").is_dir():
        raise UsageError("benchmarks come with a checkout of maskwright, not with the package")
    known = {file.stem: file for file in sorted((root / "benchmarks").glob("*.py")) if _runs(file)}
    if not name:
        for each, file in known.items():
            print(f"{each:<{_WIDTH}}{_first_line(file)}")
        return DONE
    if name not in known:
        raise UsageError(f"there is no benchmark {name}; `maskwright bench` lists them")
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", f"benchmarks.{name}", *(given or [])]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False)
    return FAILED if done.returncode else DONE


def _runs(file: Path) -> bool:
    return '__name__ == "__main__"' in file.read_text()


def _first_line(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]
