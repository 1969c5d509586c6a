"""What the browser visits: the addresses, and the states of a store that they are shown in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from tests.support.make import (
    LEASE,
    T0,
    at,
    commit,
    conversation_event,
    delivery,
    settlement,
    snapshot,
)
from watcher.model import Contact, Conversation, Message, Reference
from watcher.records import DISK, Hold, ReceiverState, SourceState, Trouble
from watcher.store import Store

__all__ = ["ADDRESSES", "HOSTILE", "NOW", "PEOPLE", "STATES", "Fill"]

NOW = T0 + timedelta(hours=3)

PEOPLE = ("Elena Jensen", "Viktor Dubois", "Amara Lopez", "Tom Tanaka", "Sofia Silva", "Liam Weber")
WORDS = (
    "What would delivery to Lisbon cost?",
    "The invoice shows the wrong address.",
    "Is the blue one in stock?",
    "Can we move the appointment to Thursday? I cannot come before noon, and my colleague is away.",
)
TROUBLE = Trouble(
    at(7000),
    "the provider refuses the token (401 Unauthorized)",
    "make a new Private Integration token and put it into secrets/clinic; it is read again by itself",
)
IDS = tuple(f"c{number}" for number in range(24))

HOSTILE = tuple(
    pattern.format(number)
    for number in range(25)
    for pattern in (
        "<script>bad({0})</script>",
        "\"><img src=x onerror='bad({0})'>",
        "'; bad({0}); //",
        "{{{{ 7 * {0} }}}}",
        "javascript:bad({0})",
        "<a href='javascript:bad({0})' data-live id=main>{0}</a>",
        "</title></script><svg onload=bad({0})>",
        "\u202e\u0000{0} " + "W" * 400,
    )
)
"""Two hundred names that would do something on a page that does not escape them."""

Fill = Callable[[Store], Awaitable[None]]


def _person(number: int, name: str) -> Contact:
    return Contact(f"p{number}", name, f"person{number}@example.com", f"+4915550{number:04}")


async def _conversations(store: Store, source: str, names: tuple[str, ...], first: int = 0) -> None:
    """Put people who wait into a source."""
    rows = [
        snapshot(
            f"c{number}",
            contact=_person(number, name),
            unread=True,
            unread_count=1,
            channel="sms",
            labels=("vip",),
            last_message=Message(WORDS[number % len(WORDS)], "inbound", "sms", at(60 * number)),
            waiting_since=at(60 * number),
        )
        for number, name in enumerate(names, first)
    ]
    owned = [
        replace(one, conversation=replace(one.conversation, assignee=Reference("u1", "Ana")))
        if place % 2
        else one
        for place, one in enumerate(rows)
    ]
    await store.commit(commit(source=source, snapshots=tuple(owned)))


async def _source(store: Store, name: str, provider: str = "chatwoot", **more: object) -> None:
    state = SourceState(
        name,
        provider,
        f"account of {name}",
        **{"baselined": T0, "polled": at(10780), "swept": at(10500)} | more,  # type: ignore[arg-type]
    )
    await store.commit(commit(source=name, state=state))


async def _receivers(store: Store, *names: str) -> None:
    for name in names:
        await store.save_receiver(ReceiverState(name))


async def _events(store: Store, source: str, names: tuple[str, ...]) -> None:
    """Let something have happened to each, and the receiver crm told of it."""
    kinds = ("conversation.message", "conversation.assigned", "conversation.status_changed")
    changes = (
        {"last_message": {"before": None, "after": {"text": WORDS[0]}}},
        {"assignee": {"before": None, "after": {"id": "u1", "name": "Ana"}}},
        {"status": {"before": "open", "after": "snoozed"}},
    )
    for number, name in enumerate(names):
        kind = number % len(kinds)
        about = Conversation(
            f"c{number}",
            contact=_person(number, name),
            assignee=Reference("u1", "Ana"),
            status="snoozed",
            last_message=Message(WORDS[number % len(WORDS)], "inbound", "sms", at(60 * number)),
        )
        event = conversation_event(kinds[kind], about, source, changes=changes[kind])
        event = type(event)(
            f"{source}-e{number}", event.type, source, about.id, at(450 * number), event.data
        )
        await store.commit(commit(delivery(event, receiver="crm", rule="All"), source=source))


async def well(store: Store) -> None:
    """Make four sources that are watched, with people who wait."""
    for name, provider in (("support", "chatwoot"), ("sales", "highlevel"), ("leads", "leadping")):
        await _source(store, name, provider)
        await _conversations(store, name, PEOPLE[:2])
        await _events(store, name, PEOPLE)
    await _receivers(store, "crm", "team")


async def attention(store: Store) -> None:
    """Make a source that fails, a sweep that is held, messages that were given up."""
    await well(store)
    await _source(store, "clinic", "leadway", failing=TROUBLE)
    hold = Hold(
        "absences", at(10200), IDS, 26, "the sweep lacks 24 of 26 known conversations",
        "the next sweep, or `inbox-watcher release leads`, decides",
    )  # fmt: skip
    await _source(store, "leads", "leadping", hold=hold)
    await _conversations(store, "leads", tuple(PEOPLE[number % 6] for number in range(22)), 2)
    out = await store.claim("crm", NOW, lease=LEASE, limit=3)
    await store.settle([settlement(one, "dead", seconds=10000) for one in out])
    trouble = Trouble(at(9000), "503 Service Unavailable", "mend the receiver")
    await store.save_receiver(
        ReceiverState("crm", failing=trouble, paused=NOW + timedelta(minutes=5))
    )
    await store.save_receiver(ReceiverState("manager", off="410 Gone at 12:40"))


async def first_minutes(store: Store) -> None:
    """Make sources that are read for the first time."""
    for name in ("support", "sales"):
        await _source(store, name, baselined=None, polled=None, swept=None)


async def quiet(store: Store) -> None:
    """Make a source in which nothing has happened and nobody waits."""
    await _source(store, "support")


async def offline(store: Store) -> None:
    """Make a network that does not work, and a full disk."""
    await well(store)
    down = Trouble(at(10000), "no connection", "")
    for name in ("support", "sales", "leads"):
        await _source(store, name, failing=down)
    await store.commit(commit(source="", state=SourceState("", "", "", failing=down)))
    full = Trouble(at(10000), "120 MB are left of 40 GB", "make room, or set `retention`")
    await store.commit(commit(source=DISK, state=SourceState(DISK, "", "", failing=full)))


async def thousand(store: Store) -> None:
    """Make a thousand sources, of which some fail."""
    for number in range(1000):
        name = f"{('acme', 'globex', 'initech', 'umbrella')[number % 4]}-{number:04}"
        failing = TROUBLE if number % 97 == 0 else None
        await _source(store, name, ("highlevel", "chatwoot")[number % 2], failing=failing)
    await _receivers(store, "crm")


async def hostile(store: Store) -> None:
    """Make people whose names and words do something on a page that does not escape them."""
    await _source(store, "support")
    await _conversations(store, "support", HOSTILE)
    await _events(store, "support", HOSTILE)
    await _receivers(store, "crm")


async def nothing(store: Store) -> None:
    """Leave everything empty."""


STATES: Mapping[str, Fill] = {
    one.__name__: one
    for one in (well, attention, first_minutes, quiet, offline, thousand, hostile, nothing)
}

ADDRESSES: Mapping[str, tuple[str, ...]] = {
    "/": tuple(STATES),
    "/sources": ("attention", "thousand", "nothing"),
    "/sources?q=acme": ("thousand",),
    "/sources/support": ("well", "hostile"),
    "/sources/clinic": ("attention",),
    "/sources/leads/hold": ("attention",),
    "/waiting": ("well", "quiet", "hostile"),
    "/waiting?source=sales": ("well",),
    "/find": ("well",),
    "/find?q=jensen": ("well",),
    "/find?q=nobody": ("quiet", "hostile"),
    "/c/support/c0": ("well", "hostile"),
    "/c/support/c0?receiver=crm&days=7": ("well",),
    "/events": ("well", "nothing", "hostile"),
    "/events?type=conversation.assigned": ("well", "quiet"),
    "/events/support-e0": ("well", "hostile"),
    "/events/support-e1?receiver=crm": ("well",),
    "/deliveries": ("well", "attention", "quiet", "hostile"),
    "/deliveries?state=dead": ("attention", "quiet"),
    "/receivers": ("attention", "nothing"),
    "/receivers/crm": ("attention", "well"),
    "/receivers/manager": ("attention",),
    "/rules": ("well",),
    "/silences": ("well", "attention"),
    "/silences/new": ("well",),
    "/silences/new?match=true&hours=4": ("attention", "nothing", "hostile"),
    "/silences/new?match=sorce+%3D%3D+1": ("well",),
    "/actions": ("well", "attention"),
    "/help": ("quiet",),
    "/enter": ("quiet",),
    "/leave": ("quiet",),
    "/nowhere": ("quiet",),
}
"""Each address with the states in which it is visited."""
