"""Official checkpoints: unwrap what was saved, and rename it by a table of patterns."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor

from maskwright.errors import WeightsError

WRAPPERS = ("state_dict", "model")


def unwrap(official: Any) -> dict[str, Tensor]:
    """Return the flat state dict of a loaded checkpoint.

    Args:
        official: Flat, or under `state_dict` or `model`; with or without the prefix `module.`.

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
        str(key).removeprefix("module."): value
        for key, value in official.items()
        if isinstance(value, Tensor)
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
