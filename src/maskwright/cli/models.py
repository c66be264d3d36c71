"""The verbs `models list|info|pull|verify|bundle`: weights and their terms."""

import json as jsonlib
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from shutil import copyfileobj
from typing import Annotated, Any

import typer

from maskwright.cli import flags
from maskwright.cli.progress import DONE, FAILED, progress_bar
from maskwright.errors import LicenceError, MaskwrightError, WeightsError
from maskwright.image.publish import atomic_write
from maskwright.weights.catalog import WeightRow, check_accepted, find_weight, list_weights
from maskwright.weights.download import (
    checksum,
    fetch,
    find_file,
    is_offline,
    note_checksum,
    verify,
)

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="All of the catalogue unless named.")
]


AcceptLicence = Annotated[
    bool,
    typer.Option(
        "--accept-licence", help="Accept licences that forbid commercial use; else you are asked."
    ),
]


def list_(*, json: flags.Json = False) -> int:
    """List the weights one can name, their size, terms and where they are."""
    rows = list_weights()
    if json:
        print(jsonlib.dumps([_record(row) for row in rows], indent=1))
        return DONE
    table = [("NAME", "TASK", "PAPER", "SIZE", "COMMERCIAL", "WHERE")]
    table += [
        (row.name, row.task, row.paper, _size(row), _yes(row.commercial), _where(row))
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    return DONE


def info(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Of the catalogue; or weights.")],
    *,
    json: flags.Json = False,
) -> int:
    """Print all that is known of some weights: licence, training data, recipe, scores, checksum."""
    if name.endswith(".safetensors") and Path(name).is_file():
        _tell_file(Path(name), as_json=json)
        return DONE
    row = find_weight(name)
    if json:
        print(jsonlib.dumps(_record(row), indent=1))
        return DONE
    lines = [
        ("name", row.name),
        ("task", f"{row.task}, paper {row.paper}"),
        ("licence", row.licence),
        ("commercial", f"{_yes(row.commercial)} (licence and training data together)"),
        *(("data", f"{data}: {terms}") for data, terms in row.data),
        ("recipe", row.recipe),
        *(("score", f"{score}: {value:g}") for score, value in row.scores.items()),
        ("size", _size(row)),
        ("sha256", row.sha256 or "as its host states when it is pulled"),
        ("from", row.url or "comes with the package"),
        ("here", str(find_file(row) or "no")),
        ("notes", row.notes),
    ]
    for key, value in lines:
        if value:
            print(f"{key:<11}{value}")
    return DONE


def pull(
    names: Names = None,
    *,
    accept_licence: AcceptLicence = False,
    offline: flags.Offline = False,
    quiet: flags.Quiet = False,
) -> int:
    """Download weights into the cache folder; those that are there are not asked for again.

    Weights whose licence forbids commercial use are downloaded only if they are named, and only if
    the licence is accepted.
    """
    rows = _wanted(names, accepted=accept_licence, offline=offline)
    for row in rows:
        with progress_bar(row.name, quiet=quiet, in_bytes=True) as progress:
            path = fetch(row, offline=offline, accepted=True, progress=progress)
        print(path)
    return DONE


def verify_(names: Names = None, *, quiet: flags.Quiet = False) -> int:
    """Compare weights on this machine with their checksums."""

    def check(row: WeightRow) -> None:
        path = find_file(row)
        if path:
            verify(row, path)
        elif names or row.embedded:
            remedy = (
                "reinstall maskwright" if row.embedded else f"maskwright models pull {row.name}"
            )
            raise WeightsError(f"{row.name} is not on this machine; {remedy}")
        if not quiet:
            print(f"{row.name}: {'right' if path else 'not on this machine'}")

    return _for_each(_rows(names), check)


def bundle(
    names: Names = None,
    *,
    output: Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="A folder.")],
    accept_licence: AcceptLicence = False,
    offline: flags.Offline = False,
    overwrite: flags.Overwrite = False,
    quiet: flags.Quiet = False,
) -> int:
    """Copy weights and their checksums to a folder, for machines without a network.

    There, put the files into the folder that MASKWRIGHT_HOME names.
    """
    sums = []

    def copy(row: WeightRow) -> None:
        target = Path(output) / row.file_name
        if overwrite or not target.exists():
            with progress_bar(row.name, quiet=quiet, in_bytes=True) as progress:
                path = fetch(row, offline=offline, accepted=True, progress=progress)
            with path.open("rb") as source, atomic_write(target, overwrite=overwrite) as file:
                copyfileobj(source, file)
            if row.official:
                note_checksum(target, checksum(row, path))
        verify(row, target)
        sums.append(f"{checksum(row, target)}  {row.file_name}\n")
        if not quiet:
            print(target)

    rows = _wanted(names, accepted=accept_licence, offline=offline)
    code = _for_each(rows, copy)
    with atomic_write(Path(output) / "SHA256SUMS", overwrite=True) as file:
        file.write("".join(sums).encode())
    return code


def _rows(names: list[str] | None) -> list[WeightRow]:
    return [find_weight(name) for name in names] if names else list(list_weights())


def _wanted(names: list[str] | None, *, accepted: bool, offline: bool) -> list[WeightRow]:
    """Return the weights to fetch, every licence that has to be accepted being so.

    Raises:
        LicenceError: If one is not.
    """
    wanted = []
    for row in _rows(names):
        is_to_ask = row.must_be_accepted and find_file(row) is None
        if is_to_ask and not names:
            continue
        if is_to_ask and not offline and not is_offline():
            _accept(row, accepted=accepted)
        wanted.append(row)
    if not names and len(wanted) < len(_rows(names)):
        print(
            "maskwright: left out weights whose licence forbids commercial use; name them to have"
            " them, see `maskwright models list`",
            file=sys.stderr,
        )
    return wanted


def _accept(row: WeightRow, *, accepted: bool) -> None:
    """Show a licence, and ask for it where somebody can answer.

    Raises:
        LicenceError: If it is not accepted.
    """
    data = "; ".join(f"{name}: {terms}" for name, terms in row.data)
    print(f"{row.name}: {row.licence}, not for commercial use (trained on {data})", file=sys.stderr)
    if accepted:
        return
    if not sys.stdin.isatty():
        check_accepted(row)
    if not typer.confirm("Accept the licence and download?", default=False, err=True):
        raise LicenceError(
            f"{row.name} was not downloaded, for its licence, {row.licence}, was not accepted"
        )


def _for_each(rows: list[WeightRow], work: Callable[[WeightRow], None]) -> int:
    code = DONE
    for row in rows:
        try:
            work(row)
        except MaskwrightError as error:
            print(f"maskwright: {error}", file=sys.stderr)
            code = FAILED
    return code


def _tell_file(path: Path, *, as_json: bool) -> None:
    from maskwright.weights.load import load_config

    paper, config = load_config(path)
    size = path.stat().st_size
    if as_json:
        known = {"path": str(path), "paper": paper, "bytes": size, "config": asdict(config)}
        print(jsonlib.dumps(known, indent=1))
        return
    print(f"{'file':<11}{path}\n{'paper':<11}{paper}\n{'size':<11}{size / 1e6:.1f} MB")
    print(f"{'licence':<11}not in the catalogue; ask whoever made it")


def _record(row: WeightRow) -> dict[str, Any]:
    return asdict(row) | {"path": str(find_file(row) or "") or None}


def _size(row: WeightRow) -> str:
    return f"{row.bytes / 1e6:.1f} MB"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _where(row: WeightRow) -> str:
    if find_file(row) is None:
        return "missing" if row.embedded else "to pull"
    return "embedded" if row.embedded else "cached"


VERBS: dict[str, Callable[..., int]] = {
    "list": list_,
    "info": info,
    "pull": pull,
    "verify": verify_,
    "bundle": bundle,
}
