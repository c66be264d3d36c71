"""Every error this package raises on purpose.

* MaskwrightError
  - UsageError        (also ValueError)       the caller asked for something that cannot be asked
    + ShapeError                              an array has the wrong number of axes or size
    + MissingExtraError (also ImportError)    an optional dependency is not installed
  - ImageError        (also ValueError)       a photo is damaged, foreign, or of an unexpected kind
    + ImageTooLargeError                      its header announces more pixels than allowed
  - TrimapError       (also ValueError)       a trimap or mask has wrong values, size or content
  - SubjectError      (also ValueError)       nothing was found in a photo that could be cut out
  - FeaturesError     (also ValueError)       an encoded photo is damaged, or of something else
  - DataError         (also ValueError)       a dataset folder is incomplete or inconsistent
  - OutputError       (also OSError)          a result cannot be written, or exists already
  - WeightsError      (also RuntimeError)     a checkpoint is missing, damaged or foreign
  - TrainingError     (also RuntimeError)     a training run had to stop
  - RefusedError      (also PermissionError)  asked for correctly, but not allowed here
    + LicenceError                            the terms of the weights forbid the use asked for
    + MemoryBudgetError                       the memory allowed is too small for the job

Messages say what was expected, what came, and what to do, in one line.
"""


class MaskwrightError(Exception):
    """Base class: `except MaskwrightError` catches what the package raises, and nothing else."""


class UsageError(MaskwrightError, ValueError):
    """The caller asked for something that cannot be asked; the command line exits with 1."""


class ShapeError(UsageError):
    """An array has the wrong number of axes or the wrong size."""


class MissingExtraError(UsageError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


class ImageError(MaskwrightError, ValueError):
    """A photo is damaged, in a foreign format, or of an unexpected kind."""


class ImageTooLargeError(ImageError):
    """The header of a photo announces more pixels than allowed; nothing was decoded."""


class TrimapError(MaskwrightError, ValueError):
    """A trimap or mask has wrong values, the wrong size, or lacks foreground or background."""


class SubjectError(MaskwrightError, ValueError):
    """Nothing was found in a photo that could be its subject."""


class FeaturesError(MaskwrightError, ValueError):
    """An encoded photo is damaged, or was made of another photo or with other weights."""


class DataError(MaskwrightError, ValueError):
    """A dataset folder is incomplete or inconsistent; the message names the files."""


class OutputError(MaskwrightError, OSError):
    """A result cannot be written, or exists already."""


class WeightsError(MaskwrightError, RuntimeError):
    """A checkpoint is missing, damaged, or made for another model."""


class TrainingError(MaskwrightError, RuntimeError):
    """A training run had to stop; the message names the step."""


class RefusedError(MaskwrightError, PermissionError):
    """Asked for correctly, but not allowed here; the command line exits with 3."""


class LicenceError(RefusedError):
    """The terms of the weights or of their training data forbid the use asked for."""


class MemoryBudgetError(RefusedError):
    """The memory allowed is too small for the job; the message says what would do."""
