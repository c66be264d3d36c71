import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_comparison_writes_a_line_for_each_operator_asked_for(tmp_path):
    words = ["--operators", "nearest", "a2u_mini", "--steps", "1", "--batch", "2", "--drawn", "14"]
    output = tmp_path / "table.md"
    command = [sys.executable, "-m", "benchmarks.reconstruction", *words, "-o", str(output)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environment)
    page = output.read_text()
    assert "- command: `python -m benchmarks.reconstruction --operators nearest" in page
    assert all(f"- {key}: `" in page for key in ("date", "commit", "device"))
    assert "12 pictures drawn to train on, 2 held out" in page
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| ")][1:]
    assert [row[0].strip() for row in rows] == ["nearest", "a2u_mini"]
    assert [row[2].strip() for row in rows][0] == "0"
    assert all(0 < float(row[3]) < 40 and -1 < float(row[4]) < 1 for row in rows)
