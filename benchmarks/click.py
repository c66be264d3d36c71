"""How fast clicks are answered and photos encoded, and of what the time is made.

python -m benchmarks.click [--threads 2] [--repeats 15] [--clicks 50] [--model interformer-mini]

InterFormer-Light with random weights, beside its straightforward form (`interformer_baseline.py`,
written first and left alone); then a network whose encoder is small, through `Clicker`. Forms take
turns in one run; medians count. Run it on a machine that does nothing else. ONNX Runtime takes part
where the extra `onnx` is installed. Writes benchmarks/results/click.md and adds to click.csv.
"""

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import interformer_baseline as baseline
from benchmarks.record import RESULTS, append_csv, provenance
from maskwright.data.reference import unknown_map, with_clicks, with_prediction
from maskwright.inference.answer import Answer
from maskwright.inference.click import Clicker
from maskwright.inference.device import computes_bf16
from maskwright.inference.enlarge import enlarged_mask
from maskwright.inference.export import Exporter
from maskwright.inference.exported import ExportedDecoder, decoder_path
from maskwright.inference.features import ImageFeatures
from maskwright.inference.memory import resident_bytes, reused_memory
from maskwright.models import interformer
from maskwright.models.interformer.config import LIGHT
from maskwright.models.interformer.model import InterFormer
from maskwright.models.interformer.neck import embed
from maskwright.models.interformer.quick import Prepared, QuickDecoder
from maskwright.structures.click import Click
from maskwright.weights.catalog import list_weights
from maskwright.weights.load import load_model
from maskwright.weights.onnx import NEEDED

ROOT = Path(__file__).parents[1]
PARITY = ROOT / "tests" / "parity"
SIDE = 512
PAUSE_S = 0.3
ENCODED = (480, 640)
PHOTO = (3024, 4032)  # 12 megapixels
Mask = NDArray[np.bool_]
State = dict[str, Tensor]


class Line(NamedTuple):
    """One measured form: medians, and what they are compared with."""

    what: str
    form: str
    milliseconds: float
    spread: str
    share: str = ""
    note: str = ""


def official_state() -> State:
    """Return random weights of Light under the official names."""
    spec = spec_from_file_location("fixture_weights", PARITY / "fixture_weights.py")
    assert spec is not None and spec.loader is not None
    fixtures = module_from_spec(spec)
    spec.loader.exec_module(fixtures)
    state: State = fixtures.state_dict_for(PARITY / "keys" / "interformer_light.txt")
    return state


def official_network(state: State) -> InterFormer:
    """Return the network of official weights."""
    model: InterFormer = interformer.build(interformer.infer_config(state))
    model.load_state_dict(interformer.convert(state))
    return model.eval().requires_grad_(False)


def in_turns(forms: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Return the milliseconds of each form, run in turns after a warm-up.

    Before each there is a pause, as between clicks: threads of the form before spin on for a while.
    """
    taken: dict[str, list[float]] = {name: [] for name in forms}
    for number in range(repeats + 1):
        for name, form in forms.items():
            time.sleep(PAUSE_S)
            started = time.perf_counter()
            form()
            if number:
                taken[name].append((time.perf_counter() - started) * 1000)
    return taken


def as_used(form: Callable[..., Any]) -> Callable[..., Any]:
    """Return a form that keeps its memory between layers, as `Clicker` lets it."""

    def run(*given: Any) -> Any:
        with reused_memory():
            return form(*given)

    return run


def line(what: str, form: str, taken: Sequence[float], **more: str) -> Line:
    """Return a line of the table."""
    spread = f"{min(taken):.1f} to {max(taken):.1f}"
    return Line(what, form, statistics.median(taken), spread, **more)


def dialogue(state: State, maps: Sequence[Tensor], clicks: int) -> list[NDArray[np.uint8]]:
    """Return the reference maps of a dialogue of random clicks with the straightforward form."""
    rng = np.random.default_rng(0)
    height, width = (4 * side for side in maps[0].shape[2:])
    reference, found = unknown_map((height, width)), []
    for _ in range(clicks):
        x, y, positive = rng.uniform(0, width), rng.uniform(0, height), rng.integers(2)
        reference = with_clicks(reference, [Click(x, y, bool(positive))])
        found.append(reference)
        mask = baseline.click(state, maps, torch.from_numpy(reference)[None, None])[0]
        reference = with_prediction(reference, mask.numpy())
    return found


def measure_decoder(state: State, model: InterFormer, *, repeats: int, clicks: int) -> list[Line]:
    """Return the times of one click in each form, and of its parts."""
    torch.manual_seed(0)
    maps = model.encode(torch.randn(1, 3, SIDE, SIDE))
    references = dialogue(state, maps, clicks)
    decoder = QuickDecoder(model)
    prepared = decoder.prepare(maps)
    forms: dict[str, Callable[[NDArray[np.uint8]], Mask]] = {
        "module by module": lambda each: baseline.click(state, maps, _batch(each))[0].numpy(),
        "PyTorch": lambda each: _mask(decoder.margin(prepared, _batch(each))[0, 0].numpy()),
    }
    if can_export():
        runtime = _exported(model, (SIDE, SIDE))
        forms["ONNX Runtime"] = lambda each: _mask(runtime.margins(prepared, each[None])[0])
    masks = {name: [form(each) for each in references] for name, form in forms.items()}
    forms["PyTorch"] = as_used(forms["PyTorch"])
    taken = in_turns({name: partial(form, references[-1]) for name, form in forms.items()}, repeats)
    straight = statistics.median(taken["module by module"])
    lines = []
    for name, times in taken.items():
        differing = _differing(masks[name], masks["module by module"])
        share = f"{statistics.median(times) / straight:.0%}"
        note = f"{differing} of {len(references) * SIDE**2} pixels differ"
        lines.append(line("one click, Light", name, times, share=share, note=note))
    return lines + measure_parts(decoder, prepared, references[-1], repeats)


def measure_parts(
    decoder: QuickDecoder, prepared: Prepared, reference: NDArray[np.uint8], repeats: int
) -> list[Line]:
    """Return the times of the parts of one click in plain PyTorch."""
    taken: dict[str, list[float]] = {}

    def timed(name: str, part: Callable[..., Any], *given: Any) -> Any:
        started = time.perf_counter()
        made = part(*given)
        taken.setdefault(name, []).append((time.perf_counter() - started) * 1000)
        return made

    states = torch.from_numpy(reference)
    with reused_memory():
        for _ in range(repeats + 1):
            x = timed("embedding", _embedded, decoder, prepared, states)
            read = []
            for index, (stage, pair) in enumerate(
                zip(decoder.quick_stages(), prepared.read, strict=True), 1
            ):
                x = timed(f"stage {index}", stage.read, x, pair)
                read.append(x)
                if stage.down is not None:
                    x = timed(f"halving {index}", stage.down, x)
            margin = timed("head", decoder.head, read)
            timed("enlargement", _mask, margin.numpy())
    medians = {name: statistics.median(times[1:]) for name, times in taken.items()}
    whole = sum(medians.values())
    return [
        line("its parts, PyTorch", name, times[1:], share=f"{medians[name] / whole:.0%}")
        for name, times in taken.items()
    ]


def measure_encoder(state: State, model: InterFormer, *, repeats: int) -> list[Line]:
    """Return the times of encoding beside the form that resamples the bias of positions."""
    torch.manual_seed(0)
    x = torch.randn(1, 3, *ENCODED)
    forms: dict[str, Callable[[], list[Tensor]]] = {
        "bias resampled": lambda: baseline.encode(state, x),
        "fp32": as_used(lambda: model.encode(x)),
    }
    if computes_bf16():
        half = official_network(state).to(torch.bfloat16)
        forms["bf16"] = as_used(lambda: half.encode(x.bfloat16()))
    expected, lines = forms["bias resampled"](), []
    taken = in_turns(forms, repeats)
    slow = statistics.median(taken["bias resampled"])
    for name, times in taken.items():
        off = max(
            float((a.float() - b).norm() / b.norm())
            for a, b in zip(forms[name](), expected, strict=True)
        )
        share = f"{statistics.median(times) / slow:.0%}"
        note = f"off by {off:.0e} of the maps' norm"
        lines.append(line("encoding 480 x 640, Light", name, times, share=share, note=note))
    return lines


def measure_clicker(name: str, *, repeats: int, clicks: int) -> list[Line]:
    """Return what a person waits for at a photo of 12 megapixels, and memory over the clicks."""
    model, config, note = small_network(name)
    photo = make_photo()
    clickers = {"PyTorch": Clicker(model, config, device="cpu")}
    features = clickers["PyTorch"].encode(photo)
    taken = in_turns({"PyTorch": lambda: clickers["PyTorch"].encode(photo)}, repeats)["PyTorch"]
    height, width = features.scale.seen
    lines = [line("encoding 12 megapixels", note, taken, note=f"seen as {width} x {height}")]
    clickers["PyTorch"].answer(features, [Click(5, 5)])  # finds no decoder in the cache folder
    if can_export():
        clickers["ONNX Runtime"] = Clicker(model, config, device="cpu")
        path = decoder_path(clickers["PyTorch"].weights, features.scale.padded)
        Exporter(model, config).export("decoder", features.scale.padded, path)
        clickers["ONNX Runtime"].answer(features, [Click(5, 5)])
    asked = {form: ask(each, features, clicks) for form, each in clickers.items()}
    for form, (times, masks, memory) in asked.items():
        pairs = zip(masks, asked["PyTorch"][1], strict=True)
        differing = sum(int(np.bitwise_count(a ^ b).sum()) for a, b in pairs)
        pixels = f"{differing} of {len(masks) * math.prod(PHOTO)} pixels differ from PyTorch's"
        grown = f"{memory[0] / 2**20:.0f} MiB after click 1, {memory[19] / 2**20:.0f} after 20"
        note = f"{pixels}; resident: {grown}"
        lines.append(line("a click to its 12-megapixel mask", form, times, note=note))
    return lines


def ask(
    clicker: Clicker, features: ImageFeatures, clicks: int
) -> tuple[list[float], list[NDArray[np.uint8]], list[int]]:
    """Return milliseconds to each mask, a few masks as bits, and resident bytes after clicks."""
    rng = np.random.default_rng(0)
    taken, masks, memory = [], [], []
    answer: Answer | None = None
    for number in range(max(clicks, 20)):
        x, y = rng.uniform(0, PHOTO[1]), rng.uniform(0, PHOTO[0])
        click = Click(x, y, bool(rng.integers(2)))
        previous = answer if number % 20 else None  # dialogues of twenty clicks
        started = time.perf_counter()
        answer = clicker.answer(features, [click], previous)
        mask = answer.mask
        taken.append((time.perf_counter() - started) * 1000)
        memory.append(resident_bytes())
        if number in (0, 7):
            masks.append(np.packbits(mask))  # an eighth, which memory hardly feels
    return taken, masks, memory


def small_network(name: str) -> tuple[InterFormer, Any, str]:
    """Return a network by name, or one with random weights until that name has some."""
    if any(row.name == name for row in list_weights()) or Path(name).is_file():
        model, _, config = load_model(name)
        assert isinstance(model, InterFormer)
        return model, config, name
    from maskwright.models.interformer.config import MINI

    torch.manual_seed(0)
    return interformer.build(MINI).eval(), MINI, "mini, random weights"


def make_photo() -> NDArray[np.uint8]:
    """Return a decoded photo: smooth, with noise."""
    import cv2

    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
    smooth = cv2.resize(coarse, PHOTO[::-1], interpolation=cv2.INTER_CUBIC)
    noise = rng.integers(0, 8, (*PHOTO, 1), np.uint8)
    return np.asarray(cv2.add(smooth, np.repeat(noise, 3, 2)), np.uint8)


def can_export() -> bool:
    """Say whether the extra `onnx` is installed."""
    return all(find_spec(name) for name in NEEDED)


def _exported(model: InterFormer, size: tuple[int, int]) -> ExportedDecoder:
    exporter = Exporter(model, LIGHT)
    path = decoder_path(exporter.weights, size)
    exporter.export("decoder", size, path)
    return ExportedDecoder(path, weights=exporter.weights, size=size)


def _embedded(decoder: QuickDecoder, prepared: Prepared, states: Tensor) -> Tensor:
    return prepared.largest + embed(decoder.embedding, states)


def _differing(some: Sequence[Mask], others: Sequence[Mask]) -> int:
    return sum(int((a != b).sum()) for a, b in zip(some, others, strict=True))


def _batch(reference: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(reference)[None, None]


def _mask(margin: NDArray[np.float32]) -> Mask:
    return enlarged_mask(margin, (SIDE, SIDE), seen=(SIDE, SIDE))


def write(lines: Sequence[Line], threads: int) -> None:
    """Write the table, and add a row for each line to the CSV."""
    run = provenance("click")
    page = ["# Clicks and encoding", ""]
    page += [f"- {name}: `{value}`" for name, value in run.items()]
    page += [f"- threads: {threads}", ""]
    page += ["| what | form | ms, median | from, to | share | |", "|---|---|--:|--:|--:|---|"]
    for each in lines:
        print(
            f"{each.what:34}{each.form:20}{each.milliseconds:9.1f} ms {each.share:>5} {each.note}"
        )
        cells = (each.what, each.form, f"{each.milliseconds:.1f}", *each[3:])
        page.append(f"| {' | '.join(cells)} |")
        row = each._asdict() | {"milliseconds": f"{each.milliseconds:.1f}", "threads": threads}
        append_csv(RESULTS / "click.csv", row | run)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "click.md").write_text("\n".join([*page, ""]))


def main() -> None:
    """Print one table; write it to results/click.md and click.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--clicks", type=int, default=50, help="on the 12-megapixel photo")
    parser.add_argument("--model", default="interformer-mini", help="the network with Clicker")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as home, torch.inference_mode():
        os.environ["MASKWRIGHT_HOME"] = home  # decoders are exported there
        lines = measure_clicker(options.model, repeats=options.repeats, clicks=options.clicks)
        state = official_state()
        model = official_network(state)
        lines += measure_decoder(state, model, repeats=options.repeats, clicks=5)
        lines += measure_encoder(state, model, repeats=max(1, options.repeats // 3))
    write(lines, options.threads)


if __name__ == "__main__":
    main()
