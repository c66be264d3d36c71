"""What `matte --explain` writes beside the alpha: how each photo was routed."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskwright.cli.items import PIPE, Item, stems
from maskwright.errors import UsageError
from maskwright.image.publish import atomic_write, check_target
from maskwright.image.source import display_name

if TYPE_CHECKING:
    from maskwright.image.photo import Photo
    from maskwright.inference.explain import Routing
    from maskwright.inference.matte import Matter


@dataclass(frozen=True)
class Explanation:
    """The files that explain one photo.

    Attributes:
        name: What the photo is called in the tables.
        pictures: One per router.
        json: Counts and shares for programs.
        markdown: The same as a table to read.
    """

    name: str
    pictures: tuple[Path, ...]
    json: Path
    markdown: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return (*self.pictures, self.json, self.markdown)


def plan_explanations(
    folder: str, items: Sequence[Item], matter: "Callable[[], Matter]", *, model: str
) -> dict[Item, Explanation]:
    """Return the files that will explain each photo; the network is loaded, nothing is computed.

    They are `folder/<stem>-router-1.png` and so on, `.json` and `.md`; as with outputs, photos that
    would share a stem keep their suffix.

    Args:
        folder: The value of --explain.
        items: The photos.
        matter: Loads the network.
        model: What to call it in messages.

    Raises:
        UsageError: If the folder is none, the network has no routers, or a file would replace a
            photo, an output, or a file that explains another photo.
    """
    if folder == PIPE or Path(folder).is_file():
        raise UsageError(f"--explain needs a folder, got {folder}; name another")
    routers = matter().routers
    if not routers:
        raise UsageError(
            f"--explain shows how MEMatte's routers decide, {model} has none; "
            "choose another --model, or leave it out"
        )
    planned = {
        item: _explanation(item, str(Path(folder) / stem), routers)
        for item, stem in zip(items, stems(items), strict=True)
    }
    _check_names(planned)
    return planned


def check_explanations(planned: Mapping[Item, Explanation], item: Item, *, overwrite: bool) -> None:
    """Refuse, before any work is done, files that exist and may not be replaced.

    Raises:
        OutputError: If there is one.
    """
    if item in planned:
        for file in planned[item].files:
            check_target(file, overwrite=overwrite)


def write_explanation(
    explanation: Explanation, photo: "Photo", trimap: Any, routing: "Routing", *, overwrite: bool
) -> None:
    """Write pictures and tables, each of which appears whole or not at all.

    Raises:
        OutputError: If a file exists and may not be replaced, or cannot be written.
    """
    from maskwright.image.io import write_image
    from maskwright.inference.explain import as_json, as_markdown, pictures

    drawn = pictures(photo, trimap, routing)
    for path, picture in zip(explanation.pictures, drawn, strict=True):
        write_image(path, picture, overwrite=overwrite)
    report = as_json(routing, photo=explanation.name)
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    _write_text(explanation.json, text, overwrite=overwrite)
    table = as_markdown(routing, photo=explanation.name)
    _write_text(explanation.markdown, table, overwrite=overwrite)


def _explanation(item: Item, stem: str, routers: int) -> Explanation:
    pictures = (Path(f"{stem}-router-{number}.png") for number in range(1, routers + 1))
    return Explanation(
        display_name(item.name), tuple(pictures), Path(f"{stem}.json"), Path(f"{stem}.md")
    )


def _check_names(planned: Mapping[Item, Explanation]) -> None:
    taken = {Path(name).resolve() for item in planned for name in (item.source, item.target)}
    for item, explanation in planned.items():
        for file in explanation.files:
            if file.resolve() in taken:
                raise UsageError(
                    f"{file}, which would explain {item.source}, has the name of a photo or of"
                    " another result; choose another folder for --explain"
                )
            taken.add(file.resolve())


def _write_text(path: Path, text: str, *, overwrite: bool) -> None:
    with atomic_write(path, overwrite=overwrite) as stream:
        stream.write(text.encode())
