"""`events`: the event log, as lines for people or as the JSON that receivers get.

Rules: reads the log by position, also while the daemon runs; writes nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Annotated

import anyio
import typer

from watcher.cli.commands import StoreCommand
from watcher.cli.console import Console
from watcher.cli.daemon_client import look, reading
from watcher.cli.filters import Filters, FromSource, OfConversation, OfType
from watcher.cli.options import AsJson, Limit
from watcher.cli.paging import EVENTS, in_pages
from watcher.cli.tables import Cell, Column, state_style
from watcher.cli.times import Since, Until
from watcher.config.outline import Outline
from watcher.explain.changes import what_changed
from watcher.explain.values import format_who, short_id
from watcher.model import Event
from watcher.records import EventQuery, Recorded
from watcher.store import Store

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
        bool,
        typer.Option(
            "--follow", "-f", help="Print what comes, until Ctrl-C; with --since, older ones first."
        ),
    ] = False,
    as_json: AsJson = False,
    since: Since = None,
    until: Until = None,
    type_: OfType = None,
    source: FromSource = None,
    conversation: OfConversation = None,
    limit: Limit = 1000,
) -> None:
    """Print the recorded events, oldest first, with their ids and those of their conversations."""
    filters = Filters(type_, source, conversation, since=since, until=until)
    if follow and until is not None:
        raise typer.BadParameter("--follow goes on without end; leave --until out")
    console: Console = ctx.obj
    known = look(console)
    filters.span(console.zone)  # wrong usage is said first, whatever the store is like
    show = functools.partial(_print_json, console) if as_json else _Lines(console, known)

    async def tell() -> None:
        async with reading(known.store) as store:
            query = await filters.events(store, known, console.zone)
            if follow and since is None:
                newest = await store.events(EventQuery(limit=1))
                query = dataclasses.replace(query, after=newest[0].seq if newest else 0)
            last = await _show(store, dataclasses.replace(query, limit=limit), show)
            if last is None and not follow and not as_json:
                console.note("no events")
            while follow:
                if last is not None:
                    query = dataclasses.replace(query, after=last)
                await anyio.sleep(LOOK_EVERY)
                last = await _show(store, dataclasses.replace(query, limit=ALL), show)

    with contextlib.suppress(KeyboardInterrupt) if follow else contextlib.nullcontext():
        anyio.run(tell)


async def _show(
    store: Store, query: EventQuery, show: Callable[[Sequence[Recorded]], None]
) -> int | None:
    """Show what a query asks for, some at a time; return the place of the last, None for none."""
    last = None
    async for some in in_pages(store.each_event(query), EVENTS):
        show(some)
        last = some[-1].seq
    return last


def _print_json(console: Console, found: Sequence[Recorded]) -> None:
    for recorded in found:
        console.json(recorded.event.to_plain())


class _Lines:
    """Prints events below one another, in columns that stay where they are as more come."""

    def __init__(self, console: Console, known: Outline) -> None:
        self._console = console
        self._head = console.on_terminal  # `events | head -n 1` is the first event
        sources = max(map(len, known.sources), default=0)
        self._columns = (
            Column("when", least=25),
            Column("id", least=12),
            Column("type", least=20),
            Column("source", shed=1, least=sources),
            Column("conversation", least=12),
            Column("contact", shortest=16, shed=2),
            Column("what", shortest=24, below=True),
        )

    def __call__(self, found: Sequence[Recorded]) -> None:
        if found:
            rows = [_row(self._console, recorded.event) for recorded in found]
            self._console.table(self._columns, rows, head=self._head)
            self._head = False


def _row(console: Console, event: Event) -> tuple[str | Cell, ...]:
    kind = event.type.rpartition(".")[2]
    return (
        console.time(event.time),
        short_id(event.id),
        Cell(event.type, state_style(kind)),
        event.source,
        event.subject or "",
        format_who(event) if event.data.get("conversation") else "",
        what_changed(event, console.zone),
    )
