"""Where the object is, as points and a box say it on the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskwright.cli.dialogue import as_numbers
from maskwright.cli.items import PIPE
from maskwright.cli.pictures import open_source, pixel_limit
from maskwright.errors import UsageError

if TYPE_CHECKING:
    from maskwright.inference.session import Session
    from maskwright.structures.box import Box
    from maskwright.structures.click import Click

OBJECT = 1  # the one that flags are about
NOTHING_SELECTED = "nothing was selected there; add a --point or a --box"


@dataclass(frozen=True)
class Pointing:
    """What the flags say about the object.

    Attributes:
        clicks: In their order.
        box: Around it.
        mask: A file to start from.
    """

    clicks: "tuple[Click, ...]"
    box: "Box | None"
    mask: str | None

    def tell(self, session: "Session", max_pixels: str | None) -> None:
        """Say it all to a session, click by click, as a person would."""
        if self.mask is not None:
            from maskwright.image.io import read_mask

            size, limit = session.features.size, pixel_limit(max_pixels)
            session.start(OBJECT, read_mask(open_source(self.mask), size, max_pixels=limit))
        if self.box is not None:
            session.add(OBJECT, box=self.box)
        for click in self.clicks:
            session.add(OBJECT, [click])


Points = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        metavar="X,Y[,-]",
        help="A click on the object, or with ,- beside it; can be given several times.",
    ),
]
BoxText = Annotated[
    str | None, typer.Option("--box", metavar="X0,Y0,X1,Y1", help="A box around the object.")
]


def parse_pointing(points: list[str] | None, box: str | None, mask: str | None) -> Pointing:
    """Return what --point, --box and --mask say.

    Raises:
        UsageError: If one is not as expected, or the mask does not exist.
    """
    from maskwright.structures.box import Box

    if mask is not None and mask != PIPE and not Path(mask).is_file():
        raise UsageError(f"expected a mask, there is no file {mask}; check the path")
    edges = None if box is None else _numbers("--box", box, "X0,Y0,X1,Y1", 4)
    return Pointing(tuple(map(_click, points or [])), None if edges is None else Box(*edges), mask)


def _click(text: str) -> "Click":
    from maskwright.structures.click import Click

    body, comma, sign = text.rpartition(",")
    is_signed = bool(comma) and sign.strip() in {"+", "-"}
    x, y = _numbers("--point", body if is_signed else text, "X,Y or X,Y,-", 2)
    return Click(x, y, not (is_signed and sign.strip() == "-"))


def _numbers(flag: str, text: str, expected: str, count: int) -> list[float]:
    try:
        return as_numbers([float(part) for part in text.split(",")], count)
    except ValueError as error:
        raise UsageError(
            f"{flag} must be {expected} in pixels of the upright photo, got {text!r}"
        ) from error
