import os
import stat

import pytest

from maskwright.errors import OutputError
from maskwright.runs.publish import publish


def test_the_file_holds_the_content_and_nothing_else_is_left(tmp_path):
    publish(tmp_path / "a.json", b"{}")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == b"{}"


def test_an_existing_file_is_kept_unless_it_may_be_replaced(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(b"old")
    with pytest.raises(OutputError, match="a.json exists; give another name or --overwrite"):
        publish(file, b"new", overwrite=False)
    assert file.read_bytes() == b"old"
    publish(file, b"new", overwrite=True)
    assert file.read_bytes() == b"new"


def test_a_missing_folder_is_named_in_one_line(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*a\.json \(No such file or directory\)"):
        publish(tmp_path / "absent" / "a.json", b"")


def test_a_failed_rename_leaves_nothing_behind(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        publish(tmp_path / "a.json", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions_follow_the_umask(tmp_path):
    publish(tmp_path / "a", b"")
    (tmp_path / "b").write_bytes(b"")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "b").stat().st_mode
    )
