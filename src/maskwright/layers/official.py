"""Official checkpoints: unwrap what was saved, and rename it by a table of patterns."""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from torch import Tensor

from maskwright.errors import WeightsError

WRAPPERS = ("state_dict", "model")


def unwrap(official: Any) -> dict[str, Tensor]:
    """Return the flat state dict of a loaded checkpoint.

    Args:
        official: Flat, or under `state_dict` or `model`; with or without the prefix `module.`; of
            tensors or numpy arrays.

    Raises:
        WeightsError: If it holds no named tensors.
    """
    for wrapper in WRAPPERS:
        if isinstance(official, Mapping) and isinstance(official.get(wrapper), Mapping):
            official = official[wrapper]
    if not isinstance(official, Mapping):
        raise WeightsError(
            f"expected a checkpoint with named tensors, got {type(official).__name__}; "
            "save the network's state_dict"
        )
    state = {
        str(key).removeprefix("module."): torch.as_tensor(value)
        for key, value in official.items()
        if isinstance(value, Tensor | np.ndarray)
    }
    if not state:
        raise WeightsError("expected a checkpoint with named tensors, it holds none")
    return state


def rename(
    state: Mapping[str, Tensor], table: Sequence[tuple[str, str]], *, dropped: Sequence[str]
) -> dict[str, Tensor]:
    """Return the state dict under new names.

    Args:
        state: Names to tensors.
        table: Regular expressions and replacements; each name follows the first that fits from
            its beginning, and what follows the match stays.
        dropped: `fnmatch` patterns of names that are left out.

    Raises:
        WeightsError: If names are left over; names the first five.
    """
    renamed, unused = {}, []
    for name, value in state.items():
        if any(fnmatchcase(name, pattern) for pattern in dropped):
            continue
        for pattern, replacement in table:
            new, count = re.subn(rf"\A{pattern}", replacement, name, count=1)
            if count:
                renamed[new] = value
                break
        else:
            unused.append(name)
    if unused:
        more = f" and {len(unused) - 5} more" if len(unused) > 5 else ""
        raise WeightsError(
            f"the checkpoint has keys that this network does not use: {', '.join(unused[:5])}"
            f"{more}; is it of another network?"
        )
    return renamed


def check_complete(held: Mapping[str, Tensor], wanted: Iterable[str]) -> None:
    """Check that a converted checkpoint has all that its network needs.

    Raises:
        WeightsError: If names are missing; names the first five.
    """
    missing = [name for name in wanted if name not in held]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise WeightsError(
            f"the checkpoint lacks {', '.join(missing[:5])}{more}; is it cut off? download it again"
        )


def shape_of(state: Mapping[str, Tensor], name: str, *, axes: int, network: str) -> tuple[int, ...]:
    """Return the shape of a tensor that every checkpoint of a network has.

    Args:
        state: Names to tensors.
        name: The tensor's.
        axes: How many it has.
        network: What to call it in messages, with its article.

    Raises:
        WeightsError: If there is no such tensor, it has other axes, or it is empty.
    """
    if name not in state or state[name].ndim != axes or not state[name].numel():
        raise foreign(name, network=network)
    return tuple(state[name].shape)


def foreign(name: str, *, network: str) -> WeightsError:
    """Return the error for a checkpoint that is of another network, as this tensor shows."""
    return WeightsError(
        f"expected {network} checkpoint, {name} is missing or of another kind;"
        " is it of another network, or cut off?"
    )
