import sys

import numpy as np
import pytest
import torch
from torch import nn

from maskwright.errors import MissingExtraError, OutputError, WeightsError
from maskwright.weights import onnx as ours
from maskwright.weights.onnx import DIFFERENCE, export_onnx, largest_difference, open_session

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return nn.Linear(3, 5).requires_grad_(False)


def test_a_file_answers_and_says_what_it_is(layer, tmp_path):
    path, x = tmp_path / "a" / "layer.onnx", torch.randn(2, 3)
    difference = export_onnx(
        path, layer, {"x": x}, expected={"y": layer(x)}, metadata={"about": "a layer"}
    )
    assert 0 <= difference < 1e-6
    session = open_session(path, threads=1)
    assert session.get_modelmeta().custom_metadata_map == {
        "about": "a layer",
        DIFFERENCE: f"{difference:.1e}",
    }
    other = torch.randn(2, 3)
    np.testing.assert_allclose(session.run(["y"], {"x": other.numpy()})[0], layer(other), atol=1e-6)
    with pytest.raises(OutputError, match="layer.onnx: exists already"):
        export_onnx(path, layer, {"x": x}, expected={"y": layer(x)}, metadata={})


def test_a_graph_that_answers_differently_is_not_written(layer, tmp_path):
    x = torch.randn(2, 3)
    wrong = layer(x)
    wrong[1, 2] += 2e-3 * wrong.abs().max()
    with pytest.raises(WeightsError, match=r"layer.onnx: expected ONNX Runtime to answer as"):
        export_onnx(tmp_path / "layer.onnx", layer, {"x": x}, expected={"y": wrong}, metadata={})
    assert not list(tmp_path.iterdir())


def test_differences_are_shares_of_the_largest_value():
    a, b = np.array([1.0, -4.0]), np.array([1.0, -3.9])
    assert largest_difference([a, a], [a, b]) == pytest.approx(0.1 / 3.9)
    assert largest_difference([a], [a[:1]]) == float("inf")
    assert largest_difference([a * np.nan], [a]) == float("inf")
    assert largest_difference([a * 0], [a * 0]) == 0


def test_a_file_that_is_no_graph_is_one_clear_line(tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match=r"ONNX Runtime cannot use x.onnx \(.*export it again"):
        open_session(path, threads=1)


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(ours, "NEEDED", ("onnx", "no_such_package"))
    with pytest.raises(MissingExtraError, match=r"needs no_such_package; pip install .*\[onnx\]"):
        ours.check_extra()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"needs ONNX Runtime; pip install .*\[onnx\]"):
        open_session(b"", threads=1)
