"""Filters that several commands share, checked against what there is.

Rules: a name that neither the configuration nor the store knows is misspelt, not empty. Values of one
option widen, options narrow.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from watcher.catalogue.events import EVENT_TYPES
from watcher.cli.completion import (
    complete_conversations,
    complete_receivers,
    complete_rules,
    complete_sources,
    complete_types,
)
from watcher.cli.ids import resolve
from watcher.cli.options import choose
from watcher.cli.times import read_span
from watcher.clock import wall_clock
from watcher.config.outline import Outline
from watcher.records import DeliveryQuery, EventQuery
from watcher.store import Store

__all__ = ["ByRule", "Filters", "FromSource", "OfConversation", "OfType", "ToReceiver"]

OfType = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="GLOB",
        autocompletion=complete_types,
        help="Only of this type, or such as 'source.*'; repeats.",
    ),
]
FromSource = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="NAME",
        autocompletion=complete_sources,
        help="Only those of this source; repeats.",
    ),
]
OfConversation = Annotated[
    list[str] | None,
    typer.Option(
        "--conversation",
        metavar="ID",
        autocompletion=complete_conversations,
        help="Only about this conversation; repeats.",
    ),
]
ToReceiver = Annotated[
    str | None,
    typer.Option(
        "--receiver",
        metavar="NAME",
        autocompletion=complete_receivers,
        help="Only those to this receiver.",
    ),
]
ByRule = Annotated[
    str | None,
    typer.Option(
        "--rule",
        metavar="NAME",
        autocompletion=complete_rules,
        help="Only those that this rule sends.",
    ),
]


@dataclass(frozen=True, slots=True)
class Filters:
    """What was asked for; None or empty: everything."""

    types: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    conversations: Sequence[str] | None = None
    receiver: str | None = None
    rule: str | None = None
    since: str | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        """Raise BadParameter for a type that there is not."""
        for glob in self.types or ():
            if not fnmatch.filter(EVENT_TYPES, glob):
                choose("event type", glob, EVENT_TYPES)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)

    def span(self, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
        """Return beginning and end; raise BadParameter."""
        return read_span(self.since, self.until, zone=zone, now=wall_clock())

    async def events(self, store: Store, known: Outline, zone: ZoneInfo) -> EventQuery:
        """Return the query of the log; raise BadParameter for a name that is unknown."""
        start, end = self.span(zone)
        await self._check(store, known)
        return EventQuery(
            since=start,
            until=end,
            types=tuple(self.types or ()),
            sources=tuple(self.sources or ()),
            conversations=await whole_ids(store, self.conversations or ()),
        )

    async def deliveries(self, store: Store, known: Outline, zone: ZoneInfo) -> DeliveryQuery:
        """Return the query of the outbox; raise BadParameter for a name that is unknown."""
        start, end = self.span(zone)
        await self._check(store, known)
        return DeliveryQuery(
            receiver=self.receiver,
            rule=self.rule,
            since=start,
            until=end,
            types=tuple(self.types or ()),
            sources=tuple(self.sources or ()),
            conversations=await whole_ids(store, self.conversations or ()),
        )

    async def _check(self, store: Store, known: Outline) -> None:
        for source in self.sources or ():
            if source not in known.sources and not await store.events(
                EventQuery(sources=(source,), limit=1)
            ):
                choose("source", source, known.sources)
        queries = (
            (
                "receiver",
                self.receiver,
                known.receivers,
                DeliveryQuery(receiver=self.receiver, limit=1),
            ),
            ("rule", self.rule, known.rules, DeliveryQuery(rule=self.rule, limit=1)),
        )
        for kind, name, configured, query in queries:
            if name is not None and name not in configured and not await store.deliveries(query):
                choose(kind, name, configured)


async def whole_ids(store: Store, conversations: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the conversations that are meant; what nobody knows stays as it is written.
    Raise NotOne.
    """
    named = {text: await resolve(store, text, "conversation") for text in conversations}
    return tuple(text if found is None else found[1] for text, found in named.items())
