"""The command-line application: global options, and the list of commands.

Rules: registers commands; each describes itself in its own module.
"""

from __future__ import annotations

import importlib
from typing import Annotated

import typer

from watcher import __version__
from watcher.cli.commands import CommandGroup
from watcher.cli.console import Console
from watcher.cli.options import invocation

__all__ = ["app"]

COMMANDS = (
    "run",
    "check",
    "rule_tests",
    "backtest",
    "demo",
    "status",
    "events",
    "deliveries",
    "why",
    "send_test",
    "release",
    "silence",
    "ack",
    "reload",
    "schema",
)
"""Modules of this package, in the order of `--help`; each has a function `register(app)`."""

app = typer.Typer(
    name="inbox-watcher",
    cls=CommandGroup,
    help="Watches shared inboxes from outside and reports changes at once.",
    epilog="Exit status: 0 done, 1 something failed, 2 wrong usage or configuration.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name in COMMANDS:
    importlib.import_module(f"watcher.cli.{_name}").register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"inbox-watcher {__version__}")
        raise typer.Exit


@app.callback()
def begin(
    ctx: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Watches shared inboxes from outside and reports changes at once."""
    ctx.obj = Console(invocation(ctx))
