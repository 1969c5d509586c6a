"""`release`: show the evidence of a held sweep, and decide about it.

Rules: shows the hold and passes the decision on; `watcher.pipeline.decide_hold` defines its effect.
"""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from watcher.cli.actor import actor
from watcher.cli.commands import StoreCommand
from watcher.cli.completion import complete_sources
from watcher.cli.console import FAILED, Console
from watcher.cli.daemon_client import look, perform, reading, source_names
from watcher.cli.options import choose
from watcher.cli.tables import Column
from watcher.records import Hold
from watcher.store.address import StoreAddress

__all__ = ["register"]

SHOWN = 20
"""Conversations that are listed as evidence."""

MEANING = {
    ("absences", True): "the next complete sweep reports what is gone",
    ("absences", False): "nothing is reported as gone; the next complete sweep decides again",
    ("arrivals", True): "the next complete sweep reports the conversations as created",
    ("arrivals", False): "the conversations join silently with the next complete sweep",
    ("hole", True): "the report is closed; what lies behind the page is still not watched",
    ("hole", False): "the report is closed; what lies behind the page is still not watched",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "release", cls=StoreCommand, epilog="Example: inbox-watcher release sales --accept"
    )(release)


def release(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            show_default=False,
            autocompletion=complete_sources,
            help="Whose sweep is held.",
        ),
    ],
    accept: Annotated[
        bool, typer.Option("--accept", help="The sweep was right: conclude what it showed.")
    ] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="The sweep was wrong: nothing happened.")
    ] = False,
) -> None:
    """Decide about a held sweep; with neither option, show the evidence."""
    if accept and discard:
        raise typer.BadParameter("--accept or --discard, not both")
    console: Console = ctx.obj
    known = look(console)
    choose("source", source, anyio.run(source_names, known))
    hold = anyio.run(_hold, known.store, source)
    if hold is None:
        console.note(f"nothing is held for {source}")
        if accept or discard:
            raise typer.Exit(FAILED)
        return
    if not accept and not discard:
        anyio.run(_show, console, known.store, source, hold)
        return
    released = anyio.run(
        perform,
        console,
        known,
        "release",
        lambda control: control.release(source, accept=accept, since=hold.since, by=actor()),
    )
    if not released:
        console.error(
            f"what was held for {source} is not held any more",
            f"a sweep has decided meanwhile; look again: `inbox-watcher release {source}`",
        )
        raise typer.Exit(FAILED)
    console.write(f"{'accepted' if accept else 'discarded'}: {MEANING[hold.kind, accept]}")


async def _hold(address: StoreAddress, source: str) -> Hold | None:
    async with reading(address) as store:
        state = await store.source(source)
    return state.hold if state is not None else None


async def _show(console: Console, address: StoreAddress, source: str, hold: Hold) -> None:
    """Show what is held and why, with the conversations by name."""
    shown = hold.ids[:SHOWN]
    async with reading(address) as store:
        known = await store.known(source, shown)
    console.write(f"{source}: a sweep is held since {console.time(hold.since)} ({hold.kind})")
    console.write(hold.reason)
    console.write(f"it concerns {len(hold.ids)} conversations; {hold.known} were known then")
    console.write(hold.remedy)
    rows = []
    for id_ in shown:
        contact = known[id_].conversation.contact if id_ in known else None
        name = contact and (contact.name or contact.email or contact.phone)
        rows.append((id_, name or ""))
    if rows:
        console.table((Column("conversation"), Column("contact", shortest=12, shed=1)), rows)
    if len(hold.ids) > len(shown):
        console.write(f"and {len(hold.ids) - len(shown)} more")
    for accept in (True, False):
        option = "--accept" if accept else "--discard"
        console.write(f"inbox-watcher release {source} {option}: {MEANING[hold.kind, accept]}")
