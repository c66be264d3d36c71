"""One photo at work: its line of states, and what the click network was told about its objects.

The state of a dialogue with the network is not kept in the journal: it follows from the mask it
began with and from what was said since, and is made again when a photo is opened again.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from maskwright.app.document import Document, Json, Object, Said, change_to_json
from maskwright.app.edits import ASK_NETWORK, Tools, edited
from maskwright.app.gallery import Found
from maskwright.app.journal import DO, Entry, Journal, Line, PhotoRow, line_after
from maskwright.app.networks import Networks
from maskwright.app.refusals import Refusal, StaleError
from maskwright.app.replies import change_reply, document_reply
from maskwright.errors import UsageError
from maskwright.structures import rle as runs
from maskwright.structures.box import Box
from maskwright.structures.click import Click
from maskwright.structures.scribble import Scribble

if TYPE_CHECKING:
    from maskwright.inference.answer import Answer

_ANSWERS_KEPT = 12  # each holds its reference map, up to a megabyte


class Session:
    """What is known about one photo; one thing at a time is done with it.

    Args:
        found: The photo.
        journal: Of its folder.
        networks: What answers.

    Raises:
        Refusal: If the photo has another size than when it was worked on.
    """

    def __init__(self, found: Found, journal: Journal, networks: Networks) -> None:
        self.found, self.journal, self.networks = found, journal, networks
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        entries = journal.entries(found.id)
        self.revision = len(entries)
        self._keys = {entry.key for entry in entries}
        size = journal.size(found.id) or found.size
        if size != found.size:
            raise Refusal(
                409,
                f"expected the photo that was worked on, {size[1]} x {size[0]}, got one of"
                f" {found.size[1]} x {found.size[0]}; put the old one back, or give the new one"
                " another name",
            )
        self.line: Line = line_after(entries, size)

    def opened(self) -> Json:
        """Return the document as the page gets it."""
        return document_reply(self.found, self.line, self.revision)

    def is_done(self, key: str) -> bool:
        """Say whether the action of a key was done."""
        return key in self._keys

    def repeated(self, key: str) -> Json:
        """Return what was answered to the action of a key."""
        entries = self.journal.entries(self.found.id, until_key=key)
        entry = entries[-1]
        before = line_after(entries[:-1], self.found.size)
        after = line_after(entries, self.found.size)
        return self._reply(entry, before, after)

    def check_revision(self, revision: int) -> None:
        """Refuse what was meant for an earlier state.

        Raises:
            StaleError: If it was.
        """
        if revision != self.revision:
            raise StaleError(
                f"expected revision {self.revision} of this photo, got {revision}: it has changed"
                " since; open it again"
            )

    def asks_network(self, action: Any) -> bool:
        """Say whether an action is to be done in the networks' lane."""
        return action.type in ASK_NETWORK

    def edited(self, action: Any) -> Document:
        """Return the document that an action gives; nothing is kept yet.

        Raises:
            UsageError: If it does not fit the photo.
        """
        matters = tuple(self.networks.loaders.matters)
        return edited(self.line.now, action, Tools(self._mask, self._subject, matters))

    def commit(
        self,
        kind: str,
        *,
        key: str,
        action: Json,
        document: Document | None = None,
        milliseconds: float = 0.0,
    ) -> Json:
        """Keep what was done, on the disk, and return what the page gets.

        Args:
            kind: "do", "undo" or "redo".
            key: Of the action.
            action: As the page sent it.
            document: What it gave; None for undo and redo.
            milliseconds: That it took so far.

        Raises:
            UsageError: If there is nothing to undo or redo.
            StaleError: If another process has gone on with the photo.
            OutputError: If it cannot be written.
        """
        started = time.perf_counter()
        before, after = self.line, self.line.after(kind, document)
        change = change_to_json(before.now, after.now) if kind == DO else {}
        spent = milliseconds + (time.perf_counter() - started) * 1000
        entry = Entry(self.revision + 1, key, kind, action, change, spent)
        now = after.now
        row = PhotoRow(self.found.id, self.found.name, self.found.size, now.state, len(now.objects))
        self.journal.append(row, entry)
        self.line, self.revision = after, entry.revision
        self._keys.add(key)
        return self._reply(entry, before, after)

    def _reply(self, entry: Entry, before: Line, after: Line) -> Json:
        return change_reply(
            self.found,
            before.now,
            after,
            revision=entry.revision,
            milliseconds=entry.milliseconds,
        )

    def _mask(self, one: Object) -> Json:
        """Return the mask that the network gives an object after what was said about it."""
        features = self.networks.features(self.found)
        answer: Answer | None = None
        told = len(one.said)
        while told and (answer := self._answers.get(_key(one, told))) is None:
            told -= 1
        if answer is None and one.given is not None:
            answer = self.networks.clicker.start(features, runs.decode(one.given))
        for number, said in enumerate(one.said[told:], start=told + 1):
            clicks, box, scribbles = _prompt(said)
            answer = self.networks.clicker.answer(
                features, clicks, answer, box=box, scribbles=scribbles
            )
            self._keep(_key(one, number), answer)
        assert answer is not None
        # The mask is made in a copy, so that the answer kept does not hold it.
        return replace(answer).rle

    def _keep(self, key: Hashable, answer: "Answer") -> None:
        self._answers[key] = answer
        self._answers.move_to_end(key)
        while len(self._answers) > _ANSWERS_KEPT:
            self._answers.popitem(last=False)

    def _subject(self, number: int) -> Json:
        subjects = self.networks.subjects(self.found)
        segments = () if subjects.found is None else subjects.found.segments
        for segment in segments:
            if segment.id == number:
                return dict(segment.rle)
        raise UsageError(
            f"expected a subject from 1 to {len(segments)}, got {number}; ask for the subjects"
        )


def _key(one: Object, told: int) -> Hashable:
    given = None if one.given is None else one.given["counts"]
    return one.number, given, one.said[:told]


def _prompt(said: Said) -> tuple[list[Click], Box | None, list[Scribble]]:
    if isinstance(said, Click):
        return [said], None, []
    return ([], said, []) if isinstance(said, Box) else ([], None, [said])
