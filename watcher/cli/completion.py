"""What a shell completes after Tab: names and ids that the configuration and the store know.

Rules: reads leniently and fast, says nothing and never fails; what it cannot find is not completed.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Awaitable, Callable

import anyio
import typer

from watcher.catalogue.events import EVENT_TYPES
from watcher.cli.daemon_client import reading
from watcher.cli.options import COMPLETING, invocation
from watcher.config.outline import Outline, read_outline
from watcher.explain.values import format_who, short_id, short_key
from watcher.records import OWN, DeliveryQuery, EventQuery
from watcher.store import Store
from watcher.store.address import StoreAddress

__all__ = [
    "complete_conversations",
    "complete_deliveries",
    "complete_events",
    "complete_receivers",
    "complete_rules",
    "complete_silences",
    "complete_sources",
    "complete_types",
]

RECENT = 50
"""Events and deliveries whose ids are offered, the newest."""

Offer = tuple[str, str]
"""A word, and what it is."""


def complete_types(incomplete: str) -> list[str]:
    """Offer the types of events, and each family as a glob."""
    globs = dict.fromkeys(f"{name.partition('.')[0]}.*" for name in EVENT_TYPES)
    return [word for word in (*globs, *EVENT_TYPES) if word.startswith(incomplete)]


def complete_sources(ctx: typer.Context) -> list[Offer]:
    """Offer the sources."""
    named = dict.fromkeys(_known(ctx).sources, "source")
    return list((named | dict(_stored(ctx, _sources))).items())


def complete_receivers(ctx: typer.Context) -> list[Offer]:
    """Offer the receivers."""
    named = dict.fromkeys(_known(ctx).receivers, "receiver")
    return list((named | dict(_stored(ctx, _receivers))).items())


def complete_rules(ctx: typer.Context) -> list[Offer]:
    """Offer the rules, whose names have spaces."""
    names = list(_known(ctx).rules)
    if os.environ.get(COMPLETING, "").endswith("bash"):  # the others quote words themselves
        names = [re.sub(r"([^\w@%+=:,./-])", r"\\\1", name) for name in names]
    return [(name, "rule") for name in names]


def complete_silences(ctx: typer.Context) -> list[Offer]:
    """Offer the silences that were added."""
    return _stored(ctx, _silences)


def complete_events(ctx: typer.Context) -> list[Offer]:
    """Offer the newest events."""
    return _stored(ctx, _events)


def complete_deliveries(ctx: typer.Context) -> list[Offer]:
    """Offer the newest deliveries."""
    return _stored(ctx, _deliveries)


def complete_conversations(ctx: typer.Context) -> list[Offer]:
    """Offer the conversations of the newest events."""
    return _stored(ctx, _conversations)


def _known(ctx: typer.Context) -> Outline:
    asked = invocation(ctx)
    known = read_outline(asked.config, environ=os.environ)
    if known is not None:
        return known
    from watcher.config.load import inspect_files  # what is right in files with mistakes

    return Outline.of(inspect_files(asked.config, environ=os.environ, secrets=False).config)


def _stored(ctx: typer.Context, ask: Callable[[Store], Awaitable[list[Offer]]]) -> list[Offer]:
    """Return what the store offers, each word once; nothing where it cannot be read."""

    async def read() -> list[Offer]:
        async with reading(address) as store:
            return await ask(store)

    with contextlib.suppress(Exception):  # a shell that waits for words is no place for errors
        asked = invocation(ctx)
        address = StoreAddress(asked.store) if asked.store else _known(ctx).store
        return list(dict(anyio.run(read)).items())
    return []


async def _sources(store: Store) -> list[Offer]:
    return [(one.name, "source") for one in await store.sources() if one.name not in OWN]


async def _receivers(store: Store) -> list[Offer]:
    return [(name, "receiver") for name in await store.receivers()]


async def _silences(store: Store) -> list[Offer]:
    return [(one.id, one.reason) for one in await store.silences()]


async def _events(store: Store) -> list[Offer]:
    found = await store.events(EventQuery(limit=RECENT))
    return [
        (short_id(one.event.id), f"{one.event.type} {format_who(one.event)}")
        for one in reversed(found)
    ]


async def _deliveries(store: Store) -> list[Offer]:
    found = await store.deliveries(DeliveryQuery(limit=RECENT))
    return [(short_key(one), f"{one.state} {one.event.type}") for one in reversed(found)]


async def _conversations(store: Store) -> list[Offer]:
    found = await store.events(EventQuery(limit=RECENT))
    events = [one.event for one in reversed(found) if one.event.subject is not None]
    return [(event.subject or "", format_who(event)) for event in events]
