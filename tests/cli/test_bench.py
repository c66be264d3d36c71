import maskwright
from maskwright.cli.main import run

PROGRAM = '''"""How long nothing takes.

More.
"""

import sys
from pathlib import Path

from benchmarks.record import RESULT

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(" ".join([RESULT, *sys.argv[2:]]))
    sys.exit("--fail" in sys.argv)
'''


def checkout(tmp_path, monkeypatch):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "nothing.py").write_text(PROGRAM)
    (tmp_path / "benchmarks" / "record.py").write_text('"""Helps."""\nRESULT = "0 ms"\n')
    monkeypatch.setattr(maskwright, "__file__", str(tmp_path / "src" / "maskwright" / "x.py"))


def test_the_benchmarks_of_this_checkout_are_listed(capsys):
    assert run(["bench"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert {"a2u", "click", "matte", "segment", "throughput"} <= lines.keys()
    assert lines["click"].startswith("How fast clicks are answered")
    assert "record" not in lines and "interformer_baseline" not in lines


def test_a_benchmark_runs_with_flags_of_its_own(tmp_path, monkeypatch):
    checkout(tmp_path, monkeypatch)
    told = tmp_path / "told.txt"
    assert run(["bench", "nothing", str(told), "--repeats", "3", "--only", "a", "b"]) == 0
    assert told.read_text() == "0 ms --repeats 3 --only a b"
    assert run(["bench", "nothing", str(told), "--fail"]) == 2


def test_what_is_no_benchmark_and_what_is_no_checkout_are_told(tmp_path, monkeypatch, capsys):
    assert run(["bench", "nix"]) == 1
    assert "there is no benchmark nix; `maskwright bench` lists" in capsys.readouterr().err
    monkeypatch.setattr(maskwright, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    assert run(["bench"]) == 1
    assert "come with a checkout" in capsys.readouterr().err
