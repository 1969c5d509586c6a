"""`ack`: acknowledge a conversation, so that its reminders stop.

Rules: calls the daemon, or writes to the store if none is running.
"""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from watcher.cli.commands import StoreCommand
from watcher.cli.completion import complete_conversations, complete_sources
from watcher.cli.console import FAILED, Console
from watcher.cli.daemon_client import load, perform, reading, source_names
from watcher.cli.ids import resolve
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
            help="Its id, as `inbox-watcher events` shows it.",
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
    loaded = load(console)
    if source is not None:
        choose("source", source, anyio.run(source_names, loaded))
    conversation, sources = anyio.run(_sources, loaded.store, conversation)
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
    count = anyio.run(
        perform, loaded, "ack", lambda control: control.acknowledge(conversation, source)
    )
    what = "pending message" if count == 1 else "pending messages"
    console.write(f"acknowledged: {count} {what} cancelled")


async def _sources(address: StoreAddress, text: str) -> tuple[str, set[str]]:
    """Return the conversation that is meant, and the sources with events about one of this id."""
    async with reading(address) as store:
        named = await resolve(store, text, "conversation")
        conversation = text if named is None else named[1]
        found = await store.events(EventQuery(conversations=(conversation,)))
    return conversation, {recorded.event.source for recorded in found}
