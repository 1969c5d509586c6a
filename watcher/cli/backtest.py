"""`backtest`: what today's rules would have sent for recorded events, compared with what was sent.

Rules: reads the store, delivers nothing and writes nothing. The events run through
`watcher.daemon.replay`; what was in the outbox before them is not known to it, and every receiver
takes every message.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
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
from watcher.cli.format import format_count, format_who
from watcher.cli.ids import short_id
from watcher.cli.options import AsJson
from watcher.cli.tables import Cell, Column
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

NEW, SAME, GONE = "+", "=", "-"
"""Only today's rules send it; both did; only those of then sent it."""

STYLES = {NEW: "green", GONE: "red"}

MESSAGES = (
    Column("±"),
    Column("when"),
    Column("id", shed=5),
    Column("receiver"),
    Column("rule", shortest=12, shed=1),
    Column("type", shed=3),
    Column("contact", shortest=12, shed=2),
    Column("title", shortest=16, shed=4),
)
COUNTS = (
    Column("hour"),
    Column("receiver"),
    Column("would be sent", right=True),
    Column("was sent", right=True),
)


@dataclass(frozen=True, slots=True)
class Message:
    """A message that would be sent, or was; `event` has the message's id."""

    mark: str
    at: datetime
    receiver: str
    rules: Sequence[str]
    event: Event
    title: str
    body: str


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
    compared = _compare(sent, past)
    if as_json:
        _print_json(console, compared)
        return
    if messages:
        console.table(MESSAGES, [_row(console, one) for one in compared])
        console.write("")
    console.table(
        COUNTS,
        [
            (hour, name, *map(str, counts))
            for (hour, name), counts in _counts(compared, console.zone).items()
        ],
    )
    would, was = (sum(one.mark != absent for one in compared) for absent in (GONE, NEW))
    console.write(
        f"{format_count(len(past.events), 'event')}; {format_count(would, 'message')} would be sent,"
        f" {was} {'was' if was == 1 else 'were'} sent:"
        f" {sum(one.mark == NEW for one in compared)} more (+),"
        f" {sum(one.mark == GONE for one in compared)} fewer (-)"
    )


async def _remember(address: StoreAddress, start: datetime | None, end: datetime | None) -> Past:
    async with reading(address) as store:
        recorded = await store.events(EventQuery(since=start, until=end, limit=ALL))
        delivered = await store.deliveries(DeliveryQuery(state="delivered", limit=ALL))
        silences = await store.silences()
    return Past([one.event for one in recorded], delivered, silences)


async def _replay(loaded: Config, past: Past, end: datetime) -> list[Sent]:
    """Run the events through the rules, those of one moment and conversation together."""
    silences = (*loaded.silences, *_readable(past.silences, loaded.timezone))
    replay = Replay(loaded, await plans_for(loaded), past.events[0].time, silences)

    def together(event: Event) -> tuple[Any, ...]:
        return event.time, event.source, event.subject or event.id

    for (time, *_), events in itertools.groupby(past.events, together):
        await replay.until(time)
        await replay.record_events(list(events))
    await replay.until(end)
    return replay.sent


def _readable(stored: Iterable[StoredSilence], zone: ZoneInfo | None) -> Iterable[Silence]:
    for one in stored:
        try:
            yield added_silence(one, zone)
        except ExpressionError as wrong:
            structlog.get_logger().warning(
                "a silence cannot be understood any more; it is left out",
                silence=one.id,
                problem=wrong.message,
            )


def _compare(sent: Iterable[Sent], past: Past) -> list[Message]:
    """Return what would be sent and what was, by time; a message is the same if id and receiver are.
    A digest counts once.
    """
    told = {event.id for event in past.events}
    really: dict[tuple[str, str], Delivery] = {
        (one.message or one.id, one.receiver): one
        for one in past.delivered
        if one.settled is not None and one.event.id in told
    }
    compared = []
    for one in sent:
        was = really.pop((one.event.id, one.receiver), None)
        mark = SAME if was is not None else NEW
        compared.append(
            Message(mark, one.at, one.receiver, one.rules, one.event, one.title, one.body)
        )
    for (id_, receiver), owed in really.items():
        event = dataclasses.replace(owed.event, id=id_)
        at = owed.settled or owed.due
        compared.append(Message(GONE, at, receiver, (owed.rule,), event, "", ""))
    return sorted(compared, key=lambda one: one.at)


def _counts(compared: Iterable[Message], zone: ZoneInfo) -> Mapping[tuple[str, str], list[int]]:
    """Count what would be sent and what was by hour and receiver, in the order of time."""
    counts: dict[tuple[str, str], list[int]] = {}
    for one in compared:
        hour = format_moment(one.at.astimezone(zone).replace(minute=0, second=0), zone)
        count = counts.setdefault((hour, one.receiver), [0, 0])
        count[0] += one.mark != GONE
        count[1] += one.mark != NEW
    return counts


def _row(console: Console, one: Message) -> tuple[str | Cell, ...]:
    return (
        Cell(one.mark, STYLES.get(one.mark, "")),
        console.time(one.at),
        short_id(one.event.id),
        one.receiver,
        ", ".join(one.rules),
        one.event.type,
        format_who(one.event),
        one.title,
    )


def _print_json(console: Console, compared: Sequence[Message]) -> None:
    for one in compared:
        console.json(
            {
                "kind": "message",
                "change": one.mark,
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
    for (hour, receiver), (would, was) in _counts(compared, UTC_ZONE).items():
        console.json(
            {"kind": "count", "hour": hour, "receiver": receiver, "would": would, "was": was}
        )
