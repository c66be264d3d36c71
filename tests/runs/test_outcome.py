import errno

import pytest

from maskwright.errors import (
    ImageError,
    MemoryBudgetError,
    OutputError,
    ShapeError,
    UsageError,
    WeightsError,
)
from maskwright.runs.outcome import ends_run, problem_of


def test_an_error_becomes_one_line():
    assert problem_of(ImageError("a.jpg:\n damaged")).text == "a.jpg: damaged"
    assert "fault of ours, KeyError" in problem_of(KeyError("x")).text
    assert "not enough memory" in problem_of(MemoryError()).text
    assert problem_of(MemoryBudgetError("too small")).was_refused


@pytest.mark.parametrize("number, full", [(errno.ENOSPC, True), (errno.EACCES, False)])
def test_a_full_disk_is_seen_through_our_own_error(number, full):
    error = OutputError("no")
    error.__cause__ = OSError(number, "reason")
    assert problem_of(error).is_full is full


def test_what_is_wrong_with_the_call_ends_the_run_and_a_bad_photo_does_not():
    assert ends_run(UsageError("x")) and ends_run(WeightsError("x"))
    assert not ends_run(ShapeError("x")) and not ends_run(ImageError("x"))
