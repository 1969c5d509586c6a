"""`backtest`: what today's rules would have sent for recorded events, compared with what was sent.

Rules: reads the store, delivers nothing and writes nothing. The events run through
`watcher.daemon.replay`; what was in the outbox before them is not known to it, and every receiver
takes every message.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import anyio
import structlog
import typer

from watcher.cli.commands import ConfiguredCommand
from watcher.cli.console import Console
from watcher.cli.daemon_client import load_valid, reading
from watcher.cli.format import format_who
from watcher.cli.options import AsJson
from watcher.cli.times import Since, Until, read_span
from watcher.clock import wall_clock
from watcher.conditions import ExpressionError
from watcher.config import Config
from watcher.daemon.replay import Replay, Sent, plans_for
from watcher.model import Delivery, Event, rfc3339
from watcher.records import DeliveryQuery, EventQuery, StoredSilence
from watcher.rules import Silence, added_silence
from watcher.rules.wall_clock import UTC_ZONE
from watcher.settings.calendar import format_moment
from watcher.store.address import StoreAddress

__all__ = ["register"]

ALL = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Past:
    """What was recorded since a time: events, what was really sent, and the silences of then."""

    events: Sequence[Event]
    delivered: Sequence[Delivery]
    silences: Sequence[StoredSilence]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "backtest", cls=ConfiguredCommand, epilog="Example: inbox-watcher backtest --since 7d"
    )(backtest)


def backtest(
    ctx: typer.Context,
    since: Since = "7d",
    until: Until = None,
    messages: Annotated[
        bool, typer.Option("--messages/--counts", help="Show every message, or the counts alone.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Show what today's rules would have sent for the recorded events; send nothing."""
    console: Console = ctx.obj
    loaded = load_valid(console)
    now = wall_clock()
    start, end = read_span(since, until, zone=console.zone, now=now)
    past = anyio.run(_remember, loaded.store, start, end)
    if not past.events:
        console.note("no events are recorded in that time")
        return
    sent = anyio.run(_replay, loaded, past, end or now)
    really = _really(past)
    if as_json:
        _print_json(console, sent, really)
        return
    if messages:
        console.table(
            ("when", "receiver", "rule", "type", "contact", "title"),
            [_row(console, one) for one in sent],
        )
        console.write("")
    counts = _counts(((one.receiver, one.at) for one in sent), really, console.zone)
    console.table(
        ("hour", "receiver", "would be sent", "was sent"),
        [(hour, name, str(would), str(was)) for (hour, name), (would, was) in counts],
    )
    console.write(
        f"{len(past.events)} events; {len(sent)} messages would be sent, {len(really)} were sent"
    )


async def _remember(address: StoreAddress, start: datetime | None, end: datetime | None) -> Past:
    async with reading(address) as store:
        recorded = await store.events(EventQuery(since=start, until=end, limit=ALL))
        delivered = await store.deliveries(DeliveryQuery(state="delivered", limit=ALL))
        silences = await store.silences()
    return Past([one.event for one in recorded], delivered, silences)


async def _replay(loaded: Config, past: Past, end: datetime) -> list[Sent]:
    """Run the events through the rules, those of one moment and conversation together."""
    silences = (*loaded.silences, *_readable(past.silences))
    replay = Replay(loaded, await plans_for(loaded), past.events[0].time, silences)

    def together(event: Event) -> tuple[Any, ...]:
        return event.time, event.source, event.subject or event.id

    for (time, *_), events in itertools.groupby(past.events, together):
        await replay.until(time)
        await replay.record_events(list(events))
    await replay.until(end)
    return replay.sent


def _readable(stored: Iterable[StoredSilence]) -> Iterable[Silence]:
    for one in stored:
        try:
            yield added_silence(one)
        except ExpressionError as wrong:
            structlog.get_logger().warning(
                "a silence cannot be understood any more; it is left out",
                silence=one.id,
                problem=wrong.message,
            )


def _really(past: Past) -> list[tuple[str, datetime]]:
    """Return receiver and time of each message that was sent about the events; a digest counts once."""
    told = {event.id for event in past.events}
    messages = {
        (one.message or one.id, one.receiver): one.settled
        for one in past.delivered
        if one.settled is not None and one.event.id in told
    }
    return [(receiver, at) for (_, receiver), at in messages.items()]


def _counts(
    would: Iterable[tuple[str, datetime]], really: Iterable[tuple[str, datetime]], zone: ZoneInfo
) -> list[tuple[tuple[str, str], tuple[int, int]]]:
    """Count by hour and receiver, in the order of time."""
    one, other = (Counter((_hour(at, zone), name) for name, at in side) for side in (would, really))
    return [(key, (one[key], other[key])) for key in sorted(one.keys() | other.keys())]


def _hour(at: datetime, zone: ZoneInfo) -> str:
    return format_moment(at.astimezone(zone).replace(minute=0, second=0), zone)


def _row(console: Console, sent: Sent) -> tuple[str, ...]:
    event = sent.event
    return (
        console.time(sent.at),
        sent.receiver,
        ", ".join(sent.rules),
        event.type,
        format_who(event),
        sent.title,
    )


def _print_json(
    console: Console, sent: Iterable[Sent], really: Iterable[tuple[str, datetime]]
) -> None:
    for one in sent:
        console.json(
            {
                "kind": "message",
                "at": rfc3339(one.at),
                "receiver": one.receiver,
                "rules": list(one.rules),
                "type": one.event.type,
                "id": one.event.id,
                "conversation": one.event.subject,
                "title": one.title or None,
                "body": one.body or None,
            }
        )
    pairs = [(one.receiver, one.at) for one in sent]
    for (hour, receiver), (would, was) in _counts(pairs, really, UTC_ZONE):
        console.json(
            {"kind": "count", "hour": hour, "receiver": receiver, "would": would, "was": was}
        )
