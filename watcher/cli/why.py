"""`why`: what happened to an event, a delivery or a conversation, and why.

Rules: shows what was recorded when it was decided; nothing is evaluated again.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Annotated

import anyio
import typer

from watcher.cli.commands import StoreCommand
from watcher.cli.completion import (
    complete_events,
    complete_receivers,
    complete_sources,
    complete_types,
)
from watcher.cli.console import Console, NotOne
from watcher.cli.daemon_client import load, reading
from watcher.cli.ids import find_deliveries, resolve
from watcher.cli.not_told import Asked, answer
from watcher.cli.options import AsJson, Limit
from watcher.cli.times import Since, Until
from watcher.clock import wall_clock
from watcher.config.model import Config
from watcher.explain.changes import changed_fields, what_changed
from watcher.explain.deliveries import format_entry
from watcher.explain.story import Story
from watcher.explain.values import format_times, format_who, short_id, short_key
from watcher.model import Delivery
from watcher.records import EventQuery, HistoryEntry
from watcher.rules.when import OTHER_TYPE
from watcher.stories import read_story, what_decides

__all__ = ["register"]

NAMED = 3
"""Rules about other types that are named; of more, their number is said."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "why",
        cls=StoreCommand,
        epilog="Examples: inbox-watcher why 4711 --limit 3\n"
        "          inbox-watcher why Maria --not-told manager --around 10:02",
    )(why)


def why(
    ctx: typer.Context,
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            show_default=False,
            autocompletion=complete_events,
            help="Of an event, a delivery or a conversation; the beginning is enough. With --not-told also"
            " a part of the contact's name, mail address or number.",
        ),
    ],
    as_json: AsJson = False,
    limit: Limit = 5,
    not_told: Annotated[
        str | None,
        typer.Option(
            "--not-told",
            metavar="RECEIVER",
            autocompletion=complete_receivers,
            help="Say why this receiver was not told: reasons, what decided, and what to change.",
        ),
    ] = None,
    around: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="With --not-told: about when it happened (15 minutes before and after).",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    type_: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            autocompletion=complete_types,
            help="With --not-told: the type of the event that was expected.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=complete_sources,
            help="With --not-told: the source, where several have such a conversation.",
        ),
    ] = None,
) -> None:
    """Explain what was sent and what was not: changes, rules, deliveries and their attempts."""
    console: Console = ctx.obj
    if not_told is None and (around or since or until or type_ or source):
        raise typer.BadParameter(
            "--around, --since, --until, --type and --source go with --not-told"
        )
    if around is not None and (since or until):
        raise typer.BadParameter("--around is a time of its own; leave --since and --until out")
    loaded = load(console)
    if not_told is not None:
        asked = Asked(not_told, around, since, until, type_, source)
        anyio.run(functools.partial(answer, console, loaded, id_, asked, as_json=as_json))
        return
    stories = anyio.run(_find, loaded, id_, limit)
    if not stories:
        raise NotOne(
            f"no event, delivery or conversation with events has the id {id_}",
            "`inbox-watcher events` and `deliveries` list ids; old ones go with `retention`;"
            " `conversations show` tells what is known of a conversation now",
        )
    for number, story in enumerate(stories):
        if as_json:
            console.json(story.to_plain())
            continue
        if number:
            console.write("")
        _print(console, story)


async def _find(loaded: Config, id_: str, limit: int) -> list[Story]:
    """Find the events meant: the id may be an event's, a delivery's or a conversation's."""
    now = wall_clock()
    async with reading(loaded.store) as store:
        known = await what_decides(store, loaded.rules, loaded.silences, loaded.timezone)
        match await resolve(store, id_, "event", "delivery", "conversation"):
            case ("event", event):
                query = EventQuery(id=event)
            case ("conversation", conversation):
                query = EventQuery(conversations=(conversation,), limit=limit)
            case _:
                owed = {one.event.id: one.event for one in await find_deliveries(store, id_)}
                return [await read_story(store, event, known, now) for event in owed.values()]
        return [await read_story(store, one.event, known, now) for one in await store.events(query)]


def _print(console: Console, story: Story) -> None:
    event = story.event
    head = (console.time(event.time), event.type, event.source, format_who(event))
    console.write("  ".join(word for word in head if word), "bold")
    about = f" about the conversation {event.subject}" if event.subject else ""
    console.write(f"  event {short_id(event.id)}{about}")
    if observed := event.data.get("observed"):
        after, before = (console.time(observed[side]) for side in ("after", "before"))
        console.write(f"  happened between {after} and {before}")
    console.write(f"  {what_changed(event, console.zone)}")
    for line in changed_fields(event, console.zone):
        console.write(f"    {line}")
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
            console.write(f"    waits: {format_times(wait.text, console.zone)}")


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
