"""`open`: sign in to the pages, by whoever may open the control socket.

Rules: calls the daemon, which makes the key. It stands behind `#` in the address, which no browser sends and
no log has.
"""

from __future__ import annotations

import webbrowser
from typing import Annotated

import anyio
import typer

from watcher.cli.actor import actor
from watcher.cli.commands import ConfiguredCommand
from watcher.cli.console import FAILED, Console
from watcher.cli.daemon_client import NoDaemon, call_daemon, look

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("open", cls=ConfiguredCommand, epilog="Example: inbox-watcher open --browser")(
        open_page
    )


def open_page(
    ctx: typer.Context,
    browser: Annotated[
        bool, typer.Option("--browser", help="Open it in the browser of this machine, too.")
    ] = False,
) -> None:
    """Print an address of the pages that signs you in as operator: once, within two minutes."""
    console: Console = ctx.obj
    known = look(console)
    by = actor()
    try:
        address = anyio.run(call_daemon, known.store, lambda control: control.open_page(by))
    except NoDaemon:
        console.error(f"no daemon is running on {known.store}", "`inbox-watcher run` starts one")
        raise typer.Exit(FAILED) from None
    console.write(address)
    if browser and not webbrowser.open(address):
        console.error("no browser could be opened", "open the address yourself")
        raise typer.Exit(FAILED)
