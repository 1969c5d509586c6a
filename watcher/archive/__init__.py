"""The reading side: what the API, the pages and the commands ask of the store, in pages with cursors.

Rules: reads only, through a connection of its own whose statements are bounded in steps, never through the
writer. A question is one of `watcher.records`; an answer is a page of at most `MOST` rows, newest first
(conversations: those that wait longest first). Whoever may not see everything asks what `seen_by` returns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from watcher.archive.cursors import Cursor, CursorError, Page, read_place, write_place
from watcher.archive.sight import EVERYTHING, SeenStore, Sight
from watcher.explain.story import Story
from watcher.explain.waits import Wait, Waits, what_it_waits_for
from watcher.model import Delivery, Snapshot
from watcher.records import (
    Acknowledgement,
    ConversationQuery,
    DeliveryQuery,
    Done,
    EventQuery,
    HistoryEntry,
    Hold,
    Recorded,
    Tally,
    TallyQuery,
    place_of,
)
from watcher.rules import Rule, Silence
from watcher.store import Store
from watcher.stories import read_story, what_decides

__all__ = [
    "MOST",
    "MOST_COUNTS",
    "Archive",
    "CursorError",
    "Evidence",
    "Known",
    "Owed",
    "Page",
    "Sight",
    "TooMany",
]

T = TypeVar("T")

MOST = 200
"""The largest number of rows of a page."""

MOST_COUNTS = 10_000
"""The largest number of counts in an answer."""

NAMED = 50
"""Conversations of a hold that are shown by name."""


class TooMany(ValueError):
    """A question has more answers than can be given."""

    def __init__(self) -> None:
        super().__init__(f"there are more than {MOST_COUNTS:,} counts")


@dataclass(frozen=True, slots=True)
class Owed:
    """A delivery with what it waits for (None: nothing, or it is over)."""

    delivery: Delivery
    wait: Wait | None


@dataclass(frozen=True, slots=True)
class Known:
    """A conversation as it is known, and who has taken it."""

    source: str
    snapshot: Snapshot
    taken: Acknowledgement | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A held sweep, with what is known of some of the conversations that it is about."""

    hold: Hold
    known: Sequence[Snapshot]


class Archive:
    """Answers questions about what a store holds; rules, silences and the time zone are those of today."""

    def __init__(
        self,
        store: Store,
        rules: Callable[[], Sequence[Rule]],
        silences: Callable[[], Sequence[Silence]],
        zone: Callable[[], ZoneInfo | None],
    ) -> None:
        self.store = store
        self.sight = EVERYTHING
        self._rules = rules
        self._silences = silences
        self._zone = zone

    def seen_by(self, sight: Sight, sources: Callable[[], Iterable[str]]) -> Archive:
        """Return the same as somebody sees it who may not see everything; `sources` returns the sources
        that are watched.
        """
        if sight.whole:
            return self
        store = cast("Store", SeenStore(self.store, sight, sources))
        seen = Archive(store, self._rules, self._silences, self._zone)
        seen.sight = sight
        return seen

    async def events(self, query: EventQuery, cursor: str = "") -> Page[Recorded]:
        """Return a page of the log. Raise CursorError."""
        at = Cursor.read(cursor) if cursor else None
        limit = _bounded(query.limit)
        found = await self.store.events(replace(query, limit=limit + 1, **_from(at)))
        return _page(found, [one.seq for one in found], at, limit)

    async def each_event(self, query: EventQuery) -> AsyncIterator[Recorded]:
        """Yield all events that a query asks for, the oldest first, some in memory at a time."""
        while found := await self.store.events(replace(query, oldest=True, limit=MOST)):
            for one in found:
                yield one
            query = replace(query, after=found[-1].seq)

    async def each_delivery(self, query: DeliveryQuery, now: datetime) -> AsyncIterator[Owed]:
        """Yield all deliveries that a query asks for, likewise."""
        known = await self._decides()
        while found := await self.store.entered(replace(query, oldest=True, limit=MOST)):
            for one in found:
                yield Owed(one.delivery, what_it_waits_for(one.delivery, known, now))
            query = replace(query, after=found[-1].seq)

    async def deliveries(self, query: DeliveryQuery, now: datetime, cursor: str = "") -> Page[Owed]:
        """Return a page of the outbox, those that entered it last first. Raise CursorError."""
        at = Cursor.read(cursor) if cursor else None
        limit = _bounded(query.limit)
        found = await self.store.entered(replace(query, limit=limit + 1, **_from(at)))
        known = await self._decides()
        owed = [Owed(one.delivery, what_it_waits_for(one.delivery, known, now)) for one in found]
        return _page(owed, [one.seq for one in found], at, limit)

    async def conversations(self, query: ConversationQuery, cursor: str = "") -> Page[Known]:
        """Return a page of what is known now. Raise CursorError."""
        limit = _bounded(query.limit)
        # A place holds the words by which a conversation is found: where they are hidden, one page is all.
        hidden = bool(query.words) and self.sight.hides_contact
        if cursor and hidden:
            raise CursorError
        after = read_place(cursor) if cursor else None
        asked = replace(query, limit=limit + 1, after=after)
        found = [one async for one in self.store.each_conversation(asked)]
        taken = await self._taken()
        known = [
            Known(source, one, taken.get((source, one.conversation.id)))
            for source, one in found[:limit]
        ]
        more = len(found) > limit and not hidden
        last = place_of(known[-1].source, known[-1].snapshot.conversation) if more else None
        return Page(known, None if last is None else write_place(last))

    async def conversation(self, source: str, id_: str) -> Known | None:
        """Return what is known of one conversation, also of one that is gone."""
        found = (await self.store.known(source, [id_])).get(id_)
        if found is None:
            return None
        return Known(source, found, (await self._taken()).get((source, id_)))

    async def story(self, event: str, now: datetime) -> Story | None:
        """Return an event with all that came of it; None if there is none of this id."""
        found = await self.store.events(EventQuery(id=event))
        return (
            await read_story(self.store, found[0].event, await self._decides(), now)
            if found
            else None
        )

    async def delivery(
        self, id_: str, now: datetime
    ) -> Sequence[tuple[Owed, Sequence[HistoryEntry]]]:
        """Return the deliveries of an id, to each receiver one, with what was done about them."""
        found = await self.store.deliveries(DeliveryQuery(id=id_, limit=MOST))
        known, history = await self._decides(), await self.store.history([one.key for one in found])
        return [
            (
                Owed(one, what_it_waits_for(one, known, now)),
                [entry for entry in history if entry.key == one.key],
            )
            for one in found
        ]

    async def evidence(self, source: str) -> Evidence | None:
        """Return what speaks for and against a held sweep, None if none is held."""
        state = await self.store.source(source)
        if state is None or state.hold is None:
            return None
        some = state.hold.ids[:NAMED]
        known = await self.store.known(source, some)
        return Evidence(state.hold, [known[id_] for id_ in some if id_ in known])

    async def acknowledgements(self) -> Sequence[Acknowledgement]:
        """Return who has taken which conversation, the latest first."""
        return [*reversed(await self.store.acknowledgements())][:MOST]

    async def actions(self, limit: int, cursor: str = "") -> Page[Done]:
        """Return a page of what people did. Raise CursorError."""
        at = Cursor.read(cursor) if cursor else None
        limit = _bounded(limit)
        found = await self.store.actions(before=None if at is None else at.seq, limit=limit + 1)
        more = len(found) > limit
        return Page(found[:limit], str(Cursor(found[limit - 1].seq, "older")) if more else None)

    async def tallies(self, query: TallyQuery) -> Sequence[Tally]:
        """Return how often things happened; raise TooMany."""
        found = await self.store.tallies(replace(query, limit=MOST_COUNTS + 1))
        if len(found) > MOST_COUNTS:
            raise TooMany
        return found

    async def close(self) -> None:
        """Close the connection."""
        await self.store.close()

    async def _decides(self) -> Waits:
        return await what_decides(self.store, self._rules(), self._silences(), self._zone())

    async def _taken(self) -> dict[tuple[str, str], Acknowledgement]:
        every = await self.store.acknowledgements()
        return {(one.source, one.conversation): one for one in every}


def _from(at: Cursor | None) -> dict[str, Any]:
    """Return what of a query says where it goes on."""
    if at is None:
        return {}
    return {"before": at.seq} if at.way == "older" else {"after": at.seq, "oldest": True}


def _bounded(limit: int) -> int:
    return max(1, min(limit, MOST))


def _page(found: Sequence[T], seqs: Sequence[int], at: Cursor | None, limit: int) -> Page[T]:
    """Return a page of rows that were read oldest first, one more than it has where there are more."""
    newer = at is not None and at.way == "newer"
    more = len(found) > limit
    # The one too many is the oldest of what goes back, and the newest of what comes.
    kept = slice(0, limit) if newer else slice(max(0, len(found) - limit), None)
    rows, places = found[kept], seqs[kept]
    if not rows:
        # Where there is nothing (yet), the list goes on from where it stood.
        if at is None:
            return Page(())
        return Page((), previous=str(Cursor(at.seq if newer else max(0, at.seq - 1), "newer")))
    older = str(Cursor(places[0], "older")) if more or newer else None
    later = str(Cursor(places[-1], "newer"))
    return Page([*reversed(rows)], older, later)
