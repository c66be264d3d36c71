"""Photos that begin with annotations from elsewhere: all files are read, then the journal written.

What is written are the actions that the page's own import would send: an object, then its mask.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from maskwright.app import payload
from maskwright.app.document import IN_WORK, Document, change_to_json
from maskwright.app.edits import Tools, edited
from maskwright.app.gallery import Found, Gallery
from maskwright.app.imports import Rle, Several, fitting, objects_from, open_json
from maskwright.app.journal import DO, Entry, Journal, PhotoRow
from maskwright.app.refusals import StaleError
from maskwright.errors import DataError
from maskwright.formats.annotated import stems_of
from maskwright.formats.text import read_object
from maskwright.image.source import SUFFIXES, display_name

Objects = list[tuple[str, Rle]]
Read = Callable[[], Objects]


@dataclass(frozen=True)
class Begun:
    """What annotations made of a folder.

    Attributes:
        photos: How many begin with objects now.
        objects: How many objects they have together.
        left_alone: How many were worked on already, and stay as they are.
    """

    photos: int
    objects: int
    left_alone: int


def begin(paths: Sequence[Path], gallery: Gallery, journal: Journal) -> Begun:
    """Let annotations be the first objects of the photos they are about.

    Photos with an entry in the journal are left alone, so that the same twice adds nothing. All
    is read before anything is written; a photo gets all its objects or none.

    Args:
        paths: COCO's JSON of instances or panoptic maps, labelme's JSON, pictures named like
            their photo; folders of pictures or labelme files, as the photos' paths without suffix.
        gallery: The photos.
        journal: Of their folder.

    Raises:
        DataError: If a file is damaged, about no photo or about several of one name, or of
            another size; names it and the object.
        ImageError: If a picture cannot be read.
        TrimapError: If a mask has another size, or is nowhere white.
        OutputError: If the journal cannot be written.
    """
    photos = gallery.photos()
    worked_on = {row.id for row in journal.photos()}
    left_alone, objects = set[str](), defaultdict[str, Objects](list)
    for path in paths:
        for photo, read in _about(path, photos, gallery.max_pixels):
            if photo.id in worked_on:
                left_alone.add(photo.id)
                continue
            objects[photo.id] += read()
            if len(objects[photo.id]) > payload.MOST_OBJECTS:
                raise DataError(
                    f"{display_name(path)}: {display_name(photo.name)} may have"
                    f" {payload.MOST_OBJECTS} objects at most, got {len(objects[photo.id])};"
                    " leave some out"
                )
    made = [
        (photo, list(_entries(photo, objects[photo.id]))) for photo in photos if objects[photo.id]
    ]
    begun = list[PhotoRow]()
    for photo, entries in made:
        row = PhotoRow(photo.id, photo.name, photo.size, IN_WORK, len(objects[photo.id]))
        try:
            journal.append(row, *entries)
            begun.append(row)
        except StaleError:  # another server was quicker
            left_alone.add(photo.id)
    return Begun(len(begun), sum(row.objects for row in begun), len(left_alone))


def _entries(photo: Found, objects: Objects) -> Iterator[Entry]:
    """Yield what the journal keeps of objects to start from; the same of the same objects."""
    told = json.dumps([[name, code["counts"]] for name, code in objects])
    key = f"import-{hashlib.sha256(told.encode()).hexdigest()[:16]}"
    before = Document(photo.size)
    for revision, action in enumerate(_actions(objects), start=1):
        after = edited(before, action, _NO_NETWORKS)
        said, change = action.model_dump(exclude_none=True), change_to_json(before, after)
        yield Entry(revision, f"{key}-{revision}", DO, said, change)
        before = after


def _actions(objects: Objects) -> Iterator[payload.Add | payload.Mask]:
    for number, (name, code) in enumerate(objects, start=1):
        yield payload.Add(type="add", name=name[: payload.MOST_NAME] or None)
        rle = payload.Rle(size=list(code["size"]), counts=code["counts"])
        yield payload.Mask(type="mask", object=number, rle=rle)


def _about(path: Path, photos: Sequence[Found], max_pixels: int) -> Iterator[tuple[Found, Read]]:
    """Yield each photo that a file or folder is about, with what reads its objects.

    Raises:
        DataError: As `begin`.
    """
    if path.is_dir():
        for photo, file in _partners(path, photos):
            yield photo, partial(objects_from, file, photo, max_pixels=max_pixels)
        return
    if path.suffix.lower() != ".json":
        (photo,) = _matched([path.name], photos, path, part=_stem).values()
        yield photo, partial(objects_from, path, photo, max_pixels=max_pixels)
        return
    found = open_json(path)
    if isinstance(found, Several):
        names = [found.photo(index) for index in range(len(found))]
        for index, photo in _matched(names, photos, path).items():
            yield photo, partial(_decoded, found, index, photo, path)
        return
    is_named = _file_name(found.name) in {_file_name(photo.name) for photo in photos}
    name, part = (found.name, _file_name) if is_named else (path.name, _stem)
    (photo,) = _matched([name], photos, path, part=part).values()
    yield photo, partial(fitting, found.segmentation, photo, path)


def _decoded(found: Several, index: int, photo: Found, path: Path) -> Objects:
    return fitting(found[index].segmentation, photo, path)


def _file_name(name: str) -> str:
    return PurePosixPath(name).name


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _matched(
    names: Sequence[str],
    photos: Sequence[Found],
    path: Path,
    *,
    part: Callable[[str], str] = _file_name,
) -> dict[int, Found]:
    """Return the photos that names mean, by the names' places; those of other folders mean none.

    Args:
        names: Of photos, in a file of annotations: paths below some folder.
        photos: Those of the folder that is served.
        path: Of the file.
        part: What has to be the same where the whole path is not.

    Raises:
        DataError: If none is meant, a name is there twice, or it is not clear which it means.
    """
    wanted = {photo.name: photo for photo in photos}
    places = {name: place for place, name in enumerate(names)}
    if len(places) < len(names):
        twice = next(name for place, name in enumerate(names) if places[name] != place)
        raise DataError(
            f"{display_name(path)}: each photo must be listed once, got {display_name(twice)}"
            " twice; join the two"
        )
    matched = {place: wanted[name] for name, place in places.items() if name in wanted}
    clear = {part(names[place]) for place in matched}
    alike = defaultdict(list)
    for photo in photos:
        alike[part(photo.name)].append(photo)
    counts = Counter(part(name) for name in names)
    for name, place in places.items():
        others = alike.get(part(name), [])
        if not others or part(name) in clear:
            continue
        if len(others) > 1 or counts[part(name)] > 1:
            raise DataError(
                f"{display_name(path)}: expected one photo and one entry of the file name"
                f" {display_name(part(name))}, got {len(others)} and {counts[part(name)]}; name"
                " photos by their path below the folder"
            )
        matched[place] = others[0]
    if not matched:
        shown = ", ".join(map(display_name, names[:3])) + (", …" if len(names) > 3 else "")
        raise DataError(
            f"{display_name(path)}: expected annotations of photos in this folder, got those of"
            f" {shown or 'none'}; rename the photos or the entries"
        )
    return matched


def _partners(folder: Path, photos: Sequence[Found]) -> Iterator[tuple[Found, Path]]:
    """Yield the photos that have a file in a folder of annotations, with it.

    Raises:
        DataError: If none has, or one has several.
    """
    own = {photo.path.resolve() for photo in photos}  # annotations may lie among the photos
    files = defaultdict[str, list[Path]](list)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in name.parts)
        is_kind = path.suffix.lower() in SUFFIXES | {".json"}
        if is_kind and not is_hidden and path.is_file() and path.resolve() not in own:
            files[name.with_suffix("").as_posix()].append(path)
    has_any = False
    for photo, stem in zip(photos, stems_of([photo.name for photo in photos]), strict=True):
        found = files.get(photo.name) or files.get(stem)
        if found:
            has_any = True
            yield photo, _one_of(found, photo)
    if not has_any:
        raise DataError(
            f"{display_name(folder)}: expected masks or annotations named like the photos, got"
            " none; give each the path of its photo, with another suffix"
        )


def _one_of(files: Sequence[Path], photo: Found) -> Path:
    """Return the file to read of those that a photo has: two may be one, JSON and its picture.

    Raises:
        DataError: If they are not.
    """
    if len(files) == 1:
        return files[0]
    tables = [file for file in files if file.suffix.lower() == ".json"]
    pictures = [file for file in files if file not in tables]
    if len(tables) == len(pictures) == 1:
        is_labelme = "shapes" in read_object(tables[0], "annotations", ())
        return tables[0] if is_labelme else pictures[0]
    names = ", ".join(display_name(file.name) for file in files)
    raise DataError(
        f"{display_name(photo.name)}: expected one file of annotations, got {names}; keep one"
    )


def _no_network(_: object) -> Rle:
    raise AssertionError("neither a new object nor a mask asks a network")


_NO_NETWORKS = Tools(_no_network, _no_network, ())
