"""`run`: the daemon, one pass of it, or a dry run that sends and saves nothing.

Rules: starts `watcher.daemon` and prints its output.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import anyio
import structlog
import typer

from watcher.cli.commands import ConfiguredCommand
from watcher.cli.console import FAILED, Console
from watcher.cli.daemon_client import load_valid
from watcher.cli.format import format_event
from watcher.cli.options import LogLevel
from watcher.config import Config
from watcher.config import load as read_config
from watcher.daemon import serving
from watcher.daemon.dry_run import Rehearsed, dry_run
from watcher.daemon.estimates import foreseeable_overloads
from watcher.records import Recorded
from watcher.transport import name_resolution_hangs

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "run",
        cls=ConfiguredCommand,
        epilog="Example: inbox-watcher run --config /etc/inbox-watcher --log-level warning",
    )(run)


def run(
    ctx: typer.Context,
    once: Annotated[
        bool,
        typer.Option("--once", help="Look at every source once, deliver what is due, and exit."),
    ] = False,
    rehearse: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print what would be sent; send and save nothing. Works alongside a running daemon.",
        ),
    ] = False,
) -> None:
    """Watch the sources and deliver what changes, until SIGTERM or Ctrl-C."""
    console: Console = ctx.obj
    went_well = True
    with contextlib.suppress(KeyboardInterrupt):  # stopped before the daemon listens to signals
        loaded = load_valid(console, secrets=True, level=LogLevel.info)
        for warning in (*loaded.warnings, *foreseeable_overloads(loaded)):
            structlog.get_logger().warning("the configuration", problem=str(warning))

        def again() -> Config:
            return read_config(console.asked.config, environ=os.environ, redactor=loaded.redactor)

        if rehearse:
            work = functools.partial(
                dry_run,
                loaded,
                once=once,
                echo=functools.partial(_show_events, console),
                show=functools.partial(_show_message, console),
            )
        else:
            work = functools.partial(serving.run, loaded, once=once, load=again)
        went_well = anyio.run(work)
    if not went_well:
        console.error(
            "the pass failed in part",
            "`inbox-watcher status` and the lines above show what failed;"
            " --log-level debug shows more",
        )
    if name_resolution_hangs():  # nothing is left to do, and DNS may take half a minute more
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0 if went_well else FAILED)
    if not went_well:
        raise typer.Exit(FAILED)


def _show_events(console: Console, recorded: Sequence[Recorded]) -> None:
    for one in recorded:
        console.write(format_event(one.event, console.zone))


def _show_message(console: Console, rehearsed: Rehearsed) -> None:
    """Show what would go out now: the text, or for a webhook the event."""
    notice = rehearsed.notice
    rule = f" by the rule {rehearsed.rule!r}" if rehearsed.rule else ", a digest"
    console.write(f"would send {notice.event.type} to {rehearsed.receiver}{rule}:", "bold")
    if rehearsed.text:
        shown = f"{notice.title}\n{notice.body}".strip()
    else:
        shown = json.dumps(notice.event.to_plain(), ensure_ascii=False)
    console.write("\n".join(f"    {line}" for line in shown.split("\n")))
