import os
import signal
import subprocess
import sys
import time

import inverting
import numpy as np
import pytest

from maskwright.batch.codec import Codec, Limits
from maskwright.errors import MaskwrightError
from maskwright.runs.outcome import Problem


@pytest.fixture
def codec():
    found = Codec("job", Limits(seconds=20.0, bytes=1 << 29))
    yield found
    found.close()


def test_arrays_come_and_go_as_they_are_and_can_be_written_to(codec):
    array = np.arange(30, dtype=np.uint16).reshape(2, 3, 5)
    sent = codec.call(inverting.twice, array, "text")
    np.testing.assert_array_equal(sent[0], 2 * array)
    assert sent[1:] == ("text", "job")
    sent[0][:] = 0


def test_what_is_wrong_comes_back_as_a_problem_and_the_process_lives_on(codec):
    first = codec.call(inverting.process_id)
    assert codec.call(inverting.fail) == Problem("a.png: damaged")
    assert "fault of ours, ZeroDivisionError" in codec.call(inverting.divide).text
    assert codec.call(inverting.process_id) == first != os.getpid()


@pytest.mark.parametrize(
    "step, said", [("crash", "SIGABRT"), ("leave", "exit code 3"), ("swell", "not enough memory")]
)
def test_a_crash_or_too_much_memory_costs_one_item(codec, step, said):
    assert said in codec.call(getattr(inverting, step)).text
    assert codec.call(inverting.process_id) > 0


def test_what_takes_too_long_is_stopped():
    codec = Codec("job", Limits(seconds=0.1))
    codec._running()  # starting does not count
    started = time.perf_counter()
    assert "within 0.1 s, took longer" in codec.call(inverting.hang).text
    assert time.perf_counter() - started < 20
    codec.close()


@pytest.mark.parametrize("library", ["CDLL", "PyDLL"])  # without the lock of Python, and with it
def test_a_killed_run_leaves_no_process_behind_that_hangs(library):
    program = (
        "import inverting, sys; from maskwright.batch.codec import Codec, Limits\n"
        "Codec('job', Limits(seconds=2.0)).call(inverting.hang_aloud, sys.argv[1])\n"
    )
    run = subprocess.Popen([sys.executable, "-c", program, library], stderr=subprocess.PIPE)
    assert run.stderr.readline() == b"begun\n"
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=60)  # ends once both have let go of the pipe


def test_what_libraries_print_does_not_get_between(codec, capfd):
    assert codec.call(inverting.shout) == "done"
    assert "noise" in capfd.readouterr().err


def test_warnings_are_told_by_the_run(codec, caplog):
    assert codec.call(inverting.warn) == "done"
    assert "120 was read as unknown" in caplog.text


def test_a_process_that_cannot_start_ends_the_run(monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(MaskwrightError, match="process for decoding to start, it ended with 1"):
        Codec("job", Limits()).call(inverting.process_id)


def test_closing_ends_the_process(codec):
    number = codec.call(inverting.process_id)
    codec.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
