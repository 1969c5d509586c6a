"""`demo`: simulated providers on loopback, the real watcher, events on the terminal."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from watcher.cli.commands import ReportingCommand
from watcher.cli.options import LogLevel, invocation, read_duration

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", cls=ReportingCommand, epilog="Example: inbox-watcher demo --for 30s")(demo)


def demo(
    ctx: typer.Context,
    duration: Annotated[
        timedelta | None,
        typer.Option(
            "--for",
            parser=read_duration,
            metavar="DURATION",
            show_default=False,
            help="End after this time; without it Ctrl-C ends it.",
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave configuration and database behind, to look at them."),
    ] = False,
) -> None:
    """Show the watcher at work: no account, no network and no other service needed."""
    from watcher.demo import run_demo  # no other command needs the simulators

    asked = invocation(ctx)
    level = asked.log_level or LogLevel.warning
    raise typer.Exit(run_demo(duration, keep=keep, level=level, form=asked.log_format))
