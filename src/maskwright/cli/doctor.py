"""The verb `doctor`: whether this machine can do the work, and if not, what to do."""

import json as jsonlib
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import maskwright
from maskwright.cli import flags
from maskwright.cli.progress import DONE, FAILED
from maskwright.weights.catalog import list_weights
from maskwright.weights.download import cache_folder, find_file, is_offline, verify

PACKAGES = ("numpy", "scipy", "pillow", "opencv-python-headless", "tifffile", "safetensors")
EXTRAS = {
    "train": ("accelerate", "tensorboard"),
    "heif": ("pillow_heif",),
    "psd": ("psd_tools", "psdtags"),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "cluster": ("ray",),
}


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
        for finding in _run(about, check):
            findings.append(finding)
            if not json:
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


def _run(about: str, check: Callable[[], Lines]) -> Iterator[Finding]:
    try:
        for text, fine in check():
            yield Finding(about, text, fine)
    except Exception as error:  # a broken package must not hide what else there is to find
        yield Finding(about, " ".join(f"{type(error).__name__}: {error}".split()), fine=False)


def _python() -> Lines:
    system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield f"maskwright {maskwright.__version__}, {system}", True


def _packages() -> Lines:
    from importlib.metadata import version

    yield ", ".join(f"{name} {version(name)}" for name in PACKAGES), True


def _opencv() -> Lines:
    from importlib.metadata import distributions

    names = {dist.name.lower().replace("_", "-") for dist in distributions() if dist.name}
    found = sorted(name for name in names if name.startswith("opencv-"))
    yield ", ".join(found), True
    if len(found) > 1:
        remedy = f"pip uninstall {' '.join(found)}; pip install opencv-python-headless"
        yield f"they overwrite each other's cv2: {remedy}", False


def _extras() -> Lines:
    for extra, modules in EXTRAS.items():
        is_here = all(find_spec(name) for name in modules)
        yield f"{extra}: " + ("yes" if is_here else f"no; pip install 'maskwright[{extra}]'"), True


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
    import torch

    names = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        names.append("mps")
    for name in names:
        computes = float((torch.ones(3, 5, device=name) @ torch.ones(5, 7, device=name)).sum())
        yield f"{name} {'computes' if computes == 105 else 'computes wrongly'}", computes == 105
    if wanted != "auto" and not any(name.startswith(wanted) for name in names):
        yield f"{wanted} is not usable by this torch; choose {' or '.join(names)}", False
    if names == ["cpu"] and Path("/dev/nvidia0").exists():
        yield "an NVIDIA GPU is here, but this torch cannot use it: see pytorch.org", False


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
