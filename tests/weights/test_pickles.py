import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from maskwright.errors import WeightsError
from maskwright.weights.convert import load_official
from maskwright.weights.pickles import read_arrays

KINDS = ("float32", "float64", "float16", "int64", "int32", "uint8", "bool", ">f4")


def written(path, value, *, protocol=4):
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_arrays_in_plain_containers_are_read(tmp_path, protocol):
    state = OrderedDict((kind, np.arange(6).reshape(2, 3).astype(kind)) for kind in KINDS)
    state |= {"by columns": np.asfortranarray(state["float32"]), "scalar": np.zeros(())}
    state["empty"] = np.zeros((0, 7), np.float32)
    official = {"model": state, "iteration": 7, "__author__": "someone", "lr": np.float32(0.5)}
    found = load_official(written(tmp_path / "x.pkl", official, protocol=protocol))
    assert list(found["model"]) == list(state)
    for name, expected in state.items():
        assert found["model"][name].dtype == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found["model"][name], expected)
    assert (found["iteration"], found["__author__"], found["lr"]) == (7, "someone", 0.5)


def test_what_detectron2_writes_goes_to_tensors(tmp_path):
    from maskwright.layers.official import unwrap

    arrays = {"model": {"module.a": np.arange(3, dtype=np.float32), "note": "no array"}}
    state = unwrap(load_official(written(tmp_path / "x.pkl", arrays)))
    assert list(state) == ["a"] and torch.equal(state["a"], torch.arange(3.0))


def test_a_torch_file_may_be_called_pkl_too(tmp_path):
    torch.save({"a": torch.ones(3)}, tmp_path / "x.pkl")
    assert load_official(tmp_path / "x.pkl")["a"].tolist() == [1, 1, 1]


class Trap:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    "call",
    [
        (exec, "print('code ran')"),
        (eval, "print('code ran')"),
        (os.system, "echo code ran"),
        (getattr, "text", "upper"),
        (np.fromfile, "/dev/null"),
        (torch.zeros, 3),
        (bytearray, 7),
    ],
    ids=lambda call: call[0].__name__,
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_with_code_is_refused_and_the_code_does_not_run(tmp_path, capfd, call, protocol):
    path = written(tmp_path / "x.pkl", {"model": {"a": Trap(*call)}}, protocol=protocol)
    with pytest.raises(WeightsError, match=r"x\.pkl holds other things than arrays of numbers \("):
        load_official(path)
    assert "code ran" not in capfd.readouterr().out


def test_a_dotted_name_reaches_nothing_behind_a_known_one(tmp_path):
    content = b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93."
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(WeightsError, match=r"\(numpy\.ndarray\.__class__\)"):
        read_arrays(tmp_path / "x.pkl")


@pytest.mark.parametrize(
    "value",
    [
        np.array([{"a": 1}], dtype=object),
        np.zeros(3, dtype=[("x", "f4"), ("y", "i4")]),
        np.array(["text"]),
        np.zeros(3, dtype="datetime64[s]"),
    ],
    ids=["object", "record", "text", "time"],
)
def test_arrays_of_other_things_than_numbers_are_refused(tmp_path, value):
    with pytest.raises(WeightsError, match=r"^x\.pkl .*; [^\n]*copy it again$"):
        read_arrays(written(tmp_path / "x.pkl", {"model": {"a": value}}))


def test_sizes_that_do_not_fit_their_bytes_are_damage(tmp_path):
    content = pickle.dumps({"a": np.arange(6.0)}, protocol=4)
    assert content.count(b"K\x06\x85") == 1
    (tmp_path / "x.pkl").write_bytes(content.replace(b"K\x06\x85", b"K\x77\x85"))
    with pytest.raises(WeightsError, match=r"x\.pkl is damaged or of another kind; copy it again"):
        read_arrays(tmp_path / "x.pkl")


def test_a_cut_file_is_refused_wherever_it_ends(tmp_path):
    content = pickle.dumps({"model": {"a": np.arange(6.0), "b": np.ones((2, 3))}}, protocol=4)
    for length in range(len(content)):
        (tmp_path / "x.pkl").write_bytes(content[:length])
        with pytest.raises(WeightsError, match=r"^[^\n]*x\.pkl[^\n]*$"):
            load_official(tmp_path / "x.pkl")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"there is no checkpoint .*x\.pkl; check the path"):
        load_official(tmp_path / "x.pkl")
