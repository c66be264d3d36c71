import json

from maskwright.cli.doctor import _opencv, _run
from maskwright.cli.main import run


def test_the_report_covers_every_part_and_the_cpu_computes(capsys):
    code = run(["doctor", "--json"])
    findings = json.loads(capsys.readouterr().out)
    assert list(dict.fromkeys(finding["about"] for finding in findings)) == [
        "python",
        "packages",
        "opencv",
        "extras",
        "cache",
        "weights",
        "torch",
        "device",
        "self-test",
    ]
    assert "cpu computes" in [finding["text"] for finding in findings]
    assert code == (0 if all(finding["fine"] for finding in findings) else 2)


def test_a_sound_machine_is_told_so_line_by_line(capsys):
    assert run(["doctor", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("ok  ") for line in lines)
    assert "a disc cut out" in lines[-1]


def test_a_device_that_is_not_there_is_a_finding(capsys):
    assert run(["doctor", "--device", "cuda:99"]) == 2
    assert (
        "!!  device    cuda:99 is not usable by this torch; choose cpu" in capsys.readouterr().out
    )


def test_a_cache_folder_that_cannot_be_written_is_a_finding(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path / "file" / "home"))
    assert run(["doctor"]) == 2
    assert "home cannot be written; set MASKWRIGHT_HOME" in capsys.readouterr().out


def test_two_packages_of_opencv_are_a_finding(tmp_path, monkeypatch):
    for name in ("opencv_python", "opencv_python_headless"):
        folder = tmp_path / f"{name}-4.10.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 4.10.0\n")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    (_, _), (text, fine) = _opencv()
    assert not fine and "pip uninstall opencv-python opencv-python-headless" in text


def test_a_broken_package_is_a_finding_and_keeps_what_was_found_before():
    def check():
        yield "first", True
        raise ImportError("libfoo.so:\n cannot open")

    assert [(finding.text, finding.fine) for finding in _run("torch", check)] == [
        ("first", True),
        ("ImportError: libfoo.so: cannot open", False),
    ]
