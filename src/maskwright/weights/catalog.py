"""The weights one can ask for by name, as rows of data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from maskwright.errors import LicenceError, UsageError

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class WeightRow:
    """One file of weights and the terms it comes under.

    Attributes:
        name: What `--model` and `load` take.
        paper: The folder under `models/` that builds the network.
        task: What it does: "matting", "clicking", "segmentation".
        url: Where it is fetched from, https:// or hf://OWNER/REPOSITORY/FILE; empty if embedded.
        sha256: Of the file, in hexadecimal; empty for an official file, whose host is asked.
        licence: Of the weights themselves.
        commercial: May be used commercially, by its licence and by all of its training data.
        data: What it was trained on: (set, its terms), one pair per set.
        scores: Held-out results, by name.
        bytes: Size of the file; of an official one about.
        embedded: Comes with the package, in `weights/files/`.
        recipe: The command that trains it.
        notes: What a user should know, in a sentence or two.
        official: The url holds a file of the paper's authors; it is converted when it is pulled.
        config: What the keys of an official file do not tell of its network: fields of the
            paper's `Config` and their values.
    """

    name: str
    paper: str
    task: str
    url: str
    sha256: str
    licence: str
    commercial: bool
    data: tuple[tuple[str, str], ...]
    scores: Mapping[str, float]
    bytes: int
    embedded: bool
    recipe: str = ""
    notes: str = ""
    official: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def must_be_accepted(self) -> bool:
        """Whether its own licence, not only its data, forbids some uses: it is asked for."""
        return "NC" in self.licence.replace("-", " ").split()

    @property
    def file_name(self) -> str:
        """The name of the file, in the package, the cache and a bundle alike."""
        return f"{self.name}.safetensors"


_VITMATTE_NOTES = (
    "The teacher of MEMatte, without routers: it attends to all tokens, and memory grows with the "
    "square of the photo's size. Scores are those the authors publish."
)


def _embedded(
    name: str,
    *,
    paper: str,
    task: str,
    sha256: str,
    data: tuple[tuple[str, str], ...],
    scores: Mapping[str, float],
    size: int,
    notes: str = "",
) -> WeightRow:
    """Return the row of weights that ship in the package, made by the recipe of their name."""
    return WeightRow(
        name=name,
        paper=paper,
        task=task,
        url="",
        sha256=sha256,
        licence="Apache-2.0",
        commercial=False,
        data=data,
        scores=scores,
        bytes=size,
        embedded=True,
        recipe=f"maskwright train {name.replace('-', '_')}",
        notes=notes,
    )


def _vitmatte(
    name: str,
    file: str,
    *,
    data: tuple[tuple[str, str], ...],
    scores: Mapping[str, float],
    megabytes: int,
) -> WeightRow:
    """Return the row of a ViTMatte that its authors have put on the hub."""
    return WeightRow(
        name=name,
        paper="mematte",
        task="matting",
        url=f"hf://hustvl/{name}/{file}",
        sha256="",
        licence="Apache-2.0",
        commercial=False,
        data=(*data, ("ImageNet-1k, as a start", "research")),
        scores=scores,
        bytes=megabytes * 10**6,
        embedded=False,
        notes=_VITMATTE_NOTES,
        official=True,
    )


# What photos are brought to: shorter side, and at most for the longer side, in pixels.
SIZES_PX = {"coco": (800, 1333), "ade20k": (512, 2048), "cityscapes": (1024, 2048)}
_LARGE_ADE_PX = (640, 2560)
_CITYSCAPES_THINGS = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
_START = ("ImageNet, as a start", "research")
_SETS = {
    "coco": ("COCO 2017", "annotations CC BY 4.0, photos under their own terms"),
    "ade": ("ADE20K", "research and education"),
    "cityscapes": ("Cityscapes", "not for commercial use"),
}
_PARAMETERS = {"tiny": 47.4, "small": 68.8, "base": 106.9, "large": 215.5}  # millions
_MASK2FORMER_NOTES = (
    "Scores are those the authors publish for this network, of single views; Cityscapes' AP is of"
    " its own scripts."
)


def _mask2former(size: str, trained: str, **scores: float) -> WeightRow:
    """Return the row of a Mask2Former with a Swin transformer that its authors put on the hub.

    Args:
        size: Such as "tiny", or "base-IN21k" for one that began with the larger ImageNet.
        trained: Data set and task, such as "coco-panoptic".
        **scores: PQ, AP, mIoU.
    """
    data, task = trained.split("-")
    name = f"mask2former-swin-{size}-{trained}"
    kind = size.partition("-")[0]
    return WeightRow(
        name=name,
        paper="mask2former",
        task="segmentation",
        url=f"hf://facebook/{name}/pytorch_model.bin",
        sha256="",
        licence="CC BY-NC 4.0",
        commercial=False,
        data=(_SETS[data], _START),
        scores={f"{_SETS[data][0]} {score}": value for score, value in scores.items()},
        bytes=round(_PARAMETERS[kind] * 4 * 10**6),
        embedded=False,
        notes=_MASK2FORMER_NOTES,
        official=True,
        config=_mask2former_config(kind, data, task),
    )


def _mask2former_config(kind: str, data: str, task: str) -> dict[str, Any]:
    short_px, long_px = SIZES_PX["ade20k" if data == "ade" else data]
    if data == "ade" and (kind in {"base", "large"} or task != "semantic"):
        short_px, long_px = _LARGE_ADE_PX
    config: dict[str, Any] = {"task": task, "short_side_px": short_px, "long_side_px": long_px}
    if (data, task) == ("cityscapes", "instance"):  # the other sets are known by their numbers
        things = (True,) * len(_CITYSCAPES_THINGS)
        config |= {"names": _CITYSCAPES_THINGS, "things": things}
    return config


_COMPOSITION = (("Adobe Composition-1k", "research, on request from Adobe"),)
_DISTINCTIONS = (("Distinctions-646", "research, on request from its authors"),)

_EMBEDDED_DATA = (
    (
        "28 foregrounds of the AM-2k, P3M-10k and AIM-500 repositories",
        "repositories MIT, data sets under agreements titled MIT License",
    ),
    ("Budgie backgrounds", "CC0-1.0"),
    ("elementary wallpapers", "per image: CC0, CC BY-SA, Unsplash"),
    ("Pop!_OS wallpapers", "per image: Unsplash, NASA, CC BY-SA"),
    ("Sun-Hays 80 and Urban 100", "no licence stated; Urban 100 is Creative Commons"),
    ("procedural foregrounds", "Apache-2.0, drawn by this package"),
    ("MobileNetV2 for ImageNet, as a start", "Apache-2.0; ImageNet: research"),
)

_CLICK_DATA = (
    ("BSDS500", "non-commercial research"),
    ("DAVIS 2016, training part", "CC BY 4.0"),
    ("Clothing Co-Parsing", "Apache-2.0 file, rights of the photos unclear"),
    ("Weizmann horses", "research"),
    ("128 photos of COCO", "annotations CC BY 4.0, photos under the terms of Flickr"),
    ("car parts", "no licence stated"),
    *_EMBEDDED_DATA[:5],
    _EMBEDDED_DATA[-1],
)

_ROWS = (
    _embedded(
        "a2u-mini",
        paper="a2u",
        task="matting",
        sha256="ed43f819a376bc2f931b5298cb92c66ab311d5a971766ecb2a27e9691eb4a93f",
        data=_EMBEDDED_DATA,
        scores={"held-out SAD": 4.13, "held-out MSE": 0.02501},
        size=1423052,
    ),
    _embedded(
        "mematte-mini",
        paper="mematte",
        task="matting",
        sha256="393304f61f7c482f270ab54a8a68c1832e6cd0b315480614df565a577f245665",
        data=_EMBEDDED_DATA,
        scores={"held-out SAD": 4.44, "held-out MSE": 0.03058},
        size=6798116,
        notes="Routed: a quarter of the tokens attend globally. For large photos in little memory.",
    ),
    _embedded(
        "interformer-mini",
        paper="interformer",
        task="clicking",
        sha256="acb1bb04b34ad5dd51085ad3604092c03abe450f073953aa2ed2269c11600ed5",
        data=_CLICK_DATA,
        scores={"held-out NoC@85": 4.14, "held-out NoC@90": 6.44, "IoU after 3 clicks": 0.839},
        size=6453816,
        notes="Selects objects by clicks, boxes and scribbles; encodes a photo in a moment.",
    ),
    _embedded(
        "mask2former-mini",
        paper="mask2former",
        task="segmentation",
        sha256="159e11dddc48044bededd1c522dbb9f6ef21894ac67eacf2d11389e37c5ff9c4",
        data=_CLICK_DATA[1:],
        scores={"held-out PQ of things": 71.2, "held-out subject IoU": 0.721},
        size=7565956,
        notes="Finds persons, animals, vehicles and other objects: a photo's subject, unasked.",
    ),
    _vitmatte(
        "vitmatte-small-composition-1k",
        "model.safetensors",
        data=_COMPOSITION,
        scores={"Composition-1k SAD": 21.46, "Composition-1k MSE": 0.0033},
        megabytes=103,
    ),
    _vitmatte(
        "vitmatte-base-composition-1k",
        "pytorch_model.bin",
        data=_COMPOSITION,
        scores={},
        megabytes=387,
    ),
    _vitmatte(
        "vitmatte-small-distinctions-646",
        "model.safetensors",
        data=_DISTINCTIONS,
        scores={"Distinctions-646 SAD": 21.22, "Distinctions-646 MSE": 0.0021},
        megabytes=103,
    ),
    _mask2former("tiny", "coco-panoptic", PQ=53.2, AP=43.3, mIoU=63.2),
    _mask2former("tiny", "coco-instance", AP=45.0),
    _mask2former("tiny", "ade-semantic", mIoU=47.7),
    _mask2former("tiny", "cityscapes-panoptic", PQ=63.9, AP=39.1, mIoU=80.5),
    _mask2former("tiny", "cityscapes-instance"),
    _mask2former("tiny", "cityscapes-semantic", mIoU=82.1),
    _mask2former("small", "coco-panoptic", PQ=54.6, AP=44.7, mIoU=64.2),
    _mask2former("small", "coco-instance", AP=46.3),
    _mask2former("small", "ade-semantic", mIoU=51.3),
    _mask2former("small", "cityscapes-panoptic", PQ=64.8, AP=40.7, mIoU=81.8),
    _mask2former("small", "cityscapes-instance"),
    _mask2former("small", "cityscapes-semantic", mIoU=82.6),
    _mask2former("base", "coco-panoptic", PQ=55.1, AP=45.2, mIoU=65.1),
    _mask2former("base", "coco-instance", AP=46.7),
    _mask2former("base", "ade-semantic", mIoU=52.4),
    _mask2former("base-IN21k", "coco-instance", AP=48.1),
    _mask2former("base-IN21k", "ade-semantic", mIoU=53.9),
    _mask2former("base-IN21k", "cityscapes-panoptic", PQ=66.1, AP=42.8, mIoU=82.7),
    _mask2former("base-IN21k", "cityscapes-semantic", mIoU=83.3),
    _mask2former("large", "coco-panoptic", PQ=57.8, AP=48.6, mIoU=67.4),
    _mask2former("large", "coco-instance", AP=50.1),
    _mask2former("large", "ade-semantic", mIoU=56.1),
    _mask2former("large", "ade-panoptic", PQ=48.1, AP=34.2, mIoU=54.5),
    _mask2former("large", "cityscapes-panoptic", PQ=66.6, AP=43.6, mIoU=82.9),
    _mask2former("large", "cityscapes-instance"),
    _mask2former("large", "cityscapes-semantic", mIoU=83.3),
)


def list_weights() -> tuple[WeightRow, ...]:
    """Return every row of the catalogue."""
    return _ROWS


def find_weight(name: str) -> WeightRow:
    """Return the row called `name`.

    Raises:
        UsageError: If there is none; the message suggests the nearest names.
    """
    rows = {row.name: row for row in _ROWS}
    if name in rows:
        return rows[name]
    near = get_close_matches(name, rows, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(rows)}"
    raise UsageError(f"expected a model's name or a .safetensors file, got {name!r}; {hint}")


def check_accepted(row: WeightRow) -> None:
    """Refuse to fetch weights whose licence is asked for, as nobody has accepted it.

    Raises:
        LicenceError: If it must be accepted.
    """
    if row.must_be_accepted:
        raise LicenceError(
            f"{row.name} comes under {row.licence}, which forbids commercial use; to accept that,"
            f" `maskwright models pull {row.name} --accept-licence`"
        )


def check_commercial(row: WeightRow) -> None:
    """Refuse weights that may not be used commercially.

    Raises:
        LicenceError: If their licence, or the terms of any training set, forbid it.
    """
    if not row.commercial:
        raise LicenceError(
            f"{row.name} may not be used commercially: its licence ({row.licence}) or the terms of "
            f"its training data forbid it, see `maskwright models info {row.name}`; "
            "choose other weights"
        )
