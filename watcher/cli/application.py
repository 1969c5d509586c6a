"""The command-line application: global options, and the list of commands.

Rules: registers commands; each describes itself in its own module.
"""

from __future__ import annotations

import importlib
from typing import Annotated

import typer

from watcher import __version__
from watcher.cli.commands import RootGroup
from watcher.cli.completion import Shell, print_script
from watcher.cli.console import Console
from watcher.cli.options import invocation

__all__ = ["app"]

COMMANDS = {
    "Begin and run": ("demo", "check", "run", "reload", "schema"),
    "See": ("status", "conversations", "events", "deliveries", "why"),
    "Act": ("send_test", "ack", "silence", "release"),
    "Try rules": ("rule_tests", "backtest"),
}
"""Modules of this package in the groups and the order of `--help`; each has a function `register(app)`."""

SHORT = """inbox-watcher watches shared inboxes from outside and reports changes at once.

  inbox-watcher demo              see it at work: no account, nothing to configure
  inbox-watcher check --online    validate the configuration, and ask whether the tokens work
  inbox-watcher run               watch the inboxes and deliver what changes
  inbox-watcher status            what it does at the moment

`inbox-watcher --help` lists all commands, `inbox-watcher COMMAND --help` explains one."""

app = typer.Typer(
    name="inbox-watcher",
    cls=RootGroup,
    help="Watches shared inboxes from outside and reports changes at once.",
    epilog="Exit status: 0 done, 1 something failed, 2 wrong usage or configuration.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _panel, _modules in COMMANDS.items():
    for _module in _modules:
        importlib.import_module(f"watcher.cli.{_module}").register(app)
        _commands = [one.name for one in app.registered_commands]
        _groups = [one.name for one in app.registered_groups]
        for _name in (*_commands, *_groups):
            RootGroup.panels.setdefault(str(_name), _panel)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"inbox-watcher {__version__}")
        raise typer.Exit


def _show_completion(ctx: typer.Context, shell: Shell | None) -> None:
    if shell is not None and not ctx.resilient_parsing:
        print_script(app, shell)


@app.callback()
def begin(
    ctx: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    _shell: Annotated[
        Shell | None,
        typer.Option(
            "--show-completion",
            callback=_show_completion,
            is_eager=True,
            show_default=False,
            help="Print what makes this shell complete commands, names and ids.",
        ),
    ] = None,
) -> None:
    """Watches shared inboxes from outside and reports changes at once."""
    ctx.obj = Console(invocation(ctx))
    if ctx.invoked_subcommand is None:
        typer.echo(SHORT)
