"""The command `maskwright`: its verbs, and what becomes of errors.

Exit codes: 0 done, 1 wrong use, 2 an item failed, 3 refused (licence, memory), 130 interrupted.
An error is one line on standard error; -v -v or MASKWRIGHT_DEBUG=1 adds the traceback.
"""

import errno
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Annotated, TextIO

import typer

import maskwright
from maskwright.cli import (
    batch,
    bench,
    click,
    convert,
    doctor,
    evaluate,
    evaluate_click,
    evaluate_segment,
    export,
    export_project,
    matte,
    models,
    plan,
    segment,
    serve,
    synthesize,
    train,
)
from maskwright.cli.flags import wants_everything
from maskwright.cli.progress import FAILED, REFUSED, WRONG_USE
from maskwright.errors import RefusedError, UsageError
from maskwright.runs.outcome import one_line

INTERRUPTED = 130
# Typer's own errors; the versions that carry a copy of click do not export the base class.
_ParserError = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)

Verbs = dict[str, Callable[..., int]]
VERBS: Verbs = {
    "segment": segment.segment,
    "click": click.click,
    "matte": matte.matte,
    "cutout": matte.cutout,
    "embed": batch.embed,
    "plan": plan.plan,
    "serve": serve.serve,
    "train": train.train,
    "convert": convert.convert,
    "export": export.export,
    "export-project": export_project.export_project,
    "bench": bench.bench,
    "doctor": doctor.doctor,
}
GROUPS: dict[str, tuple[str, Verbs]] = {
    "batch": ("Do a verb to every photo of a folder, and go on where it stopped.", batch.VERBS),
    "evaluate": (
        "Score mattes, selections and segmentations against the truth.",
        {
            "matting": evaluate.matting,
            "click": evaluate_click.click,
            "semantic": evaluate_segment.semantic,
            "panoptic": evaluate_segment.panoptic,
            "instance": evaluate_segment.instance,
        },
    ),
    "synthesize": (
        "Make datasets by compositing.",
        {"matting": synthesize.matting, "uhr": synthesize.uhr},
    ),
    "models": ("List, explain, fetch and check weights.", models.VERBS),
}


def _group(help: str, verbs: Verbs) -> typer.Typer:
    """Return a typer group; its texts are plain, for they have to come at once."""
    group = typer.Typer(
        help=help, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    for name, verb in verbs.items():
        settings = bench.PASSES_ON if verb is bench.bench else None
        group.command(name, context_settings=settings)(verb)
    group.callback()(lambda: None)  # else typer would drop the name of a single verb
    return group


app = _group("Photos in; masks, soft mattes and clean cut-outs out.", VERBS)
for _name, (_help, _verbs) in GROUPS.items():
    app.add_typer(_group(_help, _verbs), name=_name)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"maskwright {maskwright.__version__}")
        raise typer.Exit


@app.callback(help=app.info.help)
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take the options that stand before the verb."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Return the exit code of one command; errors are printed as one line."""
    try:
        _refuse_empty(arguments)
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = app(arguments or ["--help"], standalone_mode=False, prog_name="maskwright")
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not _is_closed_pipe(error.__context__):
            return _left(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        return _tell(error)
    if code == INTERRUPTED:
        print("maskwright: interrupted; nothing unfinished was left behind", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _refuse_empty(arguments: list[str]) -> None:
    """Refuse values without a character, which a shell makes of a variable that is not set.

    Raises:
        UsageError: If there is one; names what stands before it.
    """
    for at, argument in enumerate(arguments):
        if not argument or re.fullmatch(r"--[a-z-]+=", argument):
            flag = argument.rstrip("=") or (arguments[at - 1] if at else "maskwright")
            raise UsageError(f"expected a value after {flag}, got an empty text; is it set?")


def _is_closed_pipe(error: BaseException | None) -> bool:
    """Say whether `| head` has seen enough: typer exits on that by itself."""
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def _left(exit: SystemExit) -> int:
    """Return the code of a program, such as a recipe, that left by itself; tell its message."""
    if exit.code is None or isinstance(exit.code, int):
        return exit.code or 0
    print(f"maskwright: {' '.join(str(exit.code).split())}", file=sys.stderr)
    return FAILED


def _tell(error: Exception) -> int:
    if isinstance(error, _ParserError):
        print(f"maskwright: {_parser_message(error)}", file=sys.stderr)
        return WRONG_USE
    if wants_everything():
        traceback.print_exception(error)
    print(f"maskwright: {one_line(error)}", file=sys.stderr)
    if isinstance(error, UsageError):
        return WRONG_USE
    return REFUSED if isinstance(error, RefusedError) else FAILED


def _parser_message(error: Exception) -> str:
    """Return typer's complaint as one line that ends with where to read on."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "maskwright"
    message = " ".join(error.format_message().split()).rstrip(".")  # type: ignore[attr-defined]
    if message == "Missing command" and context:
        message = f"missing command: one of {', '.join(context.command.list_commands(context))}"
    return f"{message[:1].lower()}{message[1:]}; see `{path} --help`"


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print warnings as the log does, so that -q hides them."""
    logging.getLogger("maskwright").warning("warning: %s", " ".join(str(message).split()))
