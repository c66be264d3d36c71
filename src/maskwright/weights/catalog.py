"""The weights one can ask for by name, as rows of data."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from maskwright.errors import LicenceError, UsageError

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class WeightRow:
    """One file of weights and the terms it comes under.

    Attributes:
        name: What `--model` and `load` take.
        paper: The folder under `models/` that builds the network.
        task: What it does: "matting".
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

    @property
    def file_name(self) -> str:
        """The name of the file, in the package, the cache and a bundle alike."""
        return f"{self.name}.safetensors"


_VITMATTE_NOTES = (
    "The teacher of MEMatte, without routers: it attends to all tokens, and memory grows with the "
    "square of the photo's size. Scores are those the authors publish."
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

_ROWS = (
    WeightRow(
        name="a2u-mini",
        paper="a2u",
        task="matting",
        url="",
        sha256="ed43f819a376bc2f931b5298cb92c66ab311d5a971766ecb2a27e9691eb4a93f",
        licence="Apache-2.0",
        commercial=False,
        data=_EMBEDDED_DATA,
        scores={"held-out SAD": 4.13, "held-out MSE": 0.02501},
        bytes=1423052,
        embedded=True,
        recipe="maskwright train a2u_mini",
    ),
    WeightRow(
        name="mematte-mini",
        paper="mematte",
        task="matting",
        url="",
        sha256="393304f61f7c482f270ab54a8a68c1832e6cd0b315480614df565a577f245665",
        licence="Apache-2.0",
        commercial=False,
        data=_EMBEDDED_DATA,
        scores={"held-out SAD": 4.44, "held-out MSE": 0.03058},
        bytes=6798116,
        embedded=True,
        recipe="maskwright train mematte_mini",
        notes="Routed: a quarter of the tokens attend globally. For large photos in little memory.",
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
