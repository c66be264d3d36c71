import zipfile

import pytest
import torch
from safetensors.torch import save_file

from maskwright.errors import OutputError, WeightsError
from maskwright.weights.convert import convert_checkpoint, identify, load_official


def test_tensors_in_plain_containers_are_read(tmp_path):
    torch.save({"state_dict": {"a": torch.ones(3)}, "epoch": 7}, tmp_path / "x.pth")
    assert load_official(tmp_path / "x.pth")["state_dict"]["a"].tolist() == [1, 1, 1]
    save_file({"a": torch.ones(3)}, tmp_path / "x.safetensors")
    assert load_official(tmp_path / "x.safetensors")["a"].tolist() == [1, 1, 1]


class Trap:
    def __reduce__(self):
        return print, ("code ran",)


def test_a_pickle_with_code_is_refused_and_the_code_does_not_run(tmp_path, capsys):
    torch.save({"model": Trap()}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="x.pth holds other things than tensors"):
        load_official(tmp_path / "x.pth")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n" * 9, b"hello\n"])
def test_a_file_that_is_no_checkpoint_gets_one_clear_line(tmp_path, content):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"^[^\n]*x\.pth[^\n]*$"):
        load_official(tmp_path / "x.pth")


def test_a_zip_of_something_else_gets_one_clear_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(WeightsError, match=r"^[^\n]*x\.pth[^\n]*$"):
        load_official(tmp_path / "x.pth")


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"there is no checkpoint .*x\.pth"):
        load_official(tmp_path / "x.pth")


def test_keys_of_no_paper_are_refused_with_each_papers_reason():
    with pytest.raises(WeightsError, match=r"x.pth fits none of the networks known here \(a2u: "):
        identify({"backbone.weight": torch.zeros(1)}, name="x.pth")


def test_an_existing_target_is_kept(tmp_path):
    (tmp_path / "y.safetensors").write_bytes(b"old")
    with pytest.raises(OutputError, match="y.safetensors: exists already"):
        convert_checkpoint(tmp_path / "x.pth", tmp_path / "y.safetensors")
    assert (tmp_path / "y.safetensors").read_bytes() == b"old"
