"""Networks as ONNX files, for ONNX Runtime and for programs without PyTorch.

A file is written only after ONNX Runtime has answered as PyTorch did. Needs the extra `onnx`.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from maskwright.errors import MissingExtraError, WeightsError
from maskwright.image.publish import atomic_write

OPSET = 18
MOST_DIFFERENCE = 1e-3  # of the largest value
NEEDED = ("onnx", "onnxruntime", "onnxscript")
DIFFERENCE = "maskwright.difference"


def check_extra() -> None:
    """Check that all is there that exporting needs.

    Raises:
        MissingExtraError: Otherwise.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"exporting to ONNX needs {', '.join(missing)}; pip install 'maskwright[onnx]'"
        )


def export_onnx(
    path: str | Path,
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    *,
    expected: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    overwrite: bool = False,
) -> float:
    """Write a module as an ONNX file of fixed sizes; returns by how much its answers differ.

    That is the largest difference from what is expected, as a share of the largest value; the file
    says it too, as `maskwright.difference`.

    Args:
        path: The file.
        module: Of operators that ONNX has.
        inputs: What it is called with, by name and in this order.
        expected: What has to come out, by name and in this order.
        metadata: What the file says about itself.
        overwrite: Whether a file of this name may be replaced.

    Raises:
        MissingExtraError: If the extra `onnx` is not installed.
        WeightsError: If ONNX Runtime answers differently; nothing is written.
        OutputError: If the file cannot be written, or exists already.
    """
    check_extra()
    model = _as_model(module, inputs, list(expected))
    session = open_session(model.SerializeToString(), threads=torch.get_num_threads())
    found = session.run(None, {name: x.numpy() for name, x in inputs.items()})
    difference = largest_difference(found, [x.numpy() for x in expected.values()])
    if not difference <= MOST_DIFFERENCE:
        raise WeightsError(
            f"{Path(path).name}: expected ONNX Runtime to answer as PyTorch, it differs by"
            f" {difference:.1e} of the largest value; nothing was written, report this"
        )
    for name, value in (dict(metadata) | {DIFFERENCE: f"{difference:.1e}"}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, value
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(model.SerializeToString())
    return difference


def open_session(model: bytes | str | Path, *, threads: int) -> Any:
    """Return an `onnxruntime.InferenceSession` on the CPU.

    Args:
        model: A file, or its content.
        threads: How many compute.

    Raises:
        MissingExtraError: If ONNX Runtime is not installed.
        WeightsError: If it cannot use the file.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            "this needs ONNX Runtime; pip install 'maskwright[onnx]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of many kinds, which have no base class of their own
        name = "the graph" if isinstance(model, bytes) else Path(model).name
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"expected an ONNX file, ONNX Runtime cannot use {name} ({reason}); export it again"
        ) from error


def largest_difference(found: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]) -> float:
    """Return the largest difference of two lists of arrays, as a share of the largest value.

    That is infinite if two shapes differ or a value is not finite.
    """
    worst = 0.0
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape or not np.isfinite(one).all():
            return float("inf")
        largest = max(float(np.abs(other).max()), float(np.finfo(np.float32).tiny))
        worst = max(worst, float(np.abs(one - other).max()) / largest)
    return worst


def _as_model(module: nn.Module, inputs: Mapping[str, Tensor], outputs: list[str]) -> Any:
    # Without gradients asked for, the encoder looks biases up in strips: a much larger graph.
    with _quiet(), torch.enable_grad():
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            optimize=False,  # ONNX Runtime does it, for the machine at hand
            verbose=False,
        )
    assert program is not None
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter says of itself and of torchvision to itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
