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

from watcher.cli.actor import actor, login
from watcher.cli.commands import ListGroup, StoreCommand
from watcher.cli.completion import complete_silences
from watcher.cli.console import Console, NotOne
from watcher.cli.daemon_client import call_daemon, load, look, perform, reading
from watcher.cli.ids import only_one
from watcher.cli.options import AsJson, read_duration
from watcher.cli.tables import Cell, Column
from watcher.clock import wall_clock
from watcher.conditions import ExpressionError, compile_condition
from watcher.config.outline import Outline
from watcher.errors import StoreError
from watcher.records import Actor
from watcher.rules.where import check_names

__all__ = ["register"]

COLUMNS = (
    Column("id"),
    Column("state"),
    Column("until"),
    Column("stopped", right=True, shed=4),
    Column("last", shed=5),
    Column("author", shortest=8, shed=3),
    Column("reason", shortest=12, shed=1),
    Column("match", shortest=12, shed=2),
)


HowLong = Annotated[
    timedelta,
    typer.Option(
        "--for",
        parser=read_duration,
        metavar="DURATION",
        show_default=False,
        help="How long from now, such as 2h.",
    ),
]
OfSilence = Annotated[
    str,
    typer.Argument(
        metavar="SILENCE",
        show_default=False,
        autocompletion=complete_silences,
        help="Its id, as `silence list` shows it; the beginning is enough.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command's verbs."""
    group = typer.Typer(
        cls=ListGroup,
        help="Stop messages for a while, and list what is stopped (without a verb, too).",
        epilog="Example: inbox-watcher silence list --all",
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
        "extend",
        cls=StoreCommand,
        epilog="Example: inbox-watcher silence extend 3fa94c1e --for 2h",
    )(extend)
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
    for_: HowLong,
    author: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", show_default=False, help="Who adds it; by default your login."
        ),
    ] = None,
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
    known = look(console)
    names = {
        "source": list(known.sources),
        "provider": set(known.sources.values()),
        "rule": known.rules,
        "receiver": known.receivers,
    }
    # With mistakes in the files it is not known which names there are.
    for mistake in check_names(condition.tree, names) if known.complete else ():
        raise typer.BadParameter(f"--match: {mistake.message}; {mistake.remedy}")
    ends = wall_clock() + for_
    why, who = (" ".join(text.split()) for text in (reason, author or login()))
    silence = anyio.run(
        perform,
        console,
        known,
        "silence add",
        lambda control: control.add_silence(match, why, ends, Actor(who)),
    )
    console.write(silence)
    console.note(
        f"silenced until {console.time(ends)}; `inbox-watcher silence expire {silence}` ends it,"
        f" `silence extend {silence} --for 2h` prolongs it"
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
    known = look(console)
    silences = [one for one in anyio.run(_listing, console, known) if every or one["active"]]
    if as_json:
        for one in silences:
            console.json(one)
    elif silences:
        console.table(COLUMNS, [_row(console, one) for one in silences])
    else:
        console.note("nothing is silenced")


async def _listing(console: Console, known: Outline) -> Sequence[Mapping[str, Any]]:
    with contextlib.suppress(StoreError):
        return await call_daemon(known.store, lambda control: control.silences())
    from watcher.daemon.offline import OfflineControl  # where no daemon answers alone

    loaded = known.whole or load(console)
    async with reading(known.store) as store:
        return await OfflineControl(loaded, store).silences()


def _row(console: Console, silence: Mapping[str, Any]) -> tuple[str | Cell, ...]:
    return (
        silence["id"],
        Cell(silence["state"], "" if silence["active"] else "yellow"),
        console.time(silence["ends"]) or "indefinitely",
        str(silence["stopped"]),
        console.time(silence["last"]),
        silence["author"] or "",
        silence["reason"],
        silence["match"],
    )


def extend(
    ctx: typer.Context,
    silence: OfSilence,
    for_: HowLong,
) -> None:
    """Let a silence that was added last so long from now, also one that is over."""
    console: Console = ctx.obj
    known = look(console)
    id_ = anyio.run(_named, console, known, silence)
    ends = wall_clock() + for_
    anyio.run(
        perform,
        console,
        known,
        "silence extend",
        lambda control: control.extend_silence(id_, ends, actor()),
    )
    console.write(f"{id_} lasts until {console.time(ends)}")


def expire(
    ctx: typer.Context,
    silence: OfSilence,
) -> None:
    """End a silence that was added, now."""
    console: Console = ctx.obj
    known = look(console)
    id_ = anyio.run(_named, console, known, silence)
    ended = anyio.run(
        perform,
        console,
        known,
        "silence expire",
        lambda control: control.expire_silence(id_, actor()),
    )
    if not ended:
        raise NotOne(
            f"the silence {id_} is over already", "`inbox-watcher silence list` shows the others"
        )
    console.write(f"{id_} has ended")


async def _named(console: Console, known: Outline, text: str) -> str:
    """Return the id of the added silence that is meant; raise NotOne."""
    if text in known.silences:
        raise NotOne(
            f"the silence {text} is in the configuration",
            "change it there, then run `inbox-watcher reload`",
        )
    added = [one["id"] for one in await _listing(console, known) if one["from"] == "added"]
    return only_one("silence", text, added, "`inbox-watcher silence list --all` shows them")
