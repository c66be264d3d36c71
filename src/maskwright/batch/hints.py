"""The trimap or mask that belongs to each photo, by its path."""

from pathlib import PurePosixPath

from maskwright.batch.places import Place
from maskwright.image.source import SUFFIXES

_SUFFIXES = (*sorted(SUFFIXES), *(suffix.upper() for suffix in sorted(SUFFIXES)))


def find_hint(place: Place, name: str) -> tuple[str, str] | None:
    """Return the file that belongs to a photo, and its signature; None if there is none.

    The stem `a.jpg`, of `a.jpg.png`, is looked for first: photos of equal stems keep theirs.
    """
    path = PurePosixPath(name)
    for stem in (path.name, path.stem):
        for suffix in _SUFFIXES:
            candidate = str(path.with_name(stem + suffix))
            signature = place.signature(candidate)
            if signature is not None:
                return candidate, signature
    return None


def absent_hint(place: Place, name: str) -> str:
    """Return what to say of a photo that has none."""
    wanted = place.label(str(PurePosixPath(name).with_suffix(".png")))
    return f"expected its trimap or mask at {wanted}, got no such file; add it"
