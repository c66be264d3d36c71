"""What a benchmark's numbers are kept with: when, from which commit, where, by which command."""

import csv
import datetime
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def provenance(benchmark: str, *, device: str = "cpu") -> dict[str, str]:
    """Return date, commit, device and command of this run of `benchmarks/<benchmark>.py`.

    Args:
        benchmark: The name of the file.
        device: What models run on, as PyTorch calls it; an accelerator is named too.
    """
    git = ["git", "-C", str(RESULTS.parent), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit or "unknown",
        "device": _processor() if device == "cpu" else f"{_accelerator(device)}; {_processor()}",
        "command": shlex.join(["python", "-m", f"benchmarks.{benchmark}", *sys.argv[1:]]),
    }


def _accelerator(device: str) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def _processor() -> str:
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    allowed = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(allowed(0)) if allowed else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS")
    return f"{name}, {cores} cores" + (f", OMP_NUM_THREADS={threads}" if threads else "")


def append_csv(file: Path, row: Mapping[str, object]) -> None:
    """Add a row to a CSV file; a new file gets a header first.

    Raises:
        ValueError: If the file has another header.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", newline="") as lines:
        lines.seek(0)
        header = next(csv.reader(lines), None)
        if header not in (None, list(row)):
            raise ValueError(
                f"{file} must have the columns {list(row)}, got {header}; move it away"
            )
        writer = csv.DictWriter(lines, list(row))
        if header is None:
            writer.writeheader()
        writer.writerow(row)
