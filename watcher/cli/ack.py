"""`ack`: acknowledge a conversation, so that its reminders stop.

Rules: calls the daemon, or writes to the store if none is running.
"""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from watcher.cli.actor import actor
from watcher.cli.commands import StoreCommand
from watcher.cli.completion import complete_conversations, complete_sources
from watcher.cli.console import FAILED, Console, NotOne
from watcher.cli.daemon_client import look, perform, reading, source_names
from watcher.cli.ids import find_deliveries, resolve
from watcher.cli.options import choose
from watcher.records import EventQuery
from watcher.store.address import StoreAddress

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ack", cls=StoreCommand, epilog="Example: inbox-watcher ack 4711 --source support")(
        ack
    )


def ack(
    ctx: typer.Context,
    conversation: Annotated[
        str,
        typer.Argument(
            metavar="CONVERSATION",
            show_default=False,
            autocompletion=complete_conversations,
            help="Its id, or that of an event or a delivery about it; the beginning is enough.",
        ),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=complete_sources,
            help="The source, where several have such a conversation.",
        ),
    ] = None,
) -> None:
    """End `for` and `repeat` for a conversation until its state changes again."""
    console: Console = ctx.obj
    known = look(console)
    if source is not None:
        choose("source", source, anyio.run(source_names, known))
    conversation, sources = anyio.run(_sources, known.store, conversation)
    if not sources & {source or one for one in sources}:
        where = f" of {source}" if source else ""
        console.error(
            f"no event is recorded about the conversation {conversation}{where}",
            "`inbox-watcher events` shows the ids of conversations",
        )
        raise typer.Exit(FAILED)
    if source is None and len(sources) > 1:
        raise typer.BadParameter(
            f"{', '.join(sorted(sources))} have a conversation {conversation}; name one: --source"
        )
    name = source or next(iter(sources))
    count = anyio.run(
        perform,
        console,
        known,
        "ack",
        lambda control: control.acknowledge(name, conversation, actor()),
    )
    what = "pending message" if count == 1 else "pending messages"
    console.write(f"acknowledged: {count} {what} cancelled")


async def _sources(address: StoreAddress, text: str) -> tuple[str, set[str]]:
    """Return the conversation that is meant, itself or by what was told of it, and the sources with
    events about one of this id. Raise NotOne.
    """
    async with reading(address) as store:
        match await resolve(store, text, "conversation", "event"):
            case ("conversation", conversation):
                query = EventQuery(conversations=(conversation,))
                events = [one.event for one in await store.events(query)]
                return conversation, {event.source for event in events}
            case ("event", event):
                events = [one.event for one in await store.events(EventQuery(id=event))]
            case _:
                events = [one.event for one in await find_deliveries(store, text)]
    told = {event.subject: event.source for event in events if event.subject is not None}
    if len(told) > 1:
        raise NotOne(
            f"{text} is about several conversations: {', '.join(told)}", "name one of them"
        )
    return (next(iter(told)), set(told.values())) if told else (text, set())
