import os
import stat
import threading
from pathlib import Path

import pytest

from maskwright.errors import OutputError
from maskwright.image.publish import atomic_write, check_target


def test_the_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "result.png"
    with atomic_write(path, overwrite=False) as stream:
        stream.write(b"half")
        stream.flush()
        assert not path.exists()
        stream.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert os.listdir(tmp_path) == ["result.png"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_nothing_is_left_and_the_old_file_stays(tmp_path, overwrite, error):
    path = tmp_path / "result.png"
    if overwrite:
        path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path, overwrite=overwrite) as stream:
        stream.write(b"new")
        raise error
    assert os.listdir(tmp_path) == (["result.png"] if overwrite else [])
    if overwrite:
        assert path.read_bytes() == b"old"


def test_an_existing_file_is_kept_unless_it_may_be_replaced(tmp_path):
    path = tmp_path / "result.png"
    path.write_bytes(b"old")
    with (
        pytest.raises(OutputError, match=r"result.png: exists already; .* --overwrite"),
        atomic_write(path, overwrite=False),
    ):
        pytest.fail("the block must not run")
    assert path.read_bytes() == b"old"
    with atomic_write(path, overwrite=True) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"new"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "result.png"
    with (
        pytest.raises(OutputError, match="exists already"),
        atomic_write(path, overwrite=False) as stream,
    ):
        stream.write(b"mine")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["result.png"]


def test_of_many_writers_one_wins_and_the_file_is_whole(tmp_path):
    path, refused = tmp_path / "result.png", []

    def write(letter):
        try:
            with atomic_write(path, overwrite=False) as stream:
                stream.write(letter * 10_000)
        except OutputError as error:
            refused.append(error)

    threads = [threading.Thread(target=write, args=(bytes([65 + i]),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    assert path.read_bytes() in {bytes([65 + i]) * 10_000 for i in range(8)}
    assert os.listdir(tmp_path) == ["result.png"]


def test_missing_folders_are_made(tmp_path):
    with atomic_write(tmp_path / "a" / "b" / "result.png", overwrite=False) as stream:
        stream.write(b"new")
    assert (tmp_path / "a" / "b" / "result.png").read_bytes() == b"new"


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_permissions_follow_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "result.png", overwrite=False):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "result.png").stat().st_mode) == 0o666 & ~umask


def test_folders_and_devices_are_never_replaced(tmp_path):
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="expected the name of a file, got a folder"):
            check_target(tmp_path, overwrite=overwrite)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="got a pipe or device; choose another name"):
        check_target(tmp_path / "pipe", overwrite=True)
    with pytest.raises(OutputError, match="got a pipe or device"):
        check_target("/dev/null", overwrite=True)


def test_a_link_that_leads_nowhere_may_be_replaced_or_not(tmp_path):
    path = tmp_path / "link.png"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists already"):
        check_target(path, overwrite=False)
    with atomic_write(path, overwrite=True) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(
    "name", ["file/result.png", "nul\0.png", "x" * 300 + ".png", "y" * 300 + "/result.png"]
)
def test_a_place_that_cannot_be_written_to_is_one_clear_error(tmp_path, name):
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(OutputError, match="expected a place to write, ") as caught,
        atomic_write(tmp_path / name, overwrite=True) as stream,
    ):
        stream.write(b"new")
    assert "\n" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_one_clear_error(tmp_path):
    with (
        pytest.raises(OutputError, match="result.png: .*: No space left on device"),
        atomic_write(tmp_path / "result.png", overwrite=False),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert os.listdir(tmp_path) == []


def test_a_folder_without_permission_is_one_clear_error(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write anywhere")
    with (
        pytest.raises(OutputError, match="nothing may be written"),
        atomic_write(folder / "result.png", overwrite=False),
    ):
        pass


def test_a_place_is_checked_before_any_work(tmp_path, monkeypatch):
    check_target(tmp_path / "new" / "newer" / "a.png", overwrite=False)  # can be made
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="a.png: expected a place to write, .*file is a file"):
        check_target(tmp_path / "file" / "a.png", overwrite=True)
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != tmp_path
    )  # root may write anywhere
    with pytest.raises(
        OutputError, match="a.png: expected a place to write, nothing may be written"
    ):
        check_target(tmp_path / "new" / "a.png", overwrite=True)
    assert os.listdir(tmp_path) == ["file"]
