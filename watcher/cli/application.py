"""The command-line application: global options, and the list of commands.

Rules: lists the commands; each describes itself in its own module, which is imported when it is asked for,
so that `--help` costs no more than the list.
"""

from __future__ import annotations

import importlib
import os
from enum import StrEnum
from typing import Annotated, Any

import typer

from watcher import __version__
from watcher.cli.commands import RootGroup
from watcher.cli.console import Console
from watcher.cli.memory import go_first
from watcher.cli.options import COMPLETING, invocation

__all__ = ["app"]

COMMANDS = {
    "Begin and run": {
        "demo": "Show the watcher at work: no account, no network and no other service needed.",
        "check": "Validate the configuration and report every mistake with file, line, column and remedy.",
        "run": "Watch the sources and deliver what changes, until SIGTERM or Ctrl-C.",
        "reload": "Have the running daemon read its configuration again; an invalid one is refused.",
        "schema": "Print the configuration's JSON Schema, with which editors complete and check as you type.",
    },
    "See": {
        "status": "Show sources with their lag, receivers with what they are owed, and what is wrong.",
        "open": "Print an address of the pages that signs you in as operator: once, within two minutes.",
        "conversations": "List what is known now (without a verb, too), show one conversation.",
        "events": "Print the recorded events, oldest first, with their ids and those of their conversations.",
        "deliveries": "List deliveries (without a verb, too), show one in full, send again.",
        "why": "Explain what was sent and what was not: changes, rules, deliveries and their attempts.",
    },
    "Act": {
        "send-test": "Send a sample event and show the answer; if it works, turn on a receiver that was off.",
        "ack": "End `for` and `repeat` for a conversation until its state changes again.",
        "silence": "Stop messages for a while, and list what is stopped (without a verb, too).",
        "links": "Renew the key that signs links in messages, or end all links.",
        "release": "Decide about a held sweep; with neither option, show the evidence.",
    },
    "Try rules": {
        "test": "Run rule tests: given what happens, what is sent, when, and to whom?",
        "backtest": "Show what today's rules would have sent for the recorded events; send nothing.",
    },
}
"""The commands in the groups and the order of `--help`, each with the first sentence of its own help."""

MODULES = {"test": "rule_tests"}
"""The modules of commands that are named otherwise; each module has a function `register(app)`."""

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
RootGroup.listing = {
    name: (panel, purpose) for panel, names in COMMANDS.items() for name, purpose in names.items()
}


def _load(name: str) -> Any:
    """Return the command of a name; nothing of the others is imported."""
    module = MODULES.get(name, name.replace("-", "_"))
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
    importlib.import_module(f"watcher.cli.{module}").register(alone)
    for group in alone.registered_groups:
        return typer.main.get_group_from_info(
            group,
            pretty_exceptions_short=False,
            suggest_commands=True,
            rich_markup_mode="rich",
        )
    return typer.main.get_command(alone)


RootGroup.load = staticmethod(_load)


class Shell(StrEnum):
    """A shell that can complete."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"inbox-watcher {__version__}")
        raise typer.Exit


def _show_completion(ctx: typer.Context, shell: Shell | None) -> None:
    if shell is not None and not ctx.resilient_parsing:
        os.environ[COMPLETING] = f"source_{shell.value}"
        app([], prog_name="inbox-watcher")


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
    if ctx.invoked_subcommand != "run":
        go_first()
    if ctx.invoked_subcommand is None:
        typer.echo(SHORT)
