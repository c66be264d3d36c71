"""Everything a running server knows: photos, networks, journal, and who works on what."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from maskwright.app import payload
from maskwright.app.document import UNTOUCHED, Json, Object
from maskwright.app.gallery import MAX_PIXELS, Found, Gallery
from maskwright.app.jobs import Exports
from maskwright.app.journal import DO, PhotoRow, journal_folder, open_journal
from maskwright.app.lane import IDLE, NOW, SOON, Lane
from maskwright.app.networks import Loaders, Networks, Store
from maskwright.app.refusals import Refusal, StaleError, busy
from maskwright.app.replies import card
from maskwright.app.session import Session

LEASE_S = 15.0
_SESSIONS_KEPT = 32
_MOST_WAITING = 16  # requests about one photo

IsGone = Callable[[], Awaitable[bool]]
log = logging.getLogger(__name__)


class Workplace:
    """A folder of photos at work.

    Args:
        folder: Of the photos.
        loaders: How the networks are loaded.
        store: Photos that were encoded beforehand.
        uploads: Whether photos may be added.
        max_pixels: Larger photos are not decoded.

    Raises:
        DataError: If the journal is damaged.
        OutputError: If it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        loaders: Loaders,
        *,
        store: Store | None = None,
        uploads: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.uploads = uploads
        self.gallery = Gallery(folder, max_pixels=max_pixels)
        self.journal = open_journal(folder, create=True)
        self.lane = Lane("networks")
        self.pictures = Lane("pictures", workers=2, most_waiting=64)
        exported = journal_folder(folder) / "exports"
        self.exports = Exports(exported, self.gallery, self.journal, loaders.matters)
        self.networks = Networks(loaders, self.gallery, self.lane, store=store)
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._places: dict[str, _Place] = {}
        self._leases: dict[str, tuple[str, float]] = {}

    def warm_up(self) -> None:
        """Have the click network loaded, so that the first click does not wait for it."""
        self.lane.submit(lambda: self.networks.clicker, urgency=IDLE)

    def close(self) -> bool:
        """Drop what waits, close the journal, and return whether all that was being done is done.

        Once more does nothing more.
        """
        ended = [self.lane.close(), self.pictures.close(), self.exports.close()]
        self.journal.close()
        return all(ended)

    def cards(self) -> list[Json]:
        """Return all photos as the gallery shows them."""
        rows = {row.id: row for row in self.journal.photos()}
        return [_card(found, rows.get(found.id)) for found in self.gallery.photos()]

    async def find(self, id: str) -> Found:
        """Return a photo.

        Raises:
            Refusal: If there is none of this id.
        """
        if self.gallery.is_known(id):
            return self.gallery.find(id)  # quicker than a thread
        return await asyncio.to_thread(self.gallery.find, id)

    def added(self, content: bytes, name: str) -> Json:
        """Return the card of a photo that came as bytes.

        Raises:
            ImageError: If it is no photo, or too large.
            OutputError: If it cannot be written.
        """
        found = self.gallery.add(content, name)
        return _card(found, next((x for x in self.journal.photos() if x.id == found.id), None))

    async def open(self, found: Found, client: str, *, take_over: bool) -> Json:
        """Return a photo's document; it is held by the client from now on.

        Raises:
            Refusal: If another client holds it, or the photo is another one than before.
        """
        async with self._alone(found) as session:
            self._hold(found.id, client, take_over=take_over)
            self.networks.encode_ahead(found, urgency=SOON)
            following = self._following(found)
            if following is not None:
                self.networks.encode_ahead(following, urgency=IDLE)
            return await asyncio.to_thread(session.opened)

    def keep(self, id: str, client: str) -> bool:
        """Return whether a client still holds a photo; it does for a while longer then."""
        holder = self._holder(id)
        if holder == client:
            self._leases[id] = client, time.monotonic() + LEASE_S
        return holder == client

    def leave(self, id: str, client: str) -> None:
        """Let others have a photo."""
        if self._holder(id) == client:
            del self._leases[id]

    async def act(self, found: Found, act: payload.Act, is_gone: IsGone) -> Json:
        """Return what an action changed, after it was kept.

        Raises:
            Refusal: If another client holds the photo, or too much is waiting.
            StaleError: If the page knew an earlier state only.
            UsageError: If the action does not fit the photo.
        """
        started = time.perf_counter()
        async with self._alone(found) as session:
            if session.is_done(act.key):
                return await asyncio.to_thread(session.repeated, act.key)
            self._hold(found.id, act.client)
            session.check_revision(act.revision)
            lane = self.lane if session.asks_network(act.action) else self.pictures
            document = await lane.run(
                lambda: session.edited(act.action), urgency=NOW, is_gone=is_gone
            )
            spent = (time.perf_counter() - started) * 1000
            return await self._committed(
                session,
                DO,
                key=act.key,
                action=act.action.model_dump(exclude_none=True),
                document=document,
                milliseconds=spent,
            )

    async def step(self, found: Found, kind: str, step: payload.Step) -> Json:
        """Return what undo or redo changed, after it was kept.

        Raises:
            Refusal: As for `act`.
            StaleError: As for `act`.
            UsageError: If there is nothing to undo or redo.
        """
        async with self._alone(found) as session:
            if session.is_done(step.key):
                return await asyncio.to_thread(session.repeated, step.key)
            self._hold(found.id, step.client)
            session.check_revision(step.revision)
            return await self._committed(session, kind, key=step.key, action={})

    async def object(self, found: Found, number: int) -> Object:
        """Return an object of a photo as it stands.

        Raises:
            Refusal: If there is none of this number.
        """
        async with self._alone(found) as session:
            one = session.line.now.find(number)
        if one is None:
            raise Refusal(404, f"expected an object of this photo, there is no {number}")
        return one

    async def _committed(self, session: Session, kind: str, **said: Any) -> Json:
        try:
            # What has begun to be kept is kept to the end, even if the page goes away.
            return await asyncio.shield(asyncio.to_thread(session.commit, kind, **said))
        except StaleError:
            self._sessions.pop(session.found.id, None)
            raise

    @asynccontextmanager
    async def _alone(self, found: Found) -> AsyncIterator[Session]:
        """Yield the session of a photo that nobody else does anything with meanwhile."""
        place = self._places.setdefault(found.id, _Place())
        if place.waiting >= _MOST_WAITING:
            raise busy()
        place.waiting += 1
        try:
            async with place.lock:
                yield await self._session(found)
        finally:
            place.waiting -= 1
            if not place.waiting:
                self._places.pop(found.id, None)

    async def _session(self, found: Found) -> Session:
        session = self._sessions.get(found.id)
        if session is None or session.found.stamp != found.stamp:
            session = await asyncio.to_thread(Session, found, self.journal, self.networks)
            self._sessions[found.id] = session
        self._sessions.move_to_end(found.id)
        while len(self._sessions) > _SESSIONS_KEPT:
            self._sessions.popitem(last=False)
        return session

    def _hold(self, id: str, client: str, *, take_over: bool = False) -> None:
        holder = self._holder(id)
        if holder not in {None, client} and not take_over:
            raise Refusal(
                409,
                "this photo is open in another window; take it over, or close it there",
                is_held=True,
            )
        self._leases[id] = client, time.monotonic() + LEASE_S

    def _holder(self, id: str) -> str | None:
        client, until = self._leases.get(id, (None, 0.0))
        return client if time.monotonic() < until else None

    def _following(self, found: Found) -> Found | None:
        """Return the photo after one."""
        known = self.gallery.known()
        ids = [one.id for one in known]
        index = ids.index(found.id) + 1 if found.id in ids else len(ids)
        return known[index] if index < len(known) else None


def _card(found: Found, row: PhotoRow | None) -> Json:
    if row is None:
        return card(found, state=UNTOUCHED, objects=0)
    return card(found, state=row.state, objects=row.objects)


class _Place:
    """Whoever wants to do something with a photo waits here."""

    def __init__(self) -> None:
        self.lock, self.waiting = asyncio.Lock(), 0
