"""Where the object is, as the command line says it: a trimap, a mask, points or a box."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from maskwright.cli import flags
from maskwright.cli.items import PIPE, Companions, Item
from maskwright.cli.pictures import open_source, pixel_limit
from maskwright.cli.pointing import NOTHING_SELECTED, OBJECT, Pointing, parse_pointing
from maskwright.errors import TrimapError, UsageError

if TYPE_CHECKING:
    from maskwright.image.photo import Photo
    from maskwright.inference.click import Clicker


@runtime_checkable
class Hints(Protocol):
    """A trimap for each photo."""

    def trimap(self, item: Item, photo: "Photo") -> Any:
        """Return the trimap of a photo, uint8 (h, w).

        Raises:
            TrimapError: If the file is absent, of another size, or says nothing.
        """


@dataclass(frozen=True)
class FileHints:
    """Trimaps, or masks that become trimaps.

    Attributes:
        files: Where they are.
        band: Width of the unknown band around a mask's edge.
        max_pixels: The value of --max-pixels, which holds for them too.
    """

    files: Companions
    band: str | int = "auto"
    max_pixels: str | None = None

    def trimap(self, item: Item, photo: "Photo") -> Any:
        """Return the trimap of a photo, as `Hints` says."""
        from maskwright.image.io import read_mask
        from maskwright.image.trimap import read_trimap, trimap_from_mask

        source, limit = open_source(self.files.of(item)), pixel_limit(self.max_pixels)
        if self.files.kind == "trimap":
            return read_trimap(source, photo.size, max_pixels=limit)
        mask = read_mask(source, photo.size, max_pixels=limit)
        return trimap_from_mask(mask, self.band, image=photo)


@dataclass(frozen=True)
class ClickHints:
    """Points and a box, which a click network turns into a mask.

    Attributes:
        pointing: What they say; a mask among them is where it starts from.
        clicker: Loads the network when first called.
        band: Width of the unknown band around the mask's edge.
        max_pixels: The value of --max-pixels, which holds for the mask too.
    """

    pointing: Pointing
    clicker: "Callable[[], Clicker]"
    band: str | int = "auto"
    max_pixels: str | None = None

    def trimap(self, item: Item, photo: "Photo") -> Any:
        """Return the trimap of the photo, as `Hints` says.

        Raises:
            TrimapError: If nothing is found where the points are.
        """
        from maskwright.image.trimap import trimap_from_mask
        from maskwright.inference.session import Session

        session = Session(self.clicker(), self.clicker().encode(photo))
        self.pointing.tell(session, self.max_pixels)
        selected = session.answer(OBJECT).mask
        if not selected.any():
            raise TrimapError(NOTHING_SELECTED)
        if selected.all():
            raise TrimapError("the whole photo was selected there; add a --point X,Y,- beside it")
        return trimap_from_mask(selected, self.band, image=photo)


def parse_hints(
    trimap: str | None,
    mask: str | None,
    band: str = "auto",
    *,
    points: list[str] | None = None,
    box: str | None = None,
    clicker: "Callable[[], Callable[[], Clicker]] | None" = None,
    subject: Callable[[str | int], Hints] | None = None,
    photos: list[str],
    max_pixels: str | None = None,
) -> Hints:
    """Return where the object is, by --trimap, by --mask, by --point and --box, or as found.

    Args:
        trimap: Of each photo.
        mask: Of each photo, or with points or a box, which refine it, of one.
        band: Of masks.
        points: Of one photo.
        box: Of one photo.
        clicker: Checks the click network, once it is clear that there is need for it, and returns
            what loads it.
        subject: Returns, for a band, what finds the subject where there is no hint; None if there
            has to be one.
        photos: The photos.
        max_pixels: The value of --max-pixels.

    Raises:
        UsageError: If there is no hint or one too many, or standard input is to be read twice.
    """
    is_one_file = len(photos) == 1 and Path(photos[0]).is_file()
    if PIPE in (trimap, mask) and not is_one_file:
        raise UsageError("a trimap or mask from standard input (-) needs one photo from a file")
    if trimap and (mask or points or box):
        raise UsageError("--trimap says it all: --mask, --point and --box exclude it; keep one")
    if points or box:
        assert clicker is not None
        if len(photos) > 1 or Path(photos[0]).is_dir():
            raise UsageError("points and a box are about one photo; use --mask for several")
        pointing = parse_pointing(points, box, mask)
        return ClickHints(pointing, clicker(), flags.band_width(band), max_pixels)
    if not trimap and not mask:
        if subject is not None:
            return subject(flags.band_width(band))
        raise UsageError(
            "say where the object is with --point X,Y, --box, --mask or --trimap (0, 128, 255);"
            " `cutout` alone finds it by itself"
        )
    if mask:
        return FileHints(Companions(mask, "mask"), flags.band_width(band), max_pixels)
    if band != "auto":
        raise UsageError("--band belongs to masks; a trimap has its band drawn in")
    return FileHints(Companions(trimap or "", "trimap"), max_pixels=max_pixels)
