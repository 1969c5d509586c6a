"""`reload`: have the running daemon take up a changed configuration.

Law: asks and words; what is taken up is `watcher.daemon.reload`.
"""

from __future__ import annotations

import anyio
import typer

from watcher.cli.console import FAILED, MISUSED, Console, ReportingCommand
from watcher.cli.daemon_client import ask_daemon, load
from watcher.cli.options import ConfigPaths

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "reload",
        cls=ReportingCommand,
        epilog="Example: inbox-watcher check && inbox-watcher reload",
    )(reload)


def reload(ctx: typer.Context, config: ConfigPaths = None) -> None:
    """Have the running daemon read its configuration again; a broken one is refused."""
    console: Console = ctx.obj
    loaded = load(console, config)  # without secrets: only the daemon has them for certain
    told = anyio.run(ask_daemon, loaded.store, "POST", "/reload", {})
    if told is None:
        console.error(
            f"no daemon runs on {loaded.store}",
            "`inbox-watcher run` starts one; another `store` is taken up only by a restart",
        )
        raise typer.Exit(FAILED)
    if problems := told.get("problems"):
        for problem in problems:
            console.note(str(problem))
        console.error("the daemon refused the configuration; the old one goes on")
        raise typer.Exit(MISUSED)
    for part in ("sources", "receivers", "rules", "silences"):
        console.write(f"{part}: {told[part]}")
    for warning in told["warnings"]:
        console.note(f"warning: {warning}")
