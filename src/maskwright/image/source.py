"""Where a photo comes from: a file or bytes, opened safely and recognised by content."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from maskwright.errors import ImageError, MaskwrightError
from maskwright.image.stream import Readable

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".heic", ".heif"))
"""Of the files in a folder that count as pictures; what they are is decided by their content."""
GIVEN_BYTES = "the photo given as bytes"  # its name in messages
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_FORMATS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
}
_FOREIGN = {
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript document",
    b"GIF8": "a GIF",
    b"8BPS": "a Photoshop document",
    b"PK\x03\x04": "a zip archive",
    b"ftypavi": "an AVIF picture",
    b"ftyp": "a film",
    b"<": "a text in SVG, HTML or XML",
    b"\xef\xbb\xbf<": "a text in SVG, HTML or XML",
    b"\x76\x2f\x31\x01": "an OpenEXR picture",
    b"\x00\x00\x00\x0cjP": "a JPEG 2000 picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"\x00\x00\x00\x0cJXL": "a JPEG XL picture",
}


def display_name(path: str | os.PathLike[str]) -> str:
    """Return a path as it can be printed on one line, whatever bytes it holds."""
    text = os.fspath(path)
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one `ImageError` that names the photo."""
    try:
        yield
    except MaskwrightError:
        raise
    except Exception as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise ImageError(
            f"{name}: expected a whole photo of a common kind, got one that cannot be decoded"
            f" ({lines[0]}); it is damaged or rare, export it again"
        ) from error


@contextmanager
def open_source(source: str | os.PathLike[str] | bytes) -> Iterator[tuple[Readable, str]]:
    """Yield a seekable binary stream and the name of the photo for messages.

    Raises:
        ImageError: If there is no such file, or it is a folder, a pipe, or unreadable.
    """
    if isinstance(source, bytes):
        yield BytesIO(source), GIVEN_BYTES
        return
    name = display_name(source)
    with _open_regular_file(Path(source), name) as stream:
        yield stream, name


def _open_regular_file(path: Path, name: str) -> Readable:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{name}: expected a photo, got a folder; name a file in it")
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            raise ImageError(f"{name}: expected a photo, got a pipe or device; pass its bytes")
        return path.open("rb")
    except FileNotFoundError as error:
        raise ImageError(f"{name}: expected a photo, got no such file; check the path") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImageError(f"{name}: expected a readable photo, got an error: {reason}") from error


def recognise(stream: Readable, name: str) -> str:
    """Return the format of a photo by its first bytes; its suffix does not count.

    Raises:
        ImageError: If it is empty or of another kind.
    """
    stream.seek(0)
    head = stream.read(64)
    stream.seek(0)
    if not head:
        raise ImageError(f"{name}: expected a photo, got an empty file; copy or export it again")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if (
        head[4:8] == b"ftyp"
        and head[8:12] not in {b"avif", b"avis"}
        and _HEIF_BRANDS & {head[i : i + 4] for i in range(8, 64, 4)}
    ):
        return "HEIF"
    for magic, format in _FORMATS.items():
        if head.startswith(magic):
            return format
    if head[4:8] == b"ftyp":
        head = head[4:]
    foreign = [kind for magic, kind in _FOREIGN.items() if head.lstrip().startswith(magic)]
    raise ImageError(
        f"{name}: expected PNG, JPEG, TIFF, WebP, BMP or HEIC,"
        f" got {foreign[0] if foreign else 'something else'}; convert it first"
    )
