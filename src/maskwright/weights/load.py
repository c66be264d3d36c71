"""Our weight files: safetensors whose metadata says which network to build.

maskwright.paper is the folder under `models/`, maskwright.config its configuration as JSON,
maskwright.source a line on where the weights come from.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from maskwright.errors import LicenceError, UsageError, WeightsError
from maskwright.image.publish import atomic_write
from maskwright.weights.catalog import check_commercial, find_weight, list_weights
from maskwright.weights.download import fetch, verify

PAPERS = {
    "a2u": "maskwright.models.a2u",
    "mematte": "maskwright.models.mematte",
    "interformer": "maskwright.models.interformer",
    "mask2former": "maskwright.models.mask2former",
}


def paper_module(paper: str) -> ModuleType:
    """Return the package of a paper: Config, build, infer_config, convert, DROPPED."""
    return import_module(PAPERS[paper])


def load_model(
    name_or_path: str | Path, *, commercial: bool = False, offline: bool = False
) -> tuple[nn.Module, str, Any]:
    """Return the model in evaluation mode, its paper and its configuration.

    Args:
        name_or_path: A name of the catalogue, or a safetensors file written by `save_model`.
        commercial: Refuse weights that may not be used commercially.
        offline: Do not download weights that are not on this machine.

    Raises:
        UsageError: If the name is unknown.
        LicenceError: If `commercial` and the terms forbid it or are not known.
        WeightsError: If the file is missing, damaged, foreign or does not fit its configuration.
    """
    path = _find(name_or_path, commercial=commercial, offline=offline)
    state, metadata = read_safetensors(path)
    paper, config = _read_config(metadata, path)
    return build_with(paper, config, state, name=path.name).eval(), paper, config


def load_config(
    name_or_path: str | Path, *, commercial: bool = False, offline: bool = False
) -> tuple[str, Any]:
    """Return the paper and the configuration of weights, which stay on the disk.

    Args:
        name_or_path: As for `load_model`.
        commercial: As for `load_model`.
        offline: As for `load_model`.

    Raises:
        UsageError: As `load_model`.
        LicenceError: As `load_model`.
        WeightsError: As `load_model`, but for what only the tensors show.
    """
    path = _find(name_or_path, commercial=commercial, offline=offline)
    with _opened(path) as file:
        metadata = file.metadata() or {}
    return _read_config(metadata, path)


def another_network(name: str | Path, paper: str, *, wanted: str) -> WeightsError:
    """Return the error about weights of another kind of network.

    Args:
        name: Of the weights.
        paper: That they belong to.
        wanted: What the network should do, such as "matting".
    """
    return WeightsError(
        f"expected the weights of a {wanted} network, {name} holds {paper}; "
        "see `maskwright models list`"
    )


def build_with(paper: str, config: Any, state: Mapping[str, Tensor], *, name: str) -> nn.Module:
    """Return the network of a configuration with the weights of a file.

    Their sizes are compared before anything is allocated, so that a foreign configuration cannot
    ask for more memory than there is.

    Args:
        paper: Folder under `models/` that builds it.
        config: Its configuration.
        state: Our names to tensors.
        name: What to call the file in messages.

    Raises:
        WeightsError: If there is no such network, or the weights do not fit it.
    """
    build = paper_module(paper).build
    try:
        with torch.device("meta"):
            wanted = build(config).state_dict()
    except Exception as error:  # by whichever layer meets the impossible size first
        raise WeightsError(
            f"{name} has a configuration of which no {paper} can be built ({error}); it is damaged "
            "or made for another network"
        ) from error
    _check_fit(wanted, state, name=name)
    model: nn.Module = build(config)
    model.load_state_dict(state)
    return model


def _find(name_or_path: str | Path, *, commercial: bool, offline: bool) -> Path:
    path = Path(name_or_path)
    if path.suffix != ".safetensors" and not path.is_file():
        row = find_weight(str(name_or_path))
        if commercial:
            check_commercial(row)
        path = fetch(row, offline=offline)
        verify(row, path)
    elif commercial:
        _check_file_commercial(path)
    return path


def _check_file_commercial(path: Path) -> None:
    """Refuse a file, unless it is a copy of weights that may be used so."""
    for row in list_weights():
        if path.is_file() and path.stat().st_size == row.bytes and row.commercial:
            return verify(row, path)
    raise LicenceError(
        f"the terms of {path.name} are not known, so --commercial cannot allow it; "
        "use weights of the catalogue, see `maskwright models list`"
    )


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file.

    Raises:
        WeightsError: If there is no such file, or it is damaged or of another kind.
    """
    with _opened(path) as file:
        state = {key: file.get_tensor(key) for key in file.keys()}
        return state, file.metadata() or {}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Yield a safetensors file, with what is wrong with it told as `read_safetensors` says."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError as error:
        raise WeightsError(f"there is no weights file {path}; check the path") from error
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"expected a safetensors file, {path.name} is damaged or of another kind ({error}); "
            "copy it again, or turn an official checkpoint into one with `maskwright convert`"
        ) from error


def _read_config(metadata: Mapping[str, str], path: Path) -> tuple[str, Any]:
    paper = metadata.get("maskwright.paper")
    if paper is None:
        raise WeightsError(
            f"{path.name} does not say which network it holds (no maskwright.paper in its "
            "metadata); official checkpoints are read with `maskwright convert`"
        )
    if paper not in PAPERS:
        raise WeightsError(
            f"{path.name} holds weights for {paper!r}, this version knows {', '.join(PAPERS)}; "
            "install a newer maskwright"
        )
    try:
        values = json.loads(metadata.get("maskwright.config", ""))
        return paper, _rebuild(paper_module(paper).Config, values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{path.name} has a configuration that {paper} does not understand ({error}); "
            "install the version of maskwright that wrote it, or a newer one"
        ) from error


def _rebuild(kind: type, values: Mapping[str, Any]) -> Any:
    """Return the frozen dataclass that `asdict` and JSON have flattened to `values`."""
    hints = get_type_hints(kind)
    unknown = sorted(set(values) - {field.name for field in fields(kind)})
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}")
    kept = {}
    for name, value in values.items():
        if is_dataclass(hints[name]):
            kept[name] = _rebuild(hints[name], value)
            continue
        kept[name] = _as_tuple(value)
        if not _is_a(hints[name], kept[name]):
            raise ValueError(f"{name}: {value!r}")
    return kind(**kept)


def _as_tuple(value: Any) -> Any:
    """Return a value whose lists, and the lists in them, are tuples again."""
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def _is_a(hint: Any, value: Any) -> bool:
    """Say whether a value is of a type that a configuration names; True is no number."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if kinds[-1] is Ellipsis and isinstance(value, tuple):
            kinds = kinds[:1] * len(value)
        return (
            isinstance(value, tuple) and len(value) == len(kinds) and all(map(_is_a, kinds, value))
        )
    return type(value) is hint


def load_strictly(model: nn.Module, state: Mapping[str, Tensor], *, name: str) -> None:
    """Copy `state` into the model, which must use every tensor and miss none.

    Raises:
        WeightsError: Otherwise; names the first five that are unused, missing, of another size, or
            not of real numbers.
    """
    _check_fit(model.state_dict(), state, name=name)
    model.load_state_dict(state)


def _check_fit(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], *, name: str) -> None:
    missing = [key for key in wanted if key not in state]
    unused = [key for key in state if key not in wanted]
    other = [key for key in wanted if key in state and wanted[key].shape != state[key].shape]
    coded = [
        key
        for key, value in state.items()
        if key in wanted and wanted[key].is_floating_point() and not value.is_floating_point()
    ]
    problems = (
        ("lacks", missing),
        ("has unused", unused),
        ("has other sizes at", other),
        ("has no real numbers at", coded),
    )
    for problem, keys in problems:
        if keys:
            more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
            raise WeightsError(
                f"{name} does not fit its network: it {problem} {', '.join(keys[:5])}{more}; "
                "use weights made for this configuration"
            )


def save_model(
    path: str | Path,
    state: Mapping[str, Tensor],
    *,
    paper: str,
    config: Any,
    source: str,
    dtype: Literal["fp16", "fp32"] = "fp32",
) -> Path:
    """Write weights with what is needed to build their network; returns the path.

    The file appears whole or not at all and replaces an older one. Vectors (biases, norms) stay
    fp32: they weigh nothing, and small running variances would not survive fp16.

    Args:
        path: The file to write.
        state: The network's state_dict.
        paper: Folder under `models/` that builds it.
        config: Its configuration, a dataclass.
        source: A line on where the weights come from.
        dtype: How matrices and filters are stored.

    Raises:
        UsageError: If the paper is unknown.
        WeightsError: If a value is not finite, or too large for fp16.
        OutputError: If the file cannot be written.
    """
    if paper not in PAPERS:
        raise UsageError(f"expected a paper among {', '.join(PAPERS)}, got {paper!r}")
    stored = {key: _stored(key, value, dtype) for key, value in state.items()}
    metadata = {
        "maskwright.paper": paper,
        "maskwright.config": json.dumps(asdict(config)),
        "maskwright.source": source,
    }
    with atomic_write(path, overwrite=True) as file:
        file.write(save(stored, metadata))
    return Path(path)


def _stored(key: str, value: Tensor, dtype: str) -> Tensor:
    value = value.detach().cpu()
    if value.is_floating_point():
        value = value.to(torch.float16 if dtype == "fp16" and value.ndim > 1 else torch.float32)
        if not value.isfinite().all():
            raise WeightsError(f"{key} holds values that are not finite as {dtype}; nothing saved")
    return value.clone(memory_format=torch.contiguous_format)  # unshared, as safetensors wants
