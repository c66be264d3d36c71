"""Which real photos train the small networks, and which only test them.

Recipe and benchmark both read the split here, so that no photo of the benchmark was ever trained
on. The split is by file: a foreground's name is listed, a background's name decides for itself,
and so does that of a photo with known objects, or of the film it was taken from.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from zlib import crc32

from maskwright.errors import DataError

HELD_OUT_FOREGROUNDS = (
    *("aim_s_1", "am2k_sample12", "am2k_sample3", "am2k_sample6", "am2ks_3"),
    *("p3m_p_514ca06a", "p3m_p_d684dae3", "p3m_s_p_015cd10e"),
)
TEST_PHOTO = "lemur"  # a test photo of its own: its foreground is in neither part
ONE_BACKGROUND_IN = 6  # is held out
ONE_PHOTO_IN = 6  # with known objects, or one film, is held out
BENCHMARK_PHOTOS = (  # of BSDS500: they are also in GrabCut or in the geodesic star set
    *("106024", "124084", "153077", "153093", "181079", "189080", "208001", "209070", "21077"),
    *("227092", "24077", "271008", "304074", "326038", "37073", "376043", "388016", "65019"),
    *("69020", "86016"),
)


@dataclass(frozen=True)
class Split:
    """The files of a folder, sorted, in two parts that share none."""

    training: tuple[Path, ...]
    held_out: tuple[Path, ...]


def split_foregrounds(folder: Path) -> Split:
    """Return the PNG foregrounds of a folder; those in `HELD_OUT_FOREGROUNDS` are held out.

    Raises:
        DataError: If one that is to be held out is missing.
    """
    files = [file for file in sorted(folder.glob("*.png")) if file.stem != TEST_PHOTO]
    held_out = tuple(file for file in files if file.stem in HELD_OUT_FOREGROUNDS)
    missing = sorted(set(HELD_OUT_FOREGROUNDS) - {file.stem for file in held_out})
    if missing:
        raise DataError(
            f"{folder} must hold the held-out foregrounds, got none named {', '.join(missing)};"
            " check the folder"
        )
    return Split(tuple(file for file in files if file not in held_out), held_out)


def split_backgrounds(folder: Path) -> Split:
    """Return the JPEG backgrounds one folder further down.

    Held out are those whose file name has a CRC-32 that `ONE_BACKGROUND_IN` divides, so a
    photo stays in its part whatever is added beside it.

    Raises:
        DataError: If one of the parts is empty.
    """
    files = sorted(folder.glob("*/*.jpg"))
    held_out = tuple(f for f in files if crc32(f.name.encode()) % ONE_BACKGROUND_IN == 0)
    training = tuple(file for file in files if file not in held_out)
    if not training or not held_out:
        raise DataError(
            f"{folder}/*/*.jpg must give backgrounds to train and to test on, got"
            f" {len(training)} and {len(held_out)}; add photos or check the folder"
        )
    return Split(training, held_out)


def split_photos(
    files: Iterable[Path], *, group: Callable[[Path], str] = attrgetter("name")
) -> Split:
    """Return photos with known objects, sorted, in two parts; a group is never torn apart.

    Held out are those whose group has a CRC-32 that `ONE_PHOTO_IN` divides. `BENCHMARK_PHOTOS`
    are in neither part.

    Args:
        files: The photos.
        group: What photos of one scene share, such as `sequence_of`; by itself each is a group.

    Raises:
        DataError: If one of the parts is empty.
    """
    kept = [file for file in sorted(files) if file.stem not in BENCHMARK_PHOTOS]
    held_out = tuple(f for f in kept if crc32(group(f).encode()) % ONE_PHOTO_IN == 0)
    training = tuple(file for file in kept if file not in set(held_out))
    if not training or not held_out:
        raise DataError(
            "photos with objects must be enough to train and to test on, got"
            f" {len(training)} and {len(held_out)}; add photos or check the folder"
        )
    return Split(training, held_out)


def sequence_of(file: Path) -> str:
    """Return the sequence of a frame such as `bear_00030.jpg`: what is before the last `_`."""
    return file.stem.rpartition("_")[0] or file.stem
