"""Processes that decode and encode: a file that crashes, hangs or swells one stops nothing else.

The process is this module run as a program. It gets the job once, then a step and its arguments
again and again, over its standard input, and answers over its standard output. Arrays travel beside
the pickle that describes them, uncopied. It ends when its input does, in the middle of a step too,
so that a killed run leaves none behind; a step that lets no other thread run ends with the time
limit.
"""

import faulthandler
import logging
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from maskwright.errors import MaskwrightError
from maskwright.runs.outcome import Problem, problem_of

# One thread each: there are as many of these processes as there is room for.
_ALONE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_COUNT, _LENGTH = struct.Struct("<I"), struct.Struct("<Q")
_PIPE_BYTES = 1 << 20
_GRACE_SECONDS = 5.0  # beyond the limit, that a living run may end a step first, and say why
_NICE = 10  # the networks, whose threads wait for each other, go first

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What one step may take.

    Attributes:
        seconds: Of time.
        bytes: Of memory, beyond what the process needs to start; None for no limit.
    """

    seconds: float = 300.0
    bytes: int | None = None


class Codec:
    """A codec process, started when first needed and again after it has died.

    Args:
        job: What it works on; it has to be sent to the process, so plain values.
        limits: Of each step.
    """

    def __init__(self, job: Any, limits: Limits) -> None:
        self._job, self._limits = job, limits
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, step: Any, *arguments: Any) -> Any:
        """Return what a step returns, or the `Problem` with it."""
        process = self._running()
        was_late = threading.Event()
        timer = threading.Timer(self._limits.seconds, _kill, (process, was_late))
        timer.daemon = True
        timer.start()
        try:
            _send(_in(process), (step, arguments))
            result, said = _receive(_out(process))
        except (EOFError, OSError):
            self._process = None
            return Problem(self._obituary(process, was_late=was_late.is_set()))
        finally:
            timer.cancel()
        for text in said:
            log.warning("warning: %s", text)
        if isinstance(result, _TooMuch):
            self.close()  # what it holds may be in pieces
            return result.problem
        return result

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            _reap(process)

    def _running(self) -> subprocess.Popen[bytes]:
        """Return the process, ready for work.

        Raises:
            MaskwrightError: If it does not start.
        """
        if self._process is not None:
            return self._process
        process = subprocess.Popen(
            [sys.executable, "-m", "maskwright.batch.codec"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | dict.fromkeys(_ALONE, "1"),
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the run, which lets it finish its item
        )
        _widen(process)
        try:
            _send(_in(process), (self._job, self._limits))
            _receive(_out(process))
        except (EOFError, OSError) as error:
            code = _reap(process)
            raise MaskwrightError(
                f"expected a process for decoding to start, it ended with {code}; see what it said"
                " above, or allow it more memory with --codec-memory"
            ) from error
        self._process = process
        return process

    def _obituary(self, process: subprocess.Popen[bytes], *, was_late: bool) -> str:
        code = _reap(process)
        if was_late:
            return (
                f"expected to be decoded or encoded within {self._limits.seconds:g} s, took longer"
                " and was stopped; allow more with --time-limit, or leave the file out"
            )
        how = signal.Signals(-code).name if code < 0 else f"the exit code {code}"
        return (
            f"expected to be decoded or encoded, ended its process with {how}; the file is damaged"
            " or too large for the memory, export it again or leave it out"
        )


@dataclass(frozen=True)
class _TooMuch:
    """A step that asked for more memory than allowed."""

    problem: Problem


def _kill(process: subprocess.Popen[bytes], was_late: threading.Event) -> None:
    was_late.set()
    process.kill()


def _reap(process: subprocess.Popen[bytes]) -> int:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    return process.wait()


def _in(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdin is not None
    return process.stdin


def _out(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    return process.stdout


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Let more fit into the pipes, where that can be said: fewer turns for large photos."""
    if sys.platform != "linux":
        return
    import fcntl

    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _send(stream: Any, message: Any) -> None:
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(head), *(buffer.raw() for buffer in buffers)]
    lengths = b"".join(_LENGTH.pack(part.nbytes) for part in parts)
    for part in (memoryview(_COUNT.pack(len(parts)) + lengths), *parts):
        while part:
            part = part[stream.write(part) :]


def _receive(stream: Any) -> Any:
    (count,) = _COUNT.unpack(_exactly(stream, _COUNT.size))
    lengths = [_LENGTH.unpack(_exactly(stream, _LENGTH.size))[0] for _ in range(count)]
    head, *buffers = [_exactly(stream, length) for length in lengths]
    return pickle.loads(head, buffers=buffers)


def _exactly(stream: Any, length: int) -> bytearray:
    """Return so many bytes; a bytearray, so that arrays made of it can be written to."""
    data = bytearray(length)
    view = memoryview(data)
    while view:
        read = stream.readinto(view)
        if not read:
            raise EOFError
        view = view[read:]
    return data


def _limit_memory(count: int | None) -> None:
    if count is None or sys.platform == "win32":
        return
    import resource

    with suppress(OSError, ValueError):  # macOS does not know it
        with open("/proc/self/statm", encoding="ascii") as file:
            count += int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (count, count))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(job: Any, step: Any, arguments: tuple[Any, ...]) -> Any:
    """Return a step's result, or what is wrong, and the warnings it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = step(job, *arguments)
        except MemoryError as error:
            result = _TooMuch(problem_of(error))
        except Exception as error:
            log.debug("", exc_info=True)
            is_memory = "Insufficient memory" in str(error)  # OpenCV's
            result = _TooMuch(problem_of(MemoryError())) if is_memory else problem_of(error)
    return result, [str(one.message) for one in caught if issubclass(one.category, UserWarning)]


def serve(stream: BinaryIO, answers: BinaryIO) -> None:
    """Do steps until the input ends."""
    import cv2

    import maskwright.batch.operations  # noqa: F401  what is loaded now counts for no limit

    cv2.setNumThreads(1)
    job, limits = _receive(stream)
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(stream, asked), daemon=True).start()
    _limit_memory(limits.bytes)
    _send(answers, "ready")
    limit_seconds = min(limits.seconds + _GRACE_SECONDS, threading.TIMEOUT_MAX)
    while not isinstance(message := asked.get(), Exception):
        faulthandler.dump_traceback_later(limit_seconds, exit=True)
        _send(answers, _answer(job, *message))
        faulthandler.cancel_dump_traceback_later()
        del message
    if not isinstance(message, MemoryError):
        raise message
    _send(answers, (_TooMuch(problem_of(message)), []))


def _listen(stream: BinaryIO, asked: "queue.SimpleQueue[Any]") -> None:
    """Take in what is asked for; end the process with its input, whatever it is at."""
    try:
        while True:
            asked.put(_receive(stream))
    except EOFError:
        os._exit(0)
    except Exception as error:
        asked.put(error)


def _main() -> None:
    if sys.platform != "win32":
        os.nice(_NICE)
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    stream = os.fdopen(os.dup(0), "rb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    with suppress(BrokenPipeError, KeyboardInterrupt):
        serve(stream, answers)


if __name__ == "__main__":
    # By its own name, so that what is sent here and what is sent back are of the same classes.
    from maskwright.batch.codec import _main as main

    main()
