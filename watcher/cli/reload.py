"""`reload`: have the running daemon apply a changed configuration.

Rules: calls the daemon and formats its answer; `watcher.daemon.reload` applies the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import typer

from watcher.cli.commands import ConfiguredCommand
from watcher.cli.console import FAILED, MISUSED, Console
from watcher.cli.daemon_client import NoDaemon, daemon_socket, load_valid
from watcher.control import request_reload
from watcher.store.address import StoreAddress

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "reload",
        cls=ConfiguredCommand,
        epilog="Example: inbox-watcher check && inbox-watcher reload",
    )(reload)


def reload(ctx: typer.Context) -> None:
    """Have the running daemon read its configuration again; an invalid one is refused."""
    console: Console = ctx.obj
    loaded = load_valid(console)  # without secrets: only the daemon has them for certain
    try:
        result = anyio.run(_reload, loaded.store)
    except NoDaemon:
        console.error(
            f"no daemon is running on {loaded.store}",
            "`inbox-watcher run` starts one; a change of `store` takes effect after a restart",
        )
        raise typer.Exit(FAILED) from None
    if problems := result.get("problems"):
        for problem in problems:
            console.note(str(problem))
        console.error("the daemon refused the configuration and keeps the old one")
        raise typer.Exit(MISUSED)
    for part in ("sources", "receivers", "rules", "silences"):
        console.write(f"{part}: {result[part]}")
    for warning in result["warnings"]:
        console.note(f"warning: {warning}")


async def _reload(store: StoreAddress) -> Mapping[str, Any]:
    return await request_reload(await daemon_socket(store))
