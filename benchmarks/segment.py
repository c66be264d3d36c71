"""Time and memory of Mask2Former beside the one of transformers, and of what they are made.

python -m benchmarks.segment [--backbones swin-t r50] [--repeats 5] [--threads 2]

Networks see 512 x 512 and have the same random weights, drawn from a fixed seed and carried over by
`convert`; forms take turns in one run, medians count. Post-processing by itself makes a panoptic
map of 3000 x 4000 of 15 queries that are sure of their class: of objects side by side, and of
noise, which has an edge in every cell. Memory is the peak of what is resident above the loaded
network, of two runs in a process of their own. Writes benchmarks/results/segment.md and adds to
segment.csv.
"""

import argparse
import copy
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.click import as_used, in_turns
from benchmarks.matte import forget_peak, peak_bytes
from benchmarks.record import RESULTS, append_csv, provenance
from maskwright.formats.classes import published_classes
from maskwright.inference.device import computes_bf16
from maskwright.inference.enlarging import Sizes
from maskwright.inference.queries import OVERLAP, SCORE, Queries, panoptic
from maskwright.layers.conv import folded
from maskwright.models import mask2former
from maskwright.models.mask2former.config import R50, SWIN_T, Config

SIDE = 512
KEPT, SURE = 15, 12.0  # queries that are kept, and their logit
PHOTO, SEEN, PADDED, MASKS = (3000, 4000), (800, 1067), (800, 1088), (200, 272)
BACKBONES = {"swin-t": SWIN_T, "r50": R50}
HUB, OURS, HALF = "transformers, fp32", "Maskwright, fp32", "Maskwright, bf16"
HUB_HALF = "transformers, bf16"
MASK_KINDS = ("objects", "noise")
PARTS = ("backbone", "pixel decoder", "masked-attention decoder", "post-processing")
Form = Callable[[], Any]


class Line(NamedTuple):
    """One measured form: medians and peaks, and shares of what they are compared with."""

    what: str
    form: str
    milliseconds: float
    spread: str
    time_share: str
    extra_mib: str = ""
    memory_share: str = ""
    note: str = ""


def hub_network(config: Config) -> Any:
    """Return the Mask2Former of transformers, every parameter drawn from a fixed seed.

    Its ResNet is transformers' own; that of timm would need torchvision.
    """
    transformers: Any = import_module("transformers")
    transformers.logging.set_verbosity_error()  # it says that ResNets are not usual
    stages = [f"stage{number}" for number in range(1, 5)]
    if config.backbone == "resnet":
        backbone = transformers.ResNetConfig(depths=[*config.depths], out_features=stages)
    else:
        backbone = transformers.SwinConfig(
            embed_dim=config.embed,
            depths=[*config.depths],
            num_heads=[*config.swin_heads],
            window_size=config.window,
            out_features=stages,
        )
    whole = transformers.Mask2FormerConfig(
        backbone_config=backbone, num_queries=config.queries, num_labels=config.classes
    )
    torch.manual_seed(0)
    model = transformers.Mask2FormerForUniversalSegmentation(whole).eval().requires_grad_(False)
    draw(model)
    return model


@torch.no_grad()
def draw(model: nn.Module) -> None:
    """Draw parameters that are alike or zero at first, so that every part has something to do."""
    generator = torch.Generator().manual_seed(0)
    for name, value in model.named_parameters():
        if value.ndim == 1 and "backbone" not in name:
            value.add_(0.1 * torch.randn(value.shape, generator=generator))
        elif "sampling_offsets" in name or "attention_weights" in name:
            value.copy_(torch.randn(value.shape, generator=generator) / value.shape[1] ** 0.5)


def our_network(official: Mapping[str, Tensor], dtype: torch.dtype) -> nn.Module:
    """Return our network with weights of the hub, as `Segmenter` has it."""
    model = mask2former.build(mask2former.infer_config(official))
    model.load_state_dict(mask2former.convert(official))
    return folded(model).requires_grad_(False).to(dtype)


def network_forms(config: Config) -> dict[str, tuple[Any, torch.dtype]]:
    """Return the networks that are compared, and what they compute in."""
    hub = hub_network(config)
    official = hub.state_dict()
    forms = {HUB: (hub, torch.float32), OURS: (our_network(official, torch.float32), torch.float32)}
    if computes_bf16():
        half = torch.bfloat16
        forms[HUB_HALF] = copy.deepcopy(hub).to(half), half
        forms[HALF] = our_network(official, half), half
    return forms


def asked(name: str, network: Any, x: Tensor) -> Form:
    """Return what asks a network for its logits."""
    if name in (HUB, HUB_HALF):
        return partial(network, pixel_values=x)
    return as_used(partial(network, x))


def logits(found: Any) -> tuple[Tensor, Tensor]:
    """Return the logits of classes and masks, of either network."""
    if hasattr(found, "class_logits"):
        return found.class_logits.float(), found.mask_logits.float()
    return found.class_queries_logits.float(), found.masks_queries_logits.float()


def measure_network(name: str, *, repeats: int, after: Mapping[str, float]) -> list[Line]:
    """Return the times of the networks with one backbone, and of their parts.

    Args:
        name: Of the backbone.
        repeats: How often each is asked.
        after: Milliseconds of post-processing, the fourth part, by form.
    """
    networks = network_forms(BACKBONES[name])
    x = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    forms = {form: asked(form, net, x.to(dtype)) for form, (net, dtype) in networks.items()}
    answers = {form: logits(ask()) for form, ask in forms.items()}
    parts = {form: timed_parts(networks[form][0]) for form in forms}
    taken = in_turns(forms, repeats)
    slow, lines = statistics.median(taken[HUB]), []
    for form, times in taken.items():
        note = "" if form == HUB else off_by(answers[form], answers[HUB])
        lines.append(_line(title("network", name), form, times, slow, note=note))
    for form in (HUB, OURS, HALF):
        if form in taken:
            lines += part_lines(name, form, parts[form], after[HUB if form == HUB else OURS])
    return lines


def off_by(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> str:
    """Return the largest differences in words."""
    pairs = zip(("class", "mask"), found, expected, strict=True)
    return "; ".join(
        f"{kind} logits within {float((one - other).abs().max()):.0e}"
        f" of {float(other.abs().max()):.0f}"
        for kind, one, other in pairs
    )


def timed_parts(network: Any) -> dict[str, list[float]]:
    """Return where the milliseconds of the three parts are noted whenever a network is asked."""
    if hasattr(network, "backbone"):
        parts = network.backbone, network.pixel_decoder, network.decoder
    else:
        pixels, queries = network.model.pixel_level_module, network.model.transformer_module
        parts = pixels.encoder, pixels.decoder, queries
    taken: dict[str, list[float]] = {}
    for name, part in zip(PARTS, parts, strict=False):
        times = taken[name] = []
        part.register_forward_pre_hook(lambda *_, times=times: times.append(-time.perf_counter()))
        part.register_forward_hook(lambda *_, times=times: _stop(times))
    return taken


def _stop(times: list[float]) -> None:
    times[-1] = (times[-1] + time.perf_counter()) * 1000


def part_lines(
    name: str, form: str, taken: Mapping[str, Sequence[float]], after: float
) -> list[Line]:
    """Return the times of the parts, the first of each being its warm-up."""
    whole = sum(statistics.median(times[1:]) for times in taken.values()) + after
    lines = [_line(f"{name}, {part}", form, times[1:], whole) for part, times in taken.items()]
    note = f"to a map of {PHOTO[0]} x {PHOTO[1]}, see above"
    return [*lines, _line(f"{name}, {PARTS[-1]}", form, [after], whole, note=note)]


def inject(kind: str) -> tuple[Tensor, Tensor]:
    """Return logits of classes and masks of 100 queries, 15 of them sure of a class.

    Args:
        kind: "objects" lie side by side, soft at their edges and overlapping a little; "noise"
            has nothing in common from one cell to the next.
    """
    generator = torch.Generator().manual_seed(0)
    classes = torch.zeros(R50.queries, R50.classes + 1)
    kept = torch.arange(KEPT) * 6
    classes[:, -1] = SURE
    classes[kept, -1], classes[kept, 8 * torch.arange(KEPT)] = 0, SURE
    masks = 3 * torch.randn(R50.queries, *MASKS, generator=generator)
    if kind == "objects":
        rows, columns = torch.linspace(0, 3, MASKS[0]), torch.linspace(0, 5, MASKS[1])
        for index, query in enumerate(kept.tolist()):
            down, across = index // 5 + 0.5, index % 5 + 0.5
            far = (rows[:, None] - down) ** 2 + (columns - across) ** 2
            masks[query] = masks[query] / 6 + (8 - 30 * far).clamp_min(-8)
    return classes, masks


def painted(form: str, kind: str) -> Form:
    """Return what makes a panoptic map of injected queries and gives the number of segments."""
    classes, masks = inject(kind)
    names = published_classes("coco-panoptic")
    if form == OURS:
        found = Queries(classes, masks, Sizes(MASKS, PADDED, SEEN, PHOTO))

        def ours() -> int:
            segmentation = panoptic(found, names)
            segmentation.label_map()
            return len(segmentation.segments)

        return as_used(ours)
    module = "transformers.models.mask2former.image_processing_pil_mask2former"
    hub: Any = import_module(module).Mask2FormerImageProcessorPil()
    output = SimpleNamespace(class_queries_logits=classes[None], masks_queries_logits=masks[None])
    stuff = {label for label, is_thing in enumerate(names.is_thing) if not is_thing}

    def hub_s() -> int:
        answer = hub.post_process_panoptic_segmentation(
            output,
            threshold=SCORE,
            overlap_mask_area_threshold=OVERLAP,
            label_ids_to_fuse=stuff,
            target_sizes=[PHOTO],
        )
        return len(answer[0]["segments_info"])

    return hub_s


def measure_painting(kind: str, *, repeats: int) -> tuple[list[Line], dict[str, float]]:
    """Return the times of post-processing, and their medians by form."""
    forms = {form: painted(form, kind) for form in (HUB, OURS)}
    taken = in_turns(forms, repeats)
    medians = {form: statistics.median(times) for form, times in taken.items()}
    lines = []
    for form, times in taken.items():
        note = f"{forms[form]()} segments"
        lines.append(_line(title("painting", kind), form, times, medians[HUB], note=note))
    return lines, medians


def title(what: str, which: str) -> str:
    """Return what a line of the table measures."""
    if what == "network":
        return f"{SIDE} x {SIDE}, {which}"
    return f"{PHOTO[0]} x {PHOTO[1]}, {KEPT} of {which}"


def weighed(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with the memory of what takes any of its own."""
    kinds = [("painting", kind) for kind in MASK_KINDS] + [("network", name) for name in BACKBONES]
    by_title = {title(*kind): kind for kind in kinds}
    found, most = [], 0
    for each in lines:
        if each.what in by_title:
            extra = extra_bytes(*by_title[each.what], each.form)
            most = extra if each.form == HUB else most  # which comes first
            share = f"{extra / most:.0%}"
            each = each._replace(extra_mib=f"{extra / 2**20:.0f}", memory_share=share)
        found.append(each)
    return found


def extra_bytes(what: str, which: str, form: str) -> int:
    """Return the peak of memory of a form, measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.segment", "--measure", what, which, form]
    command += ["--threads", str(torch.get_num_threads())]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(json.loads(result.stdout.splitlines()[-1]))


def measure(what: str, which: str, form: str) -> int:
    """Return the peak of memory in two runs, above what is resident before."""
    if what == "painting":
        work = painted(form, which)
    else:
        config = BACKBONES[which]
        dtype = torch.bfloat16 if form in (HUB_HALF, HALF) else torch.float32
        if form in (HUB, HUB_HALF):
            network = hub_network(config).to(dtype)
        else:  # with weights of its own, as those of another would stay resident
            network = folded(mask2former.build(config)).requires_grad_(False).to(dtype)
        work = asked(form, network, torch.randn(1, 3, SIDE, SIDE, dtype=dtype))
    give_back()
    before = forget_peak()
    for _ in range(2):
        work()
    return peak_bytes() - before


def give_back() -> None:
    """Give back what building the network left unused, where the system's library can."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "malloc_trim"):
        assert libc is not None
        libc.malloc_trim(0)


def _line(what: str, form: str, taken: Sequence[float], of: float, *, note: str = "") -> Line:
    """Return a line of the table, with its share of another time."""
    middle, spread = statistics.median(taken), f"{min(taken):.0f} to {max(taken):.0f}"
    return Line(what, form, middle, spread, f"{middle / of:.0%}", note=note)


def write(lines: Sequence[Line], threads: int) -> None:
    """Print the table and write it, and add a row for each line to the CSV."""
    run = provenance("segment")
    page = ["# Mask2Former beside transformers", ""]
    page += [f"- {name}: `{value}`" for name, value in run.items()]
    page += [f"- threads: {threads}", ""]
    page += ["| what | form | ms, median | from, to | share | extra MiB | share | |"]
    page += ["|---|---|--:|--:|--:|--:|--:|---|"]
    for each in lines:
        cells = (each.what, each.form, f"{each.milliseconds:.0f}", *each[3:])
        page.append(f"| {' | '.join(cells)} |")
        row = each._asdict() | {"milliseconds": f"{each.milliseconds:.1f}", "threads": threads}
        append_csv(RESULTS / "segment.csv", row | run)
    print("\n".join(page))
    (RESULTS / "segment.md").write_text("\n".join([*page, ""]))


def main() -> None:
    """Measure what is asked for, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbones", nargs="*", choices=BACKBONES, default=[*BACKBONES])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        if options.measure:
            print(json.dumps(measure(*options.measure)))
            return
        lines, medians = measure_painting(MASK_KINDS[0], repeats=options.repeats)
        lines += measure_painting(MASK_KINDS[1], repeats=options.repeats)[0]
        for name in options.backbones:
            lines += measure_network(name, repeats=options.repeats, after=medians)
        lines = weighed(lines)
    write(lines, options.threads)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
