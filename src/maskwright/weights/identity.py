"""Which weights exactly: a hash, known without loading them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from maskwright.errors import WeightsError
from maskwright.weights.catalog import find_weight
from maskwright.weights.download import checksum, fetch


def identity(names: Sequence[str], *, offline: bool = False) -> str:
    """Return one SHA-256, in hexadecimal, of weights.

    Args:
        names: Of the catalogue, or files; the order counts.
        offline: Do not download what is not on this machine.

    Raises:
        UsageError: If a name is unknown.
        WeightsError: If a file cannot be had or read.
    """
    sums = [_sha256(name, offline=offline) for name in names]
    return hashlib.sha256(" ".join(sums).encode()).hexdigest()


def _sha256(name: str, *, offline: bool) -> str:
    if not name.endswith(".safetensors") and not Path(name).is_file():
        row = find_weight(name)
        return row.sha256 or checksum(row, fetch(row, offline=offline))
    try:
        with open(name, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"expected weights, {name} cannot be read ({error.strerror}); check the path"
        ) from error
