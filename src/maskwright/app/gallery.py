"""The photos of a folder: found, numbered, decoded when needed, shown as JPEG.

A photo is named by `photo_id` of its path below the folder; no request ever carries a path. Files
outside the folder are not served, whatever links point to them.
"""

import hashlib
import logging
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np

from maskwright.app.journal import photo_id
from maskwright.app.kept import Kept
from maskwright.app.refusals import Refusal
from maskwright.app.rendering import shrunk
from maskwright.errors import MaskwrightError
from maskwright.image.colour import from_float, network_rgb
from maskwright.image.io import read_header, read_photo
from maskwright.image.photo import Header, Photo, check_pixel_count
from maskwright.image.publish import atomic_write
from maskwright.image.source import SUFFIXES, display_name
from maskwright.image.write import write_image

THUMBNAIL_PX, TILE_PX = 256, 512
MOST_UPLOAD_BYTES = 512 * 2**20
MAX_PIXELS = 60_000_000
_PHOTOS_BYTES, _PICTURES_BYTES = 320 * 2**20, 96 * 2**20
_SUFFIX_OF = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif", "WEBP": ".webp", "BMP": ".bmp"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """A photo of the folder.

    Attributes:
        id: `photo_id` of its name.
        name: Its path below the folder, with "/" between its parts.
        path: Of the file.
        stamp: Changes when the file does.
        size: Height and width, upright.
    """

    id: str
    name: str
    path: Path
    stamp: str
    size: tuple[int, int]


class Gallery:
    """The photos of a folder and the folders in it; used from any thread.

    Args:
        folder: Its path.
        max_pixels: Photos with more are listed, but not decoded.
    """

    def __init__(self, folder: Path, *, max_pixels: int = MAX_PIXELS) -> None:
        self.folder, self.max_pixels = folder.resolve(), max_pixels
        self.id = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        self._found: dict[str, Found] = {}
        self._unreadable: set[tuple[str, str]] = set()
        self._photos: Kept[Photo] = Kept(_PHOTOS_BYTES)
        self._pictures: Kept[bytes] = Kept(_PICTURES_BYTES)
        self._listing, self._decoding = threading.Lock(), threading.Lock()

    def photos(self) -> list[Found]:
        """Return the photos there are now, by name; what cannot be read is left out."""
        with self._listing:
            found = [one for path, name in self._files() if (one := self._look(path, name))]
            self._found = {one.id: one for one in found}
            return found

    def is_known(self, id: str) -> bool:
        """Say whether there was a photo of this id when they were listed last."""
        return id in self._found

    def known(self) -> list[Found]:
        """Return the photos there were when they were listed last."""
        return list(self._found.values())

    def find(self, id: str) -> Found:
        """Return a photo.

        Raises:
            Refusal: If there is none of this id, or its file is gone.
        """
        if id not in self._found:
            self.photos()
        known = self._found.get(id)
        found = None if known is None else self._look(known.path, known.name)
        if found is None:
            raise Refusal(404, f"expected a photo of this folder, there is none with the id {id}")
        return found

    def read(self, found: Found) -> Photo:
        """Return a photo, decoded.

        Raises:
            ImageError: If it is damaged or too large.
        """
        key = found.id, found.stamp
        check_pixel_count(found.name, found.size, self.max_pixels)
        with self._decoding:  # one at a time: each takes a lot of memory
            photo = self._photos.get(key)
            if photo is None:
                photo = read_photo(found.path, max_pixels=self.max_pixels)
                self._photos.put(key, photo, photo.pixels.nbytes)
        return photo

    def picture(self, found: Found, side: int) -> bytes:
        """Return a JPEG of the whole photo in sRGB, at most `side` pixels long.

        Raises:
            ImageError: If it is damaged or too large.
        """
        key = found.id, found.stamp, side
        known = self._pictures.get(key)
        if known is None:
            known = _jpeg(shrunk(self.read(found), side))
            self._pictures.put(key, known, len(known))
        return known

    def tile(self, found: Found, column: int, row: int) -> bytes:
        """Return a JPEG of a tile of the full-size photo in sRGB.

        Raises:
            Refusal: If there is no such tile.
            ImageError: If the photo is damaged or too large.
        """
        height, width = found.size
        if not (0 <= column * TILE_PX < width and 0 <= row * TILE_PX < height):
            columns, rows = -(-width // TILE_PX), -(-height // TILE_PX)
            raise Refusal(
                404, f"expected a tile of {columns} x {rows}, there is none at {column}, {row}"
            )
        top, left = row * TILE_PX, column * TILE_PX
        photo = self.read(found)
        pixels = photo.pixels[top : top + TILE_PX, left : left + TILE_PX]
        return _jpeg(Photo(pixels, icc_profile=photo.icc_profile, source=photo.source))

    def add(self, content: bytes, name: str) -> Found:
        """Return a photo that came as bytes, after it was written into the folder.

        The name is only a wish: it is freed of all that is no letter or digit, the suffix is that
        of the content, and no file is ever replaced.

        Raises:
            ImageError: If it is no photo, or too large.
            OutputError: If it cannot be written.
        """
        header: Header = read_header(content)
        check_pixel_count("the upload", header.size, self.max_pixels)
        read_photo(content, max_pixels=self.max_pixels)  # a photo that cannot be decoded is none
        stem = re.sub(r"[^\w-]+", "-", PurePosixPath(name.replace("\\", "/")).stem).strip("-_")
        suffix = _SUFFIX_OF.get(header.format, ".heic")
        digest = hashlib.sha256(content).hexdigest()[:8]
        for tail in ("", f"-{digest}"):
            path = self.folder / f"{(stem or 'photo')[:60]}{tail}{suffix}"
            if not path.exists():
                with atomic_write(path, overwrite=False) as stream:
                    stream.write(content)
                break
            if path.read_bytes() == content:
                break
        self.photos()
        return self.find(photo_id(path.name))

    def _files(self) -> Iterator[tuple[Path, str]]:
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder)
            if path.suffix.lower() in SUFFIXES and not any(p.startswith(".") for p in name.parts):
                yield path, name.as_posix()

    def _look(self, path: Path, name: str) -> Found | None:
        """Return a photo as its file is now; None if it is none, or lies elsewhere."""
        id = photo_id(name)
        try:
            if not path.resolve().is_relative_to(self.folder) or not path.is_file():
                return None
            status = path.stat()
        except (OSError, RuntimeError):  # gone meanwhile; links in a circle
            return None
        stamp = f"{status.st_mtime_ns:x}-{status.st_size:x}"
        known = self._found.get(id)
        if known is not None and known.stamp == stamp:
            return known
        if (name, stamp) in self._unreadable:
            return None
        try:
            name.encode()  # the journal, and pages, know texts only
        except UnicodeEncodeError:
            log.warning("left out: %s: its name is not in UTF-8; rename it", display_name(name))
            self._unreadable.add((name, stamp))
            return None
        try:
            return Found(id, name, path, stamp, read_header(path).size)
        except MaskwrightError as error:
            log.warning("left out: %s", error)
            self._unreadable.add((name, stamp))
            return None


def _jpeg(photo: Photo) -> bytes:
    stream = BytesIO()
    write_image(stream, from_float(network_rgb(photo), np.uint8), format="jpeg")
    return stream.getvalue()


def shown_name(found: Found) -> str:
    """Return the name of a photo as it can be shown, whatever bytes it holds."""
    return display_name(found.name)
