"""Time and memory of ViT-S matting: routed, in bounded steps, beside ViTMatte of transformers.

python -m benchmarks.matte [--sides 1024 1408] [--megapixels 0.5 2 8 29] [--repeats 3]

One fixed trimap: a band across the image, 30 % of it unknown. A quarter of the tokens attend
globally, the same in every routed run; weights are random. Each figure is from a process of its
own: the best time of some runs, and the peak of resident memory over what it was once everything
was imported and built. Writes benchmarks/results/matte.md.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.record import RESULTS, provenance
from maskwright.inference.memory import resident_bytes

if TYPE_CHECKING:
    from torch import Tensor

METHODS = {
    "hub": "ViTMatte-S, transformers",
    "ours": "MEMatte-S, every tile decoded",
    "skipping": "MEMatte-S, tiles with unknown pixels",
}
KEPT, UNKNOWN = 0.25, 0.3
HEADER = "| size | method | seconds | of the time | extra memory, MiB | of the memory |"


def main() -> None:
    """Measure what is asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sides", type=int, nargs="*", default=[1024, 1408], help="beside the hub")
    parser.add_argument("--megapixels", type=float, nargs="*", default=[0.5, 2, 8, 29])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        method, height, width = options.measure
        print(json.dumps(measure(method, (int(height), int(width)), options.repeats)))
        return
    run = provenance("matte")
    page = ["# Matting with ViT-S", "", *(f"- {key}: `{value}`" for key, value in run.items())]
    page += ["", "## Beside ViTMatte", "", HEADER, "|---|---|--:|--:|--:|--:|"]
    for side in options.sides:
        page += compared((side, side), options.repeats)
    page += ["", "## Alone", "", "| megapixels | seconds | extra memory, MiB | bytes a pixel |"]
    page += ["|--:|--:|--:|--:|"]
    for megapixels in options.megapixels:
        height = round(math.sqrt(megapixels * 1e6 * 4872 / 6017))
        size = height, round(megapixels * 1e6 / height)
        seconds, extra = in_process("skipping", size, 1)
        each = extra / (size[0] * size[1])
        page.append(f"| {megapixels:g} | {seconds:.2f} | {extra / 2**20:.0f} | {each:.0f} |")
        print(page[-1], flush=True)
    (RESULTS / "matte.md").write_text("\n".join([*page, ""]))


def compared(size: tuple[int, int], repeats: int) -> list[str]:
    """Return a row for each method, relative to the first."""
    rows: list[str] = []
    first = (0.0, 0.0)
    for method, name in METHODS.items():
        seconds, extra = in_process(method, size, repeats)
        first = first if rows else (seconds, extra)
        shares = f"{seconds / first[0]:.0%}", f"{extra / first[1]:.0%}"
        row = f"| {size[0]}² | {name} | {seconds:.2f} | {shares[0]} |"
        rows.append(f"{row} {extra / 2**20:.0f} | {shares[1]} |")
        print(rows[-1], flush=True)
    return rows


def in_process(method: str, size: tuple[int, int], repeats: int) -> tuple[float, float]:
    """Return seconds and extra bytes, measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.matte", "--repeats", str(repeats)]
    command += ["--measure", method, *map(str, size)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, extra = json.loads(result.stdout.splitlines()[-1])
    return seconds, extra


def measure(method: str, size: tuple[int, int], repeats: int) -> tuple[float, float]:
    """Return the best of some times, and the peak of memory over that before the first run."""
    import torch

    torch.manual_seed(0)
    x = torch.randn(1, 4, *size)
    x[:, 3] = 0
    band = round(UNKNOWN * size[0])
    top = (size[0] - band) // 2
    x[:, 3, top : top + band], x[:, 3, top + band :] = 128 / 255, 1
    work = hub(x) if method == "hub" else ours(x, skip_known=method == "skipping")
    before = forget_peak()
    seconds = []
    with torch.inference_mode():
        for _ in range(repeats):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
    return min(seconds), peak_bytes() - before


def hub(x: "Tensor") -> Callable[[], object]:
    """Return what runs ViTMatte-S of transformers."""
    transformers: Any = import_module("transformers")
    windows = [0, 1, 3, 4, 6, 7, 9, 10]
    backbone = transformers.VitDetConfig(
        hidden_size=384,
        num_attention_heads=6,
        image_size=512,
        pretrain_image_size=224,
        num_channels=4,
        window_size=14,
        window_block_indices=windows,
        residual_block_indices=[2, 5, 8, 11],
        use_relative_position_embeddings=True,
        out_features=["stage12"],
    )
    config = transformers.VitMatteConfig(
        backbone_config=backbone,
        hidden_size=384,
        convstream_hidden_sizes=[48, 96, 192],
        fusion_hidden_sizes=[256, 128, 64, 32],
    )
    model = transformers.VitMatteForImageMatting(config).eval()
    return lambda: model(pixel_values=x)


def ours(x: "Tensor", *, skip_known: bool) -> Callable[[], object]:
    """Return what runs MEMatte-S in its usual steps."""
    from dataclasses import replace

    import torch

    from maskwright.inference.planning import STEPS, USUAL_STEP
    from maskwright.layers.conv import folded
    from maskwright.models import mematte
    from maskwright.models.mematte.model import padded_size

    model = folded(mematte.build(mematte.Config()))
    model.limits = replace(STEPS[USUAL_STEP], skip_known=skip_known)
    height, width = (side // 16 for side in padded_size(x.shape[2], x.shape[3]))
    keep = torch.zeros(1, 4, height * width, dtype=torch.bool)
    for router in range(4):
        keep[0, router, torch.randperm(height * width)[: round(KEPT * height * width)]] = True
    keep = keep.unflatten(2, (height, width))
    return lambda: model(x, keep=keep)


def forget_peak() -> int:
    """Begin the peak of resident memory anew, where the system can; return what is resident."""
    if sys.platform != "linux":
        return peak_bytes()
    Path("/proc/self/clear_refs").write_text("5")
    return resident_bytes()


def peak_bytes() -> int:
    """Return the peak of resident memory of this process."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
