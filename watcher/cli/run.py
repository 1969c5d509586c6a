"""`run`: the daemon, one pass of it, or a dry run that sends and saves nothing.

Rules: starts `watcher.daemon` and prints its output.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import anyio
import typer

from watcher import __version__, logs
from watcher.cli.commands import ConfiguredCommand
from watcher.cli.console import FAILED, Console
from watcher.cli.daemon_client import load_valid
from watcher.cli.format import format_event
from watcher.cli.memory import go_first
from watcher.cli.options import LogLevel
from watcher.config.load import load as read_config
from watcher.config.model import Config
from watcher.daemon import serving
from watcher.daemon.dry_run import Rehearsed, dry_run
from watcher.daemon.estimates import foreseeable_overloads
from watcher.daemon.open_files import foreseeable_shortage
from watcher.daemon.pass_report import PassReport
from watcher.daemon.steady_loop import SteadyLoop
from watcher.errors import grouped
from watcher.records import Recorded
from watcher.suggest import listing
from watcher.transport import name_resolution_hangs

__all__ = ["register"]

SHOWN = 20
"""Lines of a text that a dry run shows."""


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
    verbose: Annotated[
        bool,
        typer.Option("--verbose", help="With --dry-run: also show what the requests would hold."),
    ] = False,
) -> None:
    """Watch the sources and deliver what changes, until SIGTERM or Ctrl-C."""
    if verbose and not rehearse:
        raise typer.BadParameter("--verbose shows more of a dry run; add --dry-run")
    console: Console = ctx.obj
    report: PassReport | None = None
    with contextlib.suppress(KeyboardInterrupt):  # stopped before the daemon listens to signals
        loaded = load_valid(console, secrets=True, level=LogLevel.info)
        _introduce(loaded)

        def again() -> Config:
            return read_config(console.asked.config, environ=os.environ, redactor=loaded.redactor)

        work: Callable[[], Awaitable[PassReport | None]]
        if rehearse:
            go_first()  # it works beside the daemon
            work = functools.partial(
                dry_run,
                loaded,
                once=once,
                echo=functools.partial(_show_events, console),
                show=functools.partial(_show_message, console, verbose=verbose),
            )
        elif once:
            work = functools.partial(serving.run_once, loaded)
        else:
            work = functools.partial(serving.run, loaded, load=again)
        with logs.bounded():
            report = anyio.run(work, backend_options={"loop_factory": SteadyLoop})
    went_well = not once or (report is not None and report.went_well)
    if report is not None:
        console.write(report.describe(rehearsed=rehearse), "" if went_well else "red")
        if not went_well:
            names = listing(sorted({*report.unread, *report.troubled}))
            console.error(
                f"the pass failed in part ({names})",
                "its summary says why; `inbox-watcher status` shows what is tried again",
            )
    elif once:
        console.error("the pass was interrupted", "run it again; what it has read is saved")
    if name_resolution_hangs():  # nothing is left to do, and DNS may take half a minute more
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0 if went_well else FAILED)
    if not went_well:
        raise typer.Exit(FAILED)


def _introduce(loaded: Config) -> None:
    """Log what runs, of which version, from which files; then their warnings."""
    log = logs.get_logger()
    log.info(
        "starting",
        version=__version__,
        configuration=", ".join(map(str, loaded.files)),
        store=str(loaded.store.absolute()),
        process=os.getpid(),
    )
    found = (*loaded.warnings, *foreseeable_overloads(loaded), *foreseeable_shortage(loaded))
    for line in grouped(found):
        log.warning("the configuration", problem=line)


def _show_events(console: Console, recorded: Sequence[Recorded]) -> None:
    for one in recorded:
        console.write(format_event(one.event, console.zone))


def _show_message(console: Console, rehearsed: Rehearsed, *, verbose: bool) -> None:
    """Show what would go out now: a request in a line, with `verbose` its body; or the text."""
    notice, preview = rehearsed.notice, rehearsed.preview
    rule = f" by the rule {rehearsed.rule!r}" if rehearsed.rule else ", a digest"
    head = f"would send {notice.event.type} to {rehearsed.receiver}{rule}: "
    if "method" not in preview:
        console.write(head.rstrip(), "bold")
        lines = f"{preview['title']}\n{preview['body']}".strip().split("\n")
        if not verbose and len(lines) > SHOWN:
            lines = [*lines[: SHOWN - 1], f"… and {len(lines) - SHOWN + 1} more lines (--verbose)"]
    else:
        body = preview["body"]
        signed = "signed" if "webhook-signature" in preview["headers"] else "not signed"
        request = f"{preview['method']} {preview['url']}, {signed}, {_size(len(body.encode()))}"
        console.write(head + request, "bold")
        lines = body.split("\n") if verbose else []
    for line in lines:
        console.write(f"    {line}")


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1000 else f"{count / 1000:.1f} kB"
