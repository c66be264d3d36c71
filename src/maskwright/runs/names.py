"""Names of results: those of their photos, without two ever sharing one."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import PurePath
from typing import TypeVar

Name = TypeVar("Name", bound=PurePath)


def output_names(names: Sequence[Name], suffix: str, *, taken: Collection[str] = ()) -> list[Name]:
    """Return the result's name for each photo: `a.png` for `a.jpg`.

    Photos that would share a name keep their suffix: `a.jpg.png`; so does one whose short name is
    that of a folder, or is needed by a photo that keeps its own (`a.jpg.jpg` beside `a.jpg`).

    Args:
        names: Of the photos, each with a suffix.
        suffix: Of the results; may be empty.
        taken: Paths, as text, that no result may have.
    """
    short = [name.with_name(name.stem + suffix) for name in names]
    full = [name.with_name(name.name + suffix) for name in names]
    shared = Counter(short)
    keeps = [shared[name] > 1 or str(name) in taken for name in short]
    while True:
        kept = {name for name, keep in zip(full, keeps, strict=True) if keep}
        more = [keep or name in kept for name, keep in zip(short, keeps, strict=True)]
        if more == keeps:
            break
        keeps = more
    return [full[at] if keep else short[at] for at, keep in enumerate(keeps)]
