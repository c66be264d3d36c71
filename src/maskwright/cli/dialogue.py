"""The dialogue of `click --interactive`: a JSON object on each line in, one on each line out.

Every line that comes in is answered by one line; what goes wrong is an answer too.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskwright.cli.pictures import OPAQUE
from maskwright.errors import UsageError
from maskwright.runs.outcome import one_line

if TYPE_CHECKING:
    from maskwright.image.photo import Photo
    from maskwright.inference.click import Answer
    from maskwright.inference.session import Session

Message = Mapping[str, Any]

log = logging.getLogger(__name__)


@dataclass
class Dialogue:
    """What is being talked about.

    Attributes:
        session: Answers about the photo's objects.
        photo: The photo.
        source: Its path, which is never written to.
        overwrite: Whether files that were there before may be replaced.
        object: The number of the object that messages are about.
        saved: The files that were written, which may be replaced.
    """

    session: "Session"
    photo: "Photo"
    source: str
    overwrite: bool
    object: int = 1
    saved: set[str] = field(default_factory=set)

    def answer(self, line: bytes) -> dict[str, Any]:
        """Return the answer to a line; a line that cannot be answered changes nothing."""
        started = time.perf_counter()
        try:
            message = _parse(line)
            number = _object(message, self.object)
            kind = _kind(message)
            answer = ACTIONS[kind](self, number, message) if kind else self.session.answer(number)
            reply = {"object": number, "rle": answer.rle, "area": answer.area}
        except Exception as error:  # whatever it is: the next line may be better
            log.debug("a line of the dialogue", exc_info=True)
            return {"error": one_line(error)}
        self.object = number
        if kind == "save":
            reply["saved"] = message["save"]
        return reply | {"milliseconds": round((time.perf_counter() - started) * 1000, 1)}

    def save(self, number: int, path: Any) -> "Answer":
        """Write the mask of an object as a grey picture.

        Raises:
            UsageError: If there is no mask yet, or the file cannot be one, or is the photo itself.
            OutputError: If the file exists and may not be replaced, or cannot be written.
        """
        from maskwright.image.io import write_image

        if not isinstance(path, str) or not path.lower().endswith(OPAQUE):
            raise UsageError(f"save must name a file that ends with {', '.join(OPAQUE)}")
        if Path(path).resolve() == Path(self.source).resolve():
            raise UsageError(f"{path} would replace the photo itself; name another file")
        if self.session.is_untouched(number):
            raise UsageError(f"there is no mask of object {number} to save; click first")
        answer = self.session.answer(number)
        may_replace = self.overwrite or path in self.saved
        picture = answer.mask.astype("uint8") * 255
        write_image(path, picture, like=self.photo, overwrite=may_replace)
        self.saved.add(path)
        return answer


def hold_dialogue(session: "Session", photo: "Photo", *, source: str, overwrite: bool) -> int:
    """Answer the lines of standard input until it ends; returns the object spoken of last."""
    dialogue = Dialogue(session, photo, source, overwrite)
    for line in sys.stdin.buffer:
        print(json.dumps(dialogue.answer(line)), flush=True)
    return dialogue.object


def as_numbers(values: Any, count: int) -> list[float]:
    """Return so many numbers.

    Raises:
        ValueError: If there are more or fewer, or one is no number; True is none.
    """
    is_list = isinstance(values, list) and len(values) == count
    if not is_list or not all(isinstance(v, Real) and not isinstance(v, bool) for v in values):
        raise ValueError(f"{count} numbers are expected, got {values!r}")
    try:
        return [float(value) for value in values]
    except OverflowError as error:
        raise ValueError("a number is too large") from error


def _parse(line: bytes) -> Message:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"a line must be a JSON object such as {EXAMPLE}, got one that is no JSON ({error})"
        ) from error
    if not isinstance(message, dict):
        raise UsageError(f"a line must be a JSON object such as {EXAMPLE}, got {_shown(message)}")
    return message


def _object(message: Message, current: int) -> int:
    number = message.get("object", current)
    if type(number) is not int or number < 1:
        raise UsageError(f"object must be a whole number from 1 on, got {_shown(number)}")
    return number


def _kind(message: Message) -> str | None:
    """Return what a message asks for; None if it only names an object.

    Raises:
        UsageError: If it asks for nothing, for more than one thing, or has an unknown key.
    """
    kinds = [kind for kind in ACTIONS if kind in message]
    known = {"object"}.union(*(KEYS[kind] for kind in kinds))
    foreign = [key for key in message if key not in known]
    if len(kinds) > 1 or foreign or not message:
        said = ", ".join(map(repr, message)) or "nothing"
        raise UsageError(
            f"a line must ask for one thing, such as {EXAMPLE} or one of {', '.join(ACTIONS)},"
            f" got {_shown(said)}"
        )
    return kinds[0] if kinds else None


def _add_click(dialogue: Dialogue, number: int, message: Message) -> "Answer":
    from maskwright.structures.click import Click

    if "y" not in message:
        raise UsageError(f"a click needs x and y, got x alone; say it like {EXAMPLE}")
    x, y = _checked("x and y", [message["x"], message["y"]], 2)
    return dialogue.session.add(number, [Click(x, y, message.get("positive", True))])


def _add_box(dialogue: Dialogue, number: int, message: Message) -> "Answer":
    from maskwright.structures.box import Box

    return dialogue.session.add(number, box=Box(*_checked("box", message["box"], 4)))


def _add_scribble(dialogue: Dialogue, number: int, message: Message) -> "Answer":
    from maskwright.structures.scribble import Scribble

    points = message["scribble"]
    if not isinstance(points, list):
        raise UsageError(f"scribble must be a list of [x, y], got {_shown(points)}")
    pairs = [_checked("a point of a scribble", point, 2) for point in points]
    line = Scribble([(x, y) for x, y in pairs], message.get("positive", True))
    return dialogue.session.add(number, scribbles=[line])


def _start(dialogue: Dialogue, number: int, message: Message) -> "Answer":
    if not isinstance(message["mask"], str):
        raise UsageError(f"mask must name a file, got {_shown(message['mask'])}")
    return dialogue.session.start(number, message["mask"])


def _step(name: str) -> Callable[[Dialogue, int, Message], "Answer"]:
    """Return what calls the session's method of this name, when the message says true."""

    def step(dialogue: Dialogue, number: int, message: Message) -> "Answer":
        if message[name] is not True:
            raise UsageError(f"{name} must be true, got {_shown(message[name])}")
        answer: Answer = getattr(dialogue.session, name)(number)
        return answer

    return step


def _checked(name: str, values: Any, count: int) -> list[float]:
    try:
        return as_numbers(values, count)
    except ValueError as error:
        raise UsageError(f"{name} must be {count} numbers, got {_shown(values)}") from error


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


EXAMPLE = '{"x": 120, "y": 80, "positive": true}'
ACTIONS: dict[str, Callable[[Dialogue, int, Message], "Answer"]] = {
    "x": _add_click,
    "box": _add_box,
    "scribble": _add_scribble,
    "mask": _start,
    "undo": _step("undo"),
    "redo": _step("redo"),
    "reset": _step("reset"),
    "save": lambda dialogue, number, message: dialogue.save(number, message["save"]),
}
KEYS = {kind: {kind} for kind in ACTIONS} | {
    "x": {"x", "y", "positive"},
    "scribble": {"scribble", "positive"},
}
