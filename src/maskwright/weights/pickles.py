"""Pickled numpy arrays, as detectron2 saves networks, read without running what a pickle asks for.

Only the arrays' own building blocks are known, and even these are replaced by what is here: numpy
itself never sees what a file claims about memory. Anything else ends the reading.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.errors import WeightsError

KINDS = "fiub"  # real numbers and truth values


class _Dtype:
    """The type of an array's values, built as a pickle builds numpy's."""

    def __init__(self, code: str, *_: Any) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in KINDS:
            raise pickle.UnpicklingError(f"an array of {code!r}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in "<>":  # the order of bytes
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """An array, built as a pickle builds numpy's; `values` once it is complete."""

    values: np.ndarray[Any, np.dtype[Any]]

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, content = state
        self.values = _from_bytes(content, kind, shape, "F" if by_columns else "C")


def _from_bytes(
    content: Any, kind: _Dtype, shape: tuple[int, ...], order: Any = "C"
) -> np.ndarray[Any, np.dtype[Any]]:
    if isinstance(content, str):  # as Python 2 wrote bytes
        content = content.encode("latin1")
    values = np.frombuffer(content, kind.dtype).reshape(shape, order=order)
    return values.astype(kind.dtype.newbyteorder("="))  # a copy that may be written to


def _scalar(kind: _Dtype, content: Any) -> float | int | bool:
    return _from_bytes(content, kind, ()).item()


def _encode(text: str, codec: str) -> bytes:
    if codec != "latin1":
        raise pickle.UnpicklingError(f"the codec {codec!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


_KNOWN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _encode,  # how protocol 2 holds bytes, and none at all
    ("__builtin__", "bytes"): _no_bytes,
    **{
        (f"numpy.{core}.{module}", name): value
        for core in ("core", "_core")
        for module, name, value in (
            ("multiarray", "_reconstruct", _Array),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_bytes),
        )
    },
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return a building block of arrays; anything else is refused."""
        try:
            return _KNOWN[module, name]
        except KeyError as error:
            raise pickle.UnpicklingError(f"{module}.{name}") from error


def read_arrays(path: str | Path) -> Any:
    """Return the arrays of a pickle in the plain containers that hold them.

    Raises:
        WeightsError: If there is no such file, it is damaged, or it holds anything but arrays of
            numbers, plain values, dictionaries, lists and tuples.
    """
    name = Path(path).name
    try:
        with open(path, "rb") as file:
            return _plain(_Unpickler(file, encoding="latin1").load())
    except FileNotFoundError as error:
        raise WeightsError(f"there is no checkpoint {path}; check the path") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{name} holds other things than arrays of numbers ({error}), or is damaged; only "
            "arrays are read, for safety: save its state_dict alone, or copy it again"
        ) from error
    except Exception as error:  # by whichever part of a damaged file is met first
        raise WeightsError(
            f"expected a pickle of arrays, {name} is damaged or of another kind; copy it again"
        ) from error


def _plain(value: Any) -> Any:
    """Return a container whose arrays are numpy's."""
    if isinstance(value, _Array):
        return value.values
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, str | bytes | int | float | np.ndarray | None):
        return value
    raise pickle.UnpicklingError(f"an object of {type(value).__name__}")
