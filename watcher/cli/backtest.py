"""`backtest`: what today's rules would have sent for recorded events, compared with what was sent.

Rules: reads the store, delivers nothing and writes nothing. The events run through
`watcher.daemon.replay`; what was in the outbox before them is not known to it, and every receiver
takes every message.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import anyio
import structlog
import typer

from watcher.cli.commands import ConfiguredCommand
from watcher.cli.console import Console
from watcher.cli.daemon_client import load_valid, reading
from watcher.cli.options import AsJson
from watcher.cli.paging import LINES
from watcher.cli.tables import Cell, Column
from watcher.cli.times import Since, Until, read_span
from watcher.clock import wall_clock
from watcher.conditions import ExpressionError
from watcher.config.model import Config
from watcher.daemon.replay import Replay, Sent, plans_for
from watcher.explain.values import format_count, format_who, short_id
from watcher.model import Event, rfc3339
from watcher.records import DeliveryQuery, EventQuery, Recorded, StoredSilence
from watcher.rules import Silence, added_silence
from watcher.settings.calendar import UTC_ZONE, format_moment
from watcher.store import Store
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
    """A message that would be sent, or was: what is shown of it, without its event."""

    mark: str
    at: datetime
    id: str
    receiver: str
    rules: Sequence[str]
    type: str
    conversation: str | None
    contact: str
    title: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """What was recorded since a time: how many events, the first one's time, what was really sent, by
    the message's id and receiver, and the silences of then.
    """

    events: int
    start: datetime | None
    delivered: dict[tuple[str, str], Message]
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
    query = EventQuery(since=start, until=end, limit=ALL)
    past, compared = anyio.run(_compare, loaded, query, end or now, as_json)
    if not past.events:
        console.note("no events are recorded in that time")
        return
    if as_json:
        _print_json(console, compared)
        return
    if messages:
        for start_ in range(0, len(compared), LINES):
            some = compared[start_ : start_ + LINES]
            console.table(MESSAGES, [_row(console, one) for one in some], head=not start_)
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
        f"{format_count(past.events, 'event')}; {format_count(would, 'message')} would be sent,"
        f" {was} {'was' if was == 1 else 'were'} sent:"
        f" {sum(one.mark == NEW for one in compared)} more (+),"
        f" {sum(one.mark == GONE for one in compared)} fewer (-)"
    )


async def _compare(
    loaded: Config, query: EventQuery, end: datetime, bodies: bool
) -> tuple[Past, list[Message]]:
    """Return what was, and what would be sent beside it, by time; a message is the same if id and
    receiver are. A digest counts once. Events are read, and kept while they wait, in files.
    """
    compared: list[Message] = []
    async with reading(loaded.store) as store:
        past = await _remember(store, query)
        if past.start is None:
            return past, compared

        def take(sent: Sent) -> None:
            was = past.delivered.pop((sent.event.id, sent.receiver), None)
            mark = SAME if was is not None else NEW
            body = sent.body if bodies else ""
            about = _described(sent.event)
            compared.append(
                Message(
                    mark,
                    sent.at,
                    sent.event.id,
                    sent.receiver,
                    sent.rules,
                    *about,
                    sent.title,
                    body,
                )
            )

        silences = (*loaded.silences, *_readable(past.silences, loaded.timezone))
        plans = await plans_for(loaded)
        with tempfile.TemporaryDirectory(prefix="inbox-watcher-") as folder:
            own = await StoreAddress(Path(folder, "backtest.db")).open_owner(
                "backtest", durable=False
            )
            try:
                replay = Replay(loaded, plans, past.start, silences, store=own, take=take)
                await _replay(replay, store.each_event(query))
                await replay.until(end)
            finally:
                await own.close()
    return past, sorted((*compared, *past.delivered.values()), key=lambda one: one.at)


async def _replay(replay: Replay, recorded: AsyncIterator[Recorded]) -> None:
    """Run events through the rules, those of one moment and conversation together."""
    together: list[Event] = []
    async for event in (one.event async for one in recorded):
        if together and _moment(event) != _moment(together[0]):
            await _run(replay, together)
            together = []
        together.append(event)
    if together:
        await _run(replay, together)


async def _run(replay: Replay, events: Sequence[Event]) -> None:
    await replay.until(events[0].time)
    await replay.record_events(events)


def _moment(event: Event) -> tuple[datetime, str, str]:
    return event.time, event.source, event.subject or event.id


async def _remember(store: Store, query: EventQuery) -> Past:
    start: datetime | None = None
    told = set()
    async for recorded in store.each_event(query):
        start = start or recorded.event.time
        told.add(recorded.event.id)
    really = {}
    async for one in store.each_delivery(DeliveryQuery(state="delivered", limit=ALL)):
        if one.event.id in told:
            id_ = one.message or one.id
            really[id_, one.receiver] = Message(
                GONE, one.settled or one.due, id_, one.receiver, (one.rule,), *_described(one.event)
            )
    return Past(len(told), start, really, await store.silences())


def _described(event: Event) -> tuple[str, str | None, str]:
    """Return what is shown of a message's event: type, conversation and contact."""
    return event.type, event.subject, format_who(event)


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
        short_id(one.id),
        one.receiver,
        ", ".join(one.rules),
        one.type,
        one.contact,
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
                "type": one.type,
                "id": one.id,
                "conversation": one.conversation,
                "title": one.title or None,
                "body": one.body or None,
            }
        )
    for (hour, receiver), (would, was) in _counts(compared, UTC_ZONE).items():
        console.json(
            {"kind": "count", "hour": hour, "receiver": receiver, "would": would, "was": was}
        )
