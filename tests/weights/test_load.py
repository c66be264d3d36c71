import json

import pytest
import torch
from safetensors.torch import save_file

from maskwright.errors import LicenceError, OutputError, UsageError, WeightsError
from maskwright.models import a2u
from maskwright.models.a2u.config import MINI
from maskwright.weights.load import (
    load_config,
    load_model,
    load_strictly,
    read_safetensors,
    save_model,
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return a2u.build(MINI).eval()


@pytest.fixture
def file(model, tmp_path):
    return save_model(
        tmp_path / "tiny.safetensors", model.state_dict(), paper="a2u", config=MINI, source="a test"
    )


def rewrite(file, *, drop=(), add=None, **metadata):
    state, old = read_safetensors(file)
    for key in drop:
        del state[key]
    save_file(state | (add or {}), file, old | metadata)
    return file


def test_what_was_saved_is_what_is_loaded(model, file):
    loaded, paper, config = load_model(file)
    assert (paper, config) == ("a2u", MINI)
    assert not loaded.training
    for key, value in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], value, rtol=0, atol=0)


def test_the_configuration_is_read_alone(file, model):
    assert load_config(file) == ("a2u", MINI)
    rewrite(file, drop=[next(iter(model.state_dict()))])
    assert load_config(file) == ("a2u", MINI)  # nobody has looked at the tensors
    file.write_bytes(file.read_bytes()[:101])
    with pytest.raises(WeightsError, match="tiny.safetensors is damaged or of another kind"):
        load_config(file)
    with pytest.raises(LicenceError, match="terms of tiny.safetensors are not known"):
        load_config(file, commercial=True)


def test_halves_round_filters_and_keep_vectors(model, tmp_path):
    path = save_model(
        tmp_path / "half.safetensors",
        model.state_dict(),
        paper="a2u",
        config=MINI,
        source="",
        dtype="fp16",
    )
    stored, _ = read_safetensors(path)
    for key, value in stored.items():
        floating = value.is_floating_point()
        assert value.dtype == (
            torch.float16 if floating and value.ndim > 1 else model.state_dict()[key].dtype
        )
    assert load_model(path)[0].state_dict()[key].dtype == model.state_dict()[key].dtype


def test_a_value_too_large_for_halves_is_not_saved(tmp_path):
    with pytest.raises(WeightsError, match="head.weight holds values that are not finite as fp16"):
        save_model(
            tmp_path / "x.safetensors",
            {"head.weight": torch.full((2, 3), 1e6)},
            paper="a2u",
            config=MINI,
            source="",
            dtype="fp16",
        )
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_paper_cannot_be_saved(tmp_path):
    papers = "a2u, mematte, interformer, mask2former"
    with pytest.raises(UsageError, match=f"expected a paper among {papers}, got 'u2a'"):
        save_model(tmp_path / "x.safetensors", {}, paper="u2a", config=MINI, source="")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"x\.safetensors: expected a place to write"):
        save_model(tmp_path / "file" / "x.safetensors", {}, paper="a2u", config=MINI, source="")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"there is no weights file .*x\.safetensors"):
        load_model(tmp_path / "x.safetensors")


@pytest.mark.parametrize("keep", [0, 7, 101, 100_003])
def test_a_truncated_file_is_damaged(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(WeightsError, match="tiny.safetensors is damaged or of another kind"):
        load_model(file)


def test_a_file_of_another_kind_is_told_apart(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"PK\x03\x04 not ours")
    with pytest.raises(WeightsError, match="x.pth is damaged or of another kind.*maskwright conv"):
        load_model(tmp_path / "x.pth")


def test_a_safetensors_file_without_our_metadata_is_foreign(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="x.safetensors does not say which network it holds"):
        load_model(tmp_path / "x.safetensors")


def test_a_paper_of_a_later_version_is_named(file):
    rewrite(file, **{"maskwright.paper": "later"})
    with pytest.raises(WeightsError, match="weights for 'later', this version knows a2u"):
        load_model(file)


@pytest.mark.parametrize(
    "config", ["", "[]", '"text"', '{"kernels": 3}', json.dumps({"colour": 1})]
)
def test_a_configuration_of_a_later_version_is_refused(file, config):
    rewrite(file, **{"maskwright.config": config})
    with pytest.raises(WeightsError, match="has a configuration that a2u does not understand"):
        load_model(file)


def test_a_missing_tensor_is_named(file, model):
    key = next(iter(model.state_dict()))
    rewrite(file, drop=[key])
    with pytest.raises(WeightsError, match=f"does not fit its network: it lacks {key};"):
        load_model(file)


def test_the_first_five_of_many_unused_tensors_are_named(file):
    rewrite(file, add={f"x{i}": torch.zeros(1) for i in range(7)})
    with pytest.raises(WeightsError, match="has unused x0, x1, x2, x3, x4 and 2 more"):
        load_model(file)


def test_a_tensor_of_another_size_is_named():
    with pytest.raises(WeightsError, match="w.safetensors .* it has other sizes at weight"):
        load_strictly(
            torch.nn.Linear(3, 5),
            {"weight": torch.zeros(5, 2), "bias": torch.zeros(5)},
            name="w.safetensors",
        )


def test_commercial_use_of_a_file_with_unknown_terms_is_refused(file):
    with pytest.raises(LicenceError, match="the terms of tiny.safetensors are not known"):
        load_model(file, commercial=True)


def test_an_unknown_name_is_wrong_use():
    with pytest.raises(UsageError, match="did you mean a2u-mini"):
        load_model("a2u-mine")
