import logging
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
import numpy as np
import psutil
import pytest
from clicking import MOBILE, SMALL, network, photo, small_clicker

from maskwright.inference import exported
from maskwright.inference.click import Prompt
from maskwright.inference.export import Exporter
from maskwright.inference.exported import ExportedDecoder, decoder_path
from maskwright.structures.click import Click

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

SIZE = (160, 224)  # of the photo, filled up
CLICKS = [Click(100.5, 60.5), Click(31.2, 17.9, positive=False), Click(7, 130)]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "decoder.onnx"
    assert 0 <= Exporter(network(MOBILE), MOBILE).export("decoder", (139, 211), path) < 1e-5
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path))
    return tmp_path


def put(file, weights, size=SIZE):
    path = decoder_path(weights, size)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(file.read_bytes())
    return path


def spy(monkeypatch):
    runs = []
    margins = ExportedDecoder.margins
    monkeypatch.setattr(
        ExportedDecoder,
        "margins",
        lambda self, prepared, references: (
            runs.append(len(references)) or margins(self, prepared, references)
        ),
    )
    return runs


def dialogue(clicker, features):
    answers = []
    for click in CLICKS:
        answers.append(clicker.answer(features, [click], answers[-1] if answers else None))
    return answers


def test_a_decoder_in_the_cache_folder_answers_as_pytorch(file, home, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "maskwright")
    plain = small_clicker(MOBILE)
    features, runs = plain.encode(photo()), spy(monkeypatch)
    expected = dialogue(plain, features)
    assert not runs
    clicker = small_clicker(MOBILE)
    put(file, clicker.weights)
    for one, other in zip(dialogue(clicker, features), expected, strict=True):
        np.testing.assert_allclose(one.margin, other.margin, atol=1e-5)
        np.testing.assert_array_equal(one.mask, other.mask)
    assert runs == [1, 1, 1] and "answered by ONNX Runtime" in caplog.text
    many = [Prompt([click]) for click in CLICKS]
    for one, prompt in zip(clicker.answer_many(features, many), many, strict=True):
        alone = plain.answer(features, prompt.clicks)
        np.testing.assert_allclose(one.margin, alone.margin, atol=1e-5)
    other = clicker.encode(photo(seed=1))  # the photo before must leave nothing behind
    found, wanted = (each.answer(other, CLICKS).margin for each in (clicker, plain))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert runs[3:] == [3, 1]


def test_the_first_answer_is_pytorchs_and_proves_the_file(file, home, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "maskwright")
    clicker = small_clicker(MOBILE)
    features = clicker.encode(photo())
    put(file, clicker.weights)
    monkeypatch.setattr(exported, "largest_difference", lambda found, expected: 2e-3)
    runs = spy(monkeypatch)
    dialogue(clicker, features)
    assert runs == [1] and "answered by PyTorch" in caplog.text and "2.0e-03" in caplog.text


@pytest.mark.parametrize("problem", ["other weights", "other size", "damaged", "no runtime"])
def test_what_does_not_fit_is_passed_over(file, home, monkeypatch, caplog, problem):
    caplog.set_level(logging.INFO, "maskwright")
    clicker = small_clicker(MOBILE, change=0.01 if problem == "other weights" else 0.0)
    features = clicker.encode(photo(300, 211) if problem == "other size" else photo())
    path = put(file, clicker.weights, features.scale.padded)
    if problem == "damaged":
        path.write_bytes(path.read_bytes()[:-1000])
    if problem == "no runtime":
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    runs = spy(monkeypatch)
    found = dialogue(clicker, features)
    path.unlink()
    fresh = small_clicker(MOBILE, change=0.01 if problem == "other weights" else 0.0)
    for one, other in zip(found, dialogue(fresh, features), strict=True):
        np.testing.assert_array_equal(one.margin, other.margin)
    assert not runs and caplog.text.count("answered by PyTorch") == 1


def test_networks_that_refine_by_region_never_ask_for_files(home, monkeypatch):
    clicker = small_clicker(SMALL)
    looked = []
    monkeypatch.setattr(exported, "decoder_path", lambda *of: looked.append(of))
    clicker.answer(clicker.encode(photo()), CLICKS)
    assert not looked


def test_sessions_of_few_sizes_are_kept(home):
    clicker = small_clicker(MOBILE)
    for height in (100, 150, 200):
        clicker.answer(clicker.encode(photo(height, 211)), [Click(5, 5)])
    assert list(clicker._exported._opened) == [(160, 224), (224, 224)]


def test_clicks_do_not_grow_memory(file, home):
    clicker = small_clicker(MOBILE)
    put(file, clicker.weights)
    features, answer, used = clicker.encode(photo()), None, []
    for number in range(30):
        answer = clicker.answer(features, [Click(5 + 6 * number, 60, number % 3 > 0)], answer)
        assert answer.mask.shape == (139, 211)
        used.append(psutil.Process().memory_info().rss)
    assert clicker._exported._opened[SIZE] is not None
    assert used[-1] - used[9] < 2**23
