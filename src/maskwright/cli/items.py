"""Which outputs belong to which inputs, decided before any work starts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from maskwright.errors import TrimapError, UsageError
from maskwright.image.source import SUFFIXES
from maskwright.runs.names import output_names

PIPE = "-"


@dataclass(frozen=True)
class Item:
    """One photo to do.

    Attributes:
        source: Its path, or "-" for standard input.
        name: Its path below the folder that was given, or its file name.
        target: Where the result goes, or "-" for standard output.
    """

    source: str
    name: PurePath
    target: str


def plan_items(
    photos: list[str],
    output: str,
    *,
    recursive: bool = False,
    suffix: str = ".png",
    beside: Sequence[str] = (),
) -> list[Item]:
    """Return the photos with their outputs.

    One photo goes to the file `output`, unless that is a folder or ends with "/"; several, and
    folders of photos, go to `output/<path without suffix>.png`. Photos that would share a name
    keep their suffix: `a.jpg.png`.

    Args:
        photos: Files, folders, or "-" for standard input.
        output: A file, a folder, or "-" for standard output.
        recursive: Look in folders within folders.
        suffix: Of the outputs in a folder.
        beside: Other folders that results go to: what lies there is no photo either.

    Raises:
        UsageError: If a photo is absent, two outputs are the same, or one would replace its photo.
    """
    found = list(_find(photos, recursive=recursive, skip=[Path(output), *map(Path, beside)]))
    is_one = len(photos) == 1 and not Path(photos[0]).is_dir()
    if is_one and not output.endswith(("/", "\\")) and not Path(output).is_dir():
        items = [Item(*found[0], target=output)]
    else:
        _check_folder(output)
        names = output_names([name for _, name in found], suffix)
        items = [
            Item(source, name, str(Path(output) / target))
            for (source, name), target in zip(found, names, strict=True)
        ]
    _check_targets(items)
    return items


def _find(
    photos: list[str], *, recursive: bool, skip: Sequence[Path]
) -> Iterator[tuple[str, PurePath]]:
    if photos.count(PIPE) > 1:
        raise UsageError("standard input (-) can be given once only")
    for photo in photos:
        path = Path(photo)
        if photo == PIPE:
            yield PIPE, PurePath("stdin")
        elif path.is_dir():
            yield from _find_in(path, recursive=recursive, skip=skip)
        elif path.exists():
            yield photo, PurePath(path.name)
        else:
            raise UsageError(f"expected a photo or a folder, there is no {photo}; check the path")


def _find_in(
    folder: Path, *, recursive: bool, skip: Sequence[Path]
) -> Iterator[tuple[str, PurePath]]:
    """Yield the photos of a folder in order; hidden ones and earlier outputs do not count."""
    found = False
    for path in sorted(folder.rglob("*") if recursive else folder.iterdir()):
        name = path.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in name.parts)
        if path.suffix.lower() not in SUFFIXES or is_hidden or not path.is_file():
            continue
        if any(results != folder and results in path.parents for results in skip):
            continue
        found = True
        yield str(path), name
    if not found:
        more = "" if recursive else "; --recursive looks in its subfolders too"
        raise UsageError(f"there are no photos in {folder} ({', '.join(sorted(SUFFIXES))}){more}")


def _check_folder(output: str) -> None:
    if output == PIPE:
        raise UsageError("standard output takes one photo only; name a folder with -o")
    if Path(output).is_file():
        raise UsageError(f"several photos need a folder to go to, {output} is a file")


def stems(items: Sequence[Item]) -> list[PurePath]:
    """Return the photos' names without suffix; those that would share one keep their suffix."""
    return output_names([item.name for item in items], "")


def _check_targets(items: list[Item]) -> None:
    sources: dict[str, str] = {}
    for item in items:
        if item.target == PIPE:
            continue
        if item.target in sources:
            raise UsageError(
                f"{sources[item.target]} and {item.source} would both become {item.target}; "
                "give their common folder instead"
            )
        sources[item.target] = item.source
        if Path(item.target).resolve() == Path(item.source).resolve():
            raise UsageError(f"{item.target} would replace the photo itself; choose another -o")


@dataclass(frozen=True)
class Companions:
    """The files that belong to photos: one for all of them, or a folder of the same stems.

    Attributes:
        path: The file, or the folder, or "-" for standard input.
        kind: What they are, in messages: "trimap" or "mask".
    """

    path: str
    kind: str

    def __post_init__(self) -> None:
        if self.path != PIPE and not Path(self.path).exists():
            raise UsageError(f"expected a {self.kind}, there is no {self.path}; check the path")

    def of(self, item: Item) -> str:
        """Return the file that belongs to a photo, or "-".

        Raises:
            TrimapError: If the folder holds none for it, or more than one.
        """
        folder = Path(self.path)
        if not folder.is_dir():
            return self.path
        wanted = folder / item.name
        near = wanted.parent.iterdir() if wanted.parent.is_dir() else iter(())
        candidates = sorted(path for path in near if path.suffix.lower() in SUFFIXES)
        # The stem a.jpg, of a.jpg.png, is looked for first: photos of equal stems keep theirs.
        for stem in (wanted.name, wanted.stem):
            fitting = [path for path in candidates if path.stem == stem]
            if len(fitting) == 1:
                return str(fitting[0])
            if fitting:
                names = ", ".join(path.name for path in fitting)
                raise TrimapError(
                    f"{item.source}: expected one {self.kind}, got {names}; keep one of them"
                )
        raise TrimapError(
            f"{item.source}: expected its {self.kind} at {wanted.with_suffix('.png')}, "
            "got no such file; add it"
        )
