"""`why`: what happened to an event, a delivery or a conversation, and why.

Rules: shows what was recorded when it was decided; nothing is evaluated again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import anyio
import typer

from watcher.cli.commands import StoreCommand
from watcher.cli.completion import complete_events
from watcher.cli.console import Console, NotOne
from watcher.cli.daemon_client import load, reading
from watcher.cli.deliveries_show import format_entry, plain_entry
from watcher.cli.format import format_changes, format_times, format_what, format_who
from watcher.cli.ids import find_deliveries, resolve, short_id, short_key
from watcher.cli.options import AsJson, Limit
from watcher.clock import wall_clock
from watcher.model import Delivery, Event, rfc3339
from watcher.records import DeliveryQuery, EventQuery, HistoryEntry, RuleResult
from watcher.rules.wall_clock import UTC_ZONE
from watcher.rules.when import OTHER_TYPE
from watcher.settings.calendar import format_moment
from watcher.store import Store
from watcher.store.address import StoreAddress

__all__ = ["register"]

NAMED = 3
"""Rules about other types that are named; of more, their number is said."""


@dataclass(frozen=True, slots=True)
class Story:
    """One event, each rule's result for it (None: no longer stored), and its deliveries.

    `waits` says what deliveries (by key) wait for in addition to their due time.
    """

    event: Event
    verdicts: Sequence[RuleResult] | None
    deliveries: Sequence[Delivery]
    history: Mapping[str, Sequence[HistoryEntry]]
    waits: Mapping[str, str]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("why", cls=StoreCommand, epilog="Example: inbox-watcher why 4711 --limit 3")(why)


def why(
    ctx: typer.Context,
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            show_default=False,
            autocompletion=complete_events,
            help="Of an event, a delivery or a conversation; the beginning is enough.",
        ),
    ],
    as_json: AsJson = False,
    limit: Limit = 5,
) -> None:
    """Explain what was sent and what was not: changes, rules, deliveries and their attempts."""
    console: Console = ctx.obj
    loaded = load(console)
    stories = anyio.run(_find, loaded.store, id_, limit, UTC_ZONE if as_json else console.zone)
    if not stories:
        raise NotOne(
            f"no event, delivery or conversation with events has the id {id_}",
            "`inbox-watcher events` and `deliveries` list ids; old ones go with `retention`;"
            " `conversations show` tells what is known of a conversation now",
        )
    for number, story in enumerate(stories):
        if as_json:
            console.json(_plain(story))
            continue
        if number:
            console.write("")
        _print(console, story)


async def _find(address: StoreAddress, id_: str, limit: int, zone: ZoneInfo) -> list[Story]:
    """Find the events meant: the id may be an event's, a delivery's or a conversation's."""
    async with reading(address) as store:
        match await resolve(store, id_, "event", "delivery", "conversation"):
            case ("event", event):
                query = EventQuery(id=event)
            case ("conversation", conversation):
                query = EventQuery(conversations=(conversation,), limit=limit)
            case _:
                owed = {one.event.id: one.event for one in await find_deliveries(store, id_)}
                return [await _story(store, event, zone) for event in owed.values()]
        return [await _story(store, one.event, zone) for one in await store.events(query)]


async def _story(store: Store, event: Event, zone: ZoneInfo) -> Story:
    verdicts = await store.verdicts([event.id])
    deliveries = await store.deliveries(DeliveryQuery(event=event.id))
    history: dict[str, list[HistoryEntry]] = {one.key: [] for one in deliveries}
    for entry in await store.history(list(history)):
        history[entry.key].append(entry)
    waits = {
        one.key: await _waits_for(store, one, zone) for one in deliveries if one.state == "pending"
    }
    return Story(event, verdicts.get(event.id), deliveries, history, waits)


async def _waits_for(store: Store, delivery: Delivery, zone: ZoneInfo) -> str:
    """Return what a pending delivery waits for in addition to its due time; empty if nothing."""
    state = (await store.receivers()).get(delivery.receiver)
    if state is not None and state.off:
        return f"the receiver is off: {state.off}"
    if state is not None and state.paused is not None:
        return f"the receiver is paused until {format_moment(state.paused, zone)}"
    if not delivery.ordered or delivery.event.subject is None:
        return ""
    query = DeliveryQuery(
        state="pending", receiver=delivery.receiver, conversations=(delivery.event.subject,)
    )
    for other in await store.deliveries(query):  # in the order of the outbox
        if other.key == delivery.key:
            break
        if other.ordered and other.event.source == delivery.event.source:
            return f"an earlier delivery of the same conversation goes first: {short_key(other)}"
    return ""


def _print(console: Console, story: Story) -> None:
    event = story.event
    head = (console.time(event.time), event.type, event.source, format_who(event))
    console.write("  ".join(word for word in head if word), "bold")
    about = f" about the conversation {event.subject}" if event.subject else ""
    console.write(f"  event {short_id(event.id)}{about}")
    if observed := event.data.get("observed"):
        after, before = (console.time(observed[side]) for side in ("after", "before"))
        console.write(f"  happened between {after} and {before}")
    for line in format_changes(event, console.zone):
        console.write(f"  {line}")
    if "conversation" not in event.data and (said := format_what(event, console.zone)):
        console.write(f"  {said}")
    console.write("rules, in order")
    if story.verdicts is None:
        console.write("  rule results are no longer stored")
    others = []
    for verdict in story.verdicts or ():
        if verdict.reason.startswith(OTHER_TYPE):
            others.append(verdict.rule)
            continue
        console.write(f"  {'yes' if verdict.matched else 'no '}  {verdict.rule}: {verdict.reason}")
    if others:
        asks = "1 rule asks" if len(others) == 1 else f"{len(others)} rules ask"
        names = f": {', '.join(others)}" if len(others) <= NAMED else ""
        console.write(f"  no   {asks} for other types{names}")
    console.write("deliveries")
    if not story.deliveries:
        console.write("  none")
    for delivery in story.deliveries:
        _print_delivery(console, delivery, story.history[delivery.key])
        if wait := story.waits.get(delivery.key):
            console.write(f"    waiting: {wait}")


def _print_delivery(console: Console, delivery: Delivery, history: Sequence[HistoryEntry]) -> None:
    kind = "" if delivery.kind == "event" else f" ({delivery.kind}, message {delivery.number})"
    due = f", due {console.time(delivery.due)}" if delivery.state == "pending" else ""
    console.write(
        f"  {delivery.receiver}: {delivery.stands(wall_clock())}{due}, by the rule {delivery.rule!r}{kind},"
        f" delivery {short_key(delivery)}"
    )
    if delivery.message:
        console.write(f"    sent with the digest {short_id(delivery.message)}")
    for entry in history:
        for line in format_entry(entry, console.zone):
            console.write(f"    {line}")
    if not history and delivery.note:
        console.write(f"    {format_times(delivery.note, console.zone)}")


def _plain(story: Story) -> dict[str, Any]:
    rules = None
    if story.verdicts is not None:
        rules = [
            {"rule": one.rule, "matched": one.matched, "reason": one.reason}
            for one in story.verdicts
        ]
    return {
        "event": story.event.to_plain(),
        "rules": rules,
        "deliveries": [_plain_delivery(one, story) for one in story.deliveries],
    }


def _plain_delivery(delivery: Delivery, story: Story) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "receiver": delivery.receiver,
        "rule": delivery.rule,
        "kind": delivery.kind,
        "number": delivery.number,
        "state": delivery.state,
        "due": rfc3339(delivery.due),
        "settled": rfc3339(delivery.settled) if delivery.settled else None,
        "digest": delivery.message or None,
        "note": delivery.note,
        "waits": story.waits.get(delivery.key) or None,
        "history": [plain_entry(entry) for entry in story.history[delivery.key]],
    }
