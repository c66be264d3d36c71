"""Which real foregrounds and backgrounds train the small matting networks, and which only test.

Recipe and benchmark both read the split here, so that no photo of the benchmark was ever trained
on. The split is by file: a foreground's name is listed, a background's name decides for itself.
"""

from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from maskwright.errors import DataError

HELD_OUT_FOREGROUNDS = (
    *("aim_s_1", "am2k_sample12", "am2k_sample3", "am2k_sample6", "am2ks_3"),
    *("p3m_p_514ca06a", "p3m_p_d684dae3", "p3m_s_p_015cd10e"),
)
TEST_PHOTO = "lemur"  # a test photo of its own: its foreground is in neither part
ONE_BACKGROUND_IN = 6  # is held out


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
