"""Official checkpoints: read safely, recognised by their keys, written in our format."""

import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch

from maskwright.errors import WeightsError
from maskwright.image.publish import check_target
from maskwright.weights.load import (
    PAPERS,
    build_with,
    paper_module,
    read_safetensors,
    save_model,
)
from maskwright.weights.pickles import read_arrays

_OF_DAMAGE = (  # what reading cut and overwritten files was seen to end in
    *(OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError),
    *(AssertionError, struct.error),
)


def load_official(path: str | Path) -> Any:
    """Return what an official checkpoint holds, tensors or arrays and plain containers only.

    Raises:
        WeightsError: If there is no such file, it is damaged, or it would run code when read.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return read_safetensors(path)[0]
    if path.suffix == ".pkl" and not zipfile.is_zipfile(path):  # of numpy arrays, not torch's
        return read_arrays(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how old files store tensors
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"there is no checkpoint {path}; check the path") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path.name} holds other things than tensors, or is damaged; only tensors are read, "
            "for safety: save its state_dict alone with the program that made it, or copy it again"
        ) from error
    except _OF_DAMAGE as error:
        raise WeightsError(
            f"expected a PyTorch or safetensors checkpoint, {path.name} is damaged or of another "
            "kind; copy it again"
        ) from error


def identify(official: Any, *, name: str) -> tuple[str, Any]:
    """Return the paper whose network the checkpoint fits, and its configuration.

    Args:
        official: The loaded checkpoint, flat or under `state_dict` or `model`.
        name: What to call it in messages.

    Raises:
        WeightsError: If no paper recognises the keys.
    """
    reasons = []
    for paper in PAPERS:
        try:
            return paper, paper_module(paper).infer_config(official)
        except WeightsError as error:
            reasons.append(f"{paper}: {error}")
    raise WeightsError(f"{name} fits none of the networks known here ({'; '.join(reasons)})")


def convert_checkpoint(
    source: str | Path,
    target: str | Path,
    *,
    settle: Callable[[str, Any], Any] = lambda paper, config: config,
    dtype: Literal["fp16", "fp32"] = "fp32",
    overwrite: bool = False,
) -> tuple[str, Any]:
    """Write an official checkpoint in our format; returns its paper and configuration.

    Args:
        source: The official file, .pth, .pkl or .safetensors.
        target: The file to write.
        settle: Takes the paper and the configuration that the keys tell, and returns the one to
            write, with what the keys do not tell.
        dtype: How matrices and filters are stored.
        overwrite: Replace an existing file.

    Raises:
        WeightsError: If it cannot be read or fits no network exactly.
        OutputError: If the target exists or cannot be written.
    """
    check_target(target, overwrite=overwrite)
    official = load_official(source)
    name = Path(source).name
    paper, config = identify(official, name=name)
    config = settle(paper, config)
    state = paper_module(paper).convert(official)
    build_with(paper, config, state, name=name)
    save_model(target, state, paper=paper, config=config, source=name, dtype=dtype)
    return paper, config
