"""What somebody may see of a store: the conversations of some sources, or all but some fields.

Rules: applied where rows leave the store, so that nothing that is made of them tells more. What is outside
looks as if it did not exist. What belongs to the whole house (receivers, silences) passes: it is needed to
say what waits, and only whoever sees all sources may ask for it by itself. A method that is not here cannot
be asked by whoever does not see everything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from watcher.catalogue.events import EVENT_TYPES
from watcher.model import Conversation, Delivery, Event, Snapshot, from_plain, to_plain
from watcher.records import (
    Acknowledgement,
    ConversationQuery,
    DeliveryQuery,
    Entered,
    EventQuery,
    HistoryEntry,
    Recorded,
    RuleResult,
    SourceState,
    Tally,
    TallyQuery,
    asked_words,
    place_of,
)
from watcher.redaction import Visibility, redact
from watcher.rules.when import OTHER_TYPE
from watcher.store import Store

__all__ = ["EVERYTHING", "SeenStore", "Sight"]

HIDDEN = "not shown to you"
"""Instead of what may quote a value."""

OF_SOURCES = tuple(one for one in EVENT_TYPES if one.startswith(("conversation.", "source.")))
"""The types of events whose source is one that is watched; the others are about the whole house."""

CONTACT = ("contact", "contact.name", "contact.email", "contact.phone")
"""What conversations are found by."""

OWNER = ("assignee", "assignee.id", "assignee.name")

_SOME_TIME = datetime(2000, 1, 1, tzinfo=UTC)

Q = TypeVar("Q", EventQuery, DeliveryQuery)


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody sees: sources whose name fits a glob (empty: all), without some paths below
    `conversation` (as `check_redaction` returns them).
    """

    within: str = ""
    redacted: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it is everything."""
        return not self.within and not self.redacted

    def sees(self, source: str) -> bool:
        """Return whether a source is within it."""
        return not self.within or fnmatchcase(source, self.within)

    def among(self, sources: Iterable[str]) -> tuple[str, ...]:
        """Return the sources that are within it."""
        return tuple(one for one in sources if self.sees(one))

    @property
    def hides_contact(self) -> bool:
        """Whether conversations must not be found by all that is known of their contacts."""
        return any(one in CONTACT for one in self.redacted)

    def event(self, event: Event) -> Event:
        """Return an event as it is seen."""
        return redact(event, Visibility(redacted=self.redacted))

    def conversation(self, conversation: Conversation) -> Conversation:
        """Return a conversation as it is seen."""
        return from_plain(self.plain(to_plain(conversation))) if self.redacted else conversation

    def plain(self, conversation: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a conversation's plain JSON as it is seen."""
        event = Event("", "", "", None, _SOME_TIME, {"conversation": conversation})
        shown: Mapping[str, Any] = self.event(event).data["conversation"]
        return shown

    def delivery(self, delivery: Delivery) -> Delivery:
        """Return a delivery as it is seen."""
        ending = delivery.ending
        if ending is not None and ending.conversation is not None:
            ending = replace(ending, conversation=self.plain(ending.conversation))
        return replace(delivery, event=self.event(delivery.event), ending=ending)


EVERYTHING = Sight()


class SeenStore:
    """What of a store can be read within a sight; `sources` returns the sources that are watched."""

    def __init__(self, store: Store, sight: Sight, sources: Callable[[], Iterable[str]]) -> None:
        self._store = store
        self._sight = sight
        self._sources = sources
        # Of the whole house.
        self.receivers = store.receivers
        self.silences = store.silences
        self.suppressed = store.suppressed
        self.actions = store.actions
        self.pending = store.pending
        self.queues = store.queues
        self.dead = store.dead

    def _within(self, query: Q) -> Q | None:
        """Return a query within the sight, None where nothing can meet it."""
        if not self._sight.within:
            return query
        globs = EventQuery(types=query.types)
        types = tuple(one for one in OF_SOURCES if globs.fits(one))
        sources = self._sight.among(query.sources or self._sources())
        return replace(query, sources=sources, types=types) if sources and types else None

    async def events(self, query: EventQuery) -> Sequence[Recorded]:
        asked = self._within(query)
        found = await self._store.events(asked) if asked is not None else ()
        return [replace(one, event=self._sight.event(one.event)) for one in found]

    async def each_event(self, query: EventQuery) -> AsyncIterator[Recorded]:
        if (asked := self._within(query)) is not None:
            async for one in self._store.each_event(asked):
                yield replace(one, event=self._sight.event(one.event))

    async def deliveries(self, query: DeliveryQuery) -> Sequence[Delivery]:
        asked = self._within(query)
        found = await self._store.deliveries(asked) if asked is not None else ()
        return [self._sight.delivery(one) for one in found]

    async def entered(self, query: DeliveryQuery) -> Sequence[Entered]:
        asked = self._within(query)
        found = await self._store.entered(asked) if asked is not None else ()
        return [replace(one, delivery=self._sight.delivery(one.delivery)) for one in found]

    async def each_delivery(self, query: DeliveryQuery) -> AsyncIterator[Delivery]:
        if (asked := self._within(query)) is not None:
            async for one in self._store.each_delivery(asked):
                yield self._sight.delivery(one)

    async def each_key(self, query: DeliveryQuery) -> AsyncIterator[str]:
        if (asked := self._within(query)) is not None:
            async for key in self._store.each_key(asked):
                yield key

    async def each_conversation(
        self, query: ConversationQuery
    ) -> AsyncIterator[tuple[str, Snapshot]]:
        sight = self._sight
        if sight.within:
            if not (sources := sight.among(query.sources or self._sources())):
                return
            query = replace(query, sources=sources)
        # Whoever may not see a value finds nothing by it.
        if query.assignee is not None and any(one in OWNER for one in sight.redacted):
            return
        words = asked_words(query.words) if sight.hides_contact else ""
        left = query.limit
        asked = replace(query, limit=10**9) if words else query
        async for source, found in self._store.each_conversation(asked):
            shown = sight.conversation(found.conversation)
            if words and words not in place_of(source, shown).words:
                continue
            if left == 0:
                return
            left -= 1
            yield source, replace(found, conversation=shown)

    async def known(self, source: str, ids: Collection[str]) -> Mapping[str, Snapshot]:
        if not self._sight.sees(source):
            return {}
        found = await self._store.known(source, ids)
        return {
            id_: replace(one, conversation=self._sight.conversation(one.conversation))
            for id_, one in found.items()
        }

    async def source(self, name: str) -> SourceState | None:
        return await self._store.source(name) if self._sight.sees(name) else None

    async def sources(self) -> Sequence[SourceState]:
        return [one for one in await self._store.sources() if self._sight.sees(one.name)]

    async def verdicts(self, events: Collection[str]) -> Mapping[str, Sequence[RuleResult]]:
        if self._sight.within:
            events = [one for one in events if await self.events(EventQuery(id=one))]
        found = await self._store.verdicts(events)
        return {id_: [*map(self._result, self._named(each))] for id_, each in found.items()}

    def _named(self, results: Sequence[RuleResult]) -> Iterable[RuleResult]:
        # What did not match may be about somebody else's sources.
        return (one for one in results if one.matched or not self._sight.within)

    def _result(self, result: RuleResult) -> RuleResult:
        # A reason quotes values, but for those that name types alone.
        plain = result.reason.startswith(OTHER_TYPE) and not self._sight.within
        return result if plain else replace(result, reason=HIDDEN)

    async def history(self, keys: Collection[str]) -> Sequence[HistoryEntry]:
        # What a receiver answers may repeat what it was sent.
        return [replace(one, excerpt="") for one in await self._store.history(keys)]

    async def acknowledgements(self) -> Sequence[Acknowledgement]:
        found = await self._store.acknowledgements()
        return [one for one in found if self._sight.sees(one.source)]

    async def tallies(self, query: TallyQuery) -> Sequence[Tally]:
        if self._sight.within and query.kind == "sources":
            names = self._sight.among(query.names or self._sources())
            if not names:
                return ()
            query = replace(query, names=names)
        return await self._store.tallies(query)
