"""`silence`: stop messages for a while, for a reason; see what is silenced and what that stopped.

Rules: calls the daemon, which applies a silence at once, or writes to the store if none is running.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

import anyio
import typer

from watcher.cli.commands import CommandGroup, StoreCommand
from watcher.cli.completion import complete_silences
from watcher.cli.console import FAILED, Console
from watcher.cli.daemon_client import call_daemon, load, perform, reading
from watcher.cli.options import AsJson, read_duration
from watcher.clock import wall_clock
from watcher.conditions import ExpressionError, compile_condition
from watcher.config import Config
from watcher.daemon.offline import OfflineControl
from watcher.errors import StoreError
from watcher.rules.where import check_names

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command's three verbs."""
    group = typer.Typer(
        cls=CommandGroup,
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Stop messages for a while: `add`, `list`, `expire`.",
    )
    group.command(
        "add",
        cls=StoreCommand,
        epilog="Example: inbox-watcher silence add --for 2h --reason 'moving house'"
        ' --match \'source == "sales" && type == "conversation.unread"\'',
    )(add)
    group.command("list", cls=StoreCommand, epilog="Example: inbox-watcher silence list --all")(
        list_
    )
    group.command(
        "expire", cls=StoreCommand, epilog="Example: inbox-watcher silence expire 3fa94c1e"
    )(expire)
    app.add_typer(group, name="silence")


def add(
    ctx: typer.Context,
    match: Annotated[
        str,
        typer.Option(
            metavar="CEL",
            show_default=False,
            help="What to silence: a condition over the event, and `rule`, `receiver`, `severity`.",
        ),
    ],
    reason: Annotated[
        str, typer.Option(metavar="TEXT", show_default=False, help="Why; shown on what it stops.")
    ],
    for_: Annotated[
        timedelta,
        typer.Option(
            "--for",
            parser=read_duration,
            metavar="DURATION",
            show_default=False,
            help="How long, such as 2h.",
        ),
    ],
) -> None:
    """Stop what matches, from now on and for a while; print the silence's id."""
    try:
        condition = compile_condition(match, silence=True)
    except ExpressionError as wrong:
        hint = f"; did you mean {wrong.suggestion}?" if wrong.suggestion else ""
        raise typer.BadParameter(f"--match: {wrong.message}{hint}") from None
    if not reason.strip():
        raise typer.BadParameter("--reason is empty; say why, it is shown on what is stopped")
    console: Console = ctx.obj
    loaded = load(console)
    known = {
        "source": [one.name for one in loaded.sources],
        "provider": {one.provider: None for one in loaded.sources},
        "rule": [one.name for one in loaded.rules],
        "receiver": [one.name for one in loaded.receivers],
    }
    # With mistakes in the files it is not known which names there are.
    for mistake in check_names(condition.tree, known) if loaded.sound else ():
        raise typer.BadParameter(f"--match: {mistake.message}; {mistake.remedy}")
    ends = wall_clock() + for_
    why = " ".join(reason.split())
    silence = anyio.run(
        perform, loaded, "silence add", lambda control: control.add_silence(match, why, ends)
    )
    console.write(silence)
    console.note(
        f"silenced until {console.time(ends)}; `inbox-watcher silence expire {silence}` ends it"
    )


def list_(
    ctx: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that are over or have not begun.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the silences in force, and how much each has stopped."""
    console: Console = ctx.obj
    loaded = load(console)
    silences = [one for one in anyio.run(_listing, loaded) if every or one["active"]]
    if as_json:
        for one in silences:
            console.json(one)
    elif silences:
        console.table(
            ("silence", "state", "until", "stopped", "last", "reason", "match"),
            [_row(console, one) for one in silences],
        )
    else:
        console.note("nothing is silenced")


async def _listing(loaded: Config) -> Sequence[Mapping[str, Any]]:
    with contextlib.suppress(StoreError):
        return await call_daemon(loaded.store, lambda control: control.silences())
    async with reading(loaded.store) as store:
        return await OfflineControl(loaded, store).silences()


def _row(console: Console, silence: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        silence["silence"],
        "in force" if silence["active"] else "not in force",
        console.time(silence["ends"]) or "indefinitely",
        str(silence["stopped"]),
        console.time(silence["last"]),
        silence["reason"],
        silence["match"],
    )


def expire(
    ctx: typer.Context,
    silence: Annotated[
        str,
        typer.Argument(
            metavar="SILENCE",
            show_default=False,
            autocompletion=complete_silences,
            help="Its id, as `silence list` shows it.",
        ),
    ],
) -> None:
    """End a silence that was added, now."""
    console: Console = ctx.obj
    loaded = load(console)
    if any(one.name == silence for one in loaded.silences):
        console.error(
            f"the silence {silence} is in the configuration",
            "remove it there, then run `inbox-watcher reload`",
        )
        raise typer.Exit(FAILED)
    ended = anyio.run(
        perform, loaded, "silence expire", lambda control: control.expire_silence(silence)
    )
    if not ended:
        console.error(
            f"no silence {silence} is in force", "`inbox-watcher silence list` shows those that are"
        )
        raise typer.Exit(FAILED)
    console.write(f"{silence} has ended")
