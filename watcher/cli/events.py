"""`events`: the event log, as lines for people or as the JSON that receivers get.

Rules: reads the log by position, also while the daemon runs; writes nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
from collections.abc import Sequence
from typing import Annotated

import anyio
import typer

from watcher.catalogue.events import EVENT_TYPES
from watcher.cli.commands import StoreCommand
from watcher.cli.console import Console
from watcher.cli.daemon_client import load, reading
from watcher.cli.format import format_event
from watcher.cli.options import AsJson, Limit, choose
from watcher.cli.times import Since, Until, read_span
from watcher.clock import wall_clock
from watcher.records import EventQuery, Recorded

__all__ = ["register"]

LOOK_EVERY = 0.5
"""Seconds between two looks at the log with `--follow`."""

ALL = 1_000_000
"""More events than can arrive between two looks."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "events",
        cls=StoreCommand,
        epilog="Example: inbox-watcher events --since 1h --type 'conversation.*' --json",
    )(events)


def events(
    ctx: typer.Context,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
    since: Since = None,
    until: Until = None,
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="GLOB", help="Only this type, or such as 'source.*'."),
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only those of this source.")
    ] = None,
    conversation: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only those of this conversation.")
    ] = None,
    limit: Limit = 1000,
) -> None:
    """Print the recorded events, oldest first; --type, --source, --conversation repeat."""
    for glob in type_ or ():
        if not fnmatch.filter(EVENT_TYPES, glob):
            choose("event type", glob, EVENT_TYPES)
    if follow and until is not None:
        raise typer.BadParameter("--follow goes on without end; leave --until out")
    console: Console = ctx.obj
    loaded = load(console)
    start, end = read_span(since, until, zone=console.zone, now=wall_clock())
    query = EventQuery(
        since=start,
        until=end,
        types=tuple(type_ or ()),
        sources=tuple(source or ()),
        conversations=tuple(conversation or ()),
        limit=limit,
    )

    def show(found: Sequence[Recorded]) -> None:
        for recorded in found:
            if as_json:
                console.json(recorded.event.to_plain())
            else:
                console.write(format_event(recorded.event, console.zone))

    async def tell() -> None:
        async with reading(loaded.store) as store:
            found = await store.events(query)
            show(found)
            after = query
            while follow:
                if found:
                    after = dataclasses.replace(query, after=found[-1].seq)
                await anyio.sleep(LOOK_EVERY)
                found = await store.events(dataclasses.replace(after, limit=ALL))
                show(found)

    with contextlib.suppress(KeyboardInterrupt) if follow else contextlib.nullcontext():
        anyio.run(tell)
