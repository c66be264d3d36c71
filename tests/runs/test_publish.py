import hashlib

import pytest

from maskwright.errors import OutputError
from maskwright.runs.publish import publish, sweep


def test_files_of_one_item_are_written_with_their_sums(tmp_path):
    sums = publish(tmp_path, {"deep/a.png": b"one", "deep/a.json": b"two"}, overwrite=False)
    assert (tmp_path / "deep/a.png").read_bytes() == b"one"
    assert sums["deep/a.json"] == hashlib.sha256(b"two").hexdigest()


def test_a_file_that_exists_stays_unless_it_may_be_replaced(tmp_path):
    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(OutputError, match="exists already"):
        publish(tmp_path, {"a.png": b"new"}, overwrite=False)
    assert (tmp_path / "a.png").read_bytes() == b"old"
    publish(tmp_path, {"a.png": b"new"}, overwrite=True)
    assert (tmp_path / "a.png").read_bytes() == b"new"


def test_what_a_killed_run_left_is_swept_and_nothing_else(tmp_path):
    for name in (".maskwright-0f.part", "a.part", "a.png"):
        (tmp_path / name).touch()
    assert sweep([tmp_path, tmp_path / "none"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.part", "a.png"]


def test_only_an_owner_sweeps_what_is_its_own(tmp_path):
    names = [".maskwright-0f.part", ".maskwright.one.0f.part", ".maskwright.two.0f.part"]
    for name in names:
        (tmp_path / name).touch()
    assert sweep([tmp_path], owner="one") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [names[0], names[2]]
    assert sweep([tmp_path]) == 1
    assert [path.name for path in tmp_path.iterdir()] == [names[2]]


def test_nothing_is_left_of_what_cannot_be_written(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OutputError, match="a.png: expected the name of a file, got a folder"):
        publish(tmp_path, {"a.png": b"new"}, overwrite=True)
    with pytest.raises(OutputError, match="expected a place to write, got an error"):
        publish(tmp_path, {"a\0.png": b"new"}, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
