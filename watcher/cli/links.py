"""`links`: the key that signs links in messages.

Rules: calls the daemon, or writes to the store if none is running.
"""

from __future__ import annotations

import functools

import anyio
import typer

from watcher.cli.actor import actor
from watcher.cli.commands import ListGroup, StoreCommand
from watcher.cli.console import FAILED, Console
from watcher.cli.daemon_client import look, perform
from watcher.control import Control

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command and its sub-commands."""
    group = typer.Typer(
        cls=ListGroup,
        help="Renew the key that signs links in messages, or end all links.",
        epilog="Example: inbox-watcher links revoke",
        no_args_is_help=True,
    )
    group.command("renew", cls=StoreCommand, epilog="Example: inbox-watcher links renew")(renew)
    group.command("revoke", cls=StoreCommand, epilog="Example: inbox-watcher links revoke")(revoke)
    app.add_typer(group, name="links")


def renew(ctx: typer.Context) -> None:
    """Sign with a new key from now on; links made with the present one work on, older ones do not."""
    _renew(ctx.obj, keep=True)
    ctx.obj.write("links are signed with a new key; those made with the one before work on")


def revoke(ctx: typer.Context) -> None:
    """End all links that were made until now, and sign with a new key."""
    _renew(ctx.obj, keep=False)
    ctx.obj.write("no link that was made until now works any more")


def _renew(console: Console, *, keep: bool) -> None:
    known = look(console)

    async def act(control: Control, *, keep: bool) -> bool:
        return await control.renew_links(keep=keep, by=actor())

    if not anyio.run(perform, console, known, "links", functools.partial(act, keep=keep)):
        console.error(
            "the key that signs links is in the configuration",
            "change `server.links.key`, with the old one as `previous_key` if its links are to work on",
        )
        raise typer.Exit(FAILED)
