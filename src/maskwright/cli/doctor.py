"""The verb `doctor`: whether this machine can do the work, and if not, what to do."""

import json as jsonlib
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import distributions, version
from importlib.util import find_spec
from pathlib import Path

import maskwright
from maskwright.cli import flags
from maskwright.cli.progress import DONE, FAILED, one_line
from maskwright.weights.catalog import list_weights
from maskwright.weights.download import cache_folder, find_file, is_offline, verify

PACKAGES = ("numpy", "scipy", "pillow", "opencv-python-headless", "tifffile", "safetensors")
EXTRAS = {"train": ("accelerate", "tensorboard"), "heif": ("pillow_heif",)}


@dataclass(frozen=True)
class Finding:
    """One line of the report; `fine` is False where something has to be done."""

    about: str
    text: str
    fine: bool = True


def doctor(*, device: flags.Device = "auto", json: flags.Json = False) -> int:
    """Check what this machine can do.

    Looks at packages, device, cache folder and weights, then cuts out a disc.
    """
    findings = []
    for about, check in _checks(device).items():
        try:
            found = [Finding(about, *line) for line in check()]
        except Exception as error:  # a broken package must not hide the other findings
            found = [Finding(about, f"{type(error).__name__}: {one_line(error)}", fine=False)]
        findings += found
        for finding in found if not json else ():
            mark = "ok" if finding.fine else "!!"
            print(f"{mark}  {finding.about:<10}{finding.text}", flush=True)
    if json:
        print(jsonlib.dumps([asdict(finding) for finding in findings], indent=1))
    return DONE if all(finding.fine for finding in findings) else FAILED


Lines = Iterator[tuple[str, bool]]


def _checks(device: str) -> dict[str, Callable[[], Lines]]:
    return {
        "python": _python,
        "packages": _packages,
        "opencv": _opencv,
        "extras": _extras,
        "cache": _cache,
        "weights": _weights,
        "torch": _torch,
        "device": lambda: _device(device),
        "self-test": lambda: _self_test(device),
    }


def _python() -> Lines:
    where = f"{platform.system()} {platform.machine()}"
    yield (
        f"maskwright {maskwright.__version__}, Python {platform.python_version()} on {where}",
        True,
    )


def _packages() -> Lines:
    yield ", ".join(f"{name} {version(name)}" for name in PACKAGES), True


def _opencv() -> Lines:
    names = {dist.name.lower().replace("_", "-") for dist in distributions() if dist.name}
    found = sorted(name for name in names if name.startswith("opencv-"))
    if len(found) > 1:
        extra = " ".join(name for name in found if name != "opencv-python-headless")
        yield (
            f"{', '.join(found)} overwrite each other; pip uninstall {extra}, then reinstall",
            False,
        )
    else:
        yield ", ".join(found), True


def _extras() -> Lines:
    for extra, modules in EXTRAS.items():
        absent = [name for name in modules if find_spec(name) is None]
        yield (
            f"{extra}: "
            + (f"not installed (pip install 'maskwright[{extra}]')" if absent else "yes"),
            True,
        )


def _cache() -> Lines:
    folder = cache_folder()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK):
        yield f"{folder}{', network off' if is_offline() else ''}", True
    else:
        yield f"{folder} cannot be written; set MASKWRIGHT_HOME to a folder that can", False


def _weights() -> Lines:
    for row in list_weights():
        path = find_file(row)
        if path:
            verify(row, path)
            yield f"{row.name}: right", True
        elif row.embedded:
            yield f"{row.name}: missing from the package; reinstall maskwright", False


def _torch() -> Lines:
    import torch

    yield f"{torch.__version__}, {torch.get_num_threads()} threads of {os.cpu_count()} cores", True


def _device(wanted: str) -> Lines:
    from maskwright.inference.device import choose_device

    device = choose_device(wanted)
    yield f"{device}", True
    if device.type == "cpu" and Path("/dev/nvidia0").exists():
        yield (
            "an NVIDIA GPU is here, but this torch cannot use it; see pytorch.org for one that can",
            False,
        )


def _self_test(device: str) -> Lines:
    import numpy as np

    from maskwright.inference.matte import Matter

    start = time.perf_counter()
    rows, columns = np.mgrid[:97, :127]
    distance = np.hypot(rows - 48, columns - 63)
    inside = np.clip((30 - distance) / 4 + 0.5, 0, 1)[..., None]
    image = (inside * (0.9, 0.7, 0.1) + (1 - inside) * (0.1, 0.2, 0.6)).astype(np.float32)
    trimap = np.select([distance < 22, distance > 38], [255, 0], 128).astype(np.uint8)
    alpha = Matter.load("a2u-mini", device=device).matte(image, trimap).alpha
    error = float(np.abs(alpha - inside[..., 0]).mean())
    seconds = time.perf_counter() - start
    yield f"a disc cut out in {seconds:.1f} s, mean error {error:.3f}", error < 0.05
