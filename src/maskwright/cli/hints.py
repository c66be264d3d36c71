"""Where the object is, as the command line says it: a trimap, or a mask."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskwright.cli import flags
from maskwright.cli.items import PIPE, Companions, Item
from maskwright.cli.pictures import open_source, pixel_limit
from maskwright.errors import UsageError

if TYPE_CHECKING:
    from maskwright.image.photo import Photo


@dataclass(frozen=True)
class Hints:
    """A trimap per photo, or a mask that becomes one.

    Attributes:
        files: The trimaps or masks.
        band: Width of the unknown band around a mask's edge.
        max_pixels: The value of --max-pixels, which holds for them too.
    """

    files: Companions
    band: str | int = "auto"
    max_pixels: str | None = None

    def trimap(self, item: Item, photo: "Photo") -> Any:
        """Return the trimap of a photo, uint8 (h, w).

        Raises:
            TrimapError: If the file is absent, of another size, or says nothing.
        """
        from maskwright.image.io import read_mask
        from maskwright.image.trimap import read_trimap, trimap_from_mask

        source, limit = open_source(self.files.of(item)), pixel_limit(self.max_pixels)
        if self.files.kind == "trimap":
            return read_trimap(source, photo.size, max_pixels=limit)
        mask = read_mask(source, photo.size, max_pixels=limit)
        return trimap_from_mask(mask, self.band, image=photo)


def parse_hints(
    trimap: str | None,
    mask: str | None,
    band: str = "auto",
    *,
    photos: list[str],
    max_pixels: str | None = None,
) -> Hints:
    """Return where the object is, by --trimap or by --mask and --band.

    Raises:
        UsageError: If neither or both are given, or --band without --mask, or standard input is
            to be read twice.
    """
    if trimap and mask:
        raise UsageError("--trimap and --mask exclude each other; keep one")
    if not trimap and not mask:
        raise UsageError(
            "this version does not find the subject by itself; say where it is with "
            "--trimap (0, 128, 255) or --mask"
        )
    is_one_file = len(photos) == 1 and Path(photos[0]).is_file()
    if PIPE in (trimap, mask) and not is_one_file:
        raise UsageError("a trimap or mask from standard input (-) needs one photo from a file")
    if mask:
        return Hints(Companions(mask, "mask"), flags.band_width(band), max_pixels)
    if band != "auto":
        raise UsageError("--band belongs to --mask; a trimap has its band drawn in")
    return Hints(Companions(trimap or "", "trimap"), max_pixels=max_pixels)
