"""`status`: the state of sources and receivers, from the running daemon or as last saved.

Rules: reads and lays out; the daemon and the store know, `watcher.cli.health` says what it means.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

import anyio
import typer

from watcher.cli.commands import StoreCommand
from watcher.cli.console import FAILED, Console
from watcher.cli.daemon_client import NoDaemon, call_daemon, load, look, reading, source_names
from watcher.cli.filters import FromSource
from watcher.cli.format import skew_words
from watcher.cli.health import (
    over_budget,
    receiver_health,
    source_health,
    troubles,
    unread_troubles,
    unwell,
)
from watcher.cli.options import AsJson, choose
from watcher.cli.tables import Cell, Column, state_style
from watcher.clock import wall_clock
from watcher.config.outline import Outline
from watcher.errors import StoreError, StoreLocked
from watcher.explain.values import format_age
from watcher.records import Queue, Skew
from watcher.store.address import StoreAddress
from watcher.suggest import listing

__all__ = ["register"]

LATELY = timedelta(days=1)
"""For how long a delivery that has died keeps `--check` from being well."""

ABOUT = ("version", "process", "started", "uptime", "configured", "refused")
"""What a running daemon says of itself."""

SHOWN = 20
"""Sources and reasons that are shown where there are more; `--all` shows the rest."""

SOURCES = (
    Column("source"),
    Column("state"),
    Column("last look"),
    Column("lag", shed=1),
    Column("conversations", right=True, shed=3),
    Column("provider", shed=4),
    Column("why", below=True),
)
RECEIVERS = (
    Column("receiver"),
    Column("state"),
    Column("due", right=True),
    Column("waiting", right=True, shed=1),
    Column("held", right=True, shed=1),
    Column("dead", right=True),
    Column("why", below=True),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "status",
        cls=StoreCommand,
        epilog="Examples: inbox-watcher status; inbox-watcher status --check || page-somebody",
    )(status)


def status(
    ctx: typer.Context,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Say whether all is well, and exit with 1 if not: no daemon, a source or receiver that"
            " is not ok, a delivery that died within a day, a refused configuration.",
        ),
    ] = False,
    source: FromSource = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Show every source, not the worst twenty of many."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show sources with their lag, receivers with what they are owed, and what is wrong."""
    console: Console = ctx.obj
    known = look(console)
    running, state = anyio.run(_read, console, known, None if everything or as_json else SHOWN)
    reasons = list(unwell(state, _utc if as_json else console.time, running=running))
    unshown = sum(state["standing"].values()) - len(state["sources"])
    if source:
        names = anyio.run(source_names, known)
        for name in source:
            choose("source", name, names)
        only = [*dict.fromkeys(source)]
        state = {**state, "sources": anyio.run(_read, console, known, None, only)[1]["sources"]}
        unshown = 0
    if as_json:
        _print_json(console, known.store, state, reasons, running=running)
    elif check:
        for reason in reasons if everything else reasons[:SHOWN]:
            console.write(f"not ok: {reason}", "red")
        if not everything and (
            more := len(reasons[SHOWN:]) + unread_troubles(state, running=running)
        ):
            console.write(f"not ok: and {more:,} more (--all shows them)", "red")
        if not reasons:
            watched = sum(state["standing"].values())
            counts = ((watched, "source"), (len(state["receivers"]), "receiver"))
            parts = (f"{count:,} {kind}{'' if count == 1 else 's'}" for count, kind in counts)
            console.write(f"ok: {', '.join(parts)}")
    else:
        _print(console, state, running=running, unshown=unshown)
        exceeded = over_budget(state["over_budget"])
        for line in exceeded[:SHOWN]:
            console.write(line, "yellow")
        if more := len(exceeded[SHOWN:]):
            console.write(f"over budget: and {more:,} more rules (--json shows them)", "yellow")
        for line in state["weak"][:SHOWN]:
            console.write(f"weak: {line}", "bold red")
        if more := len(state["weak"][SHOWN:]):
            console.write(f"weak: and {more:,} more (`inbox-watcher check` shows them)", "bold red")
    if check and reasons:
        raise typer.Exit(FAILED)


def _utc(stamp: str) -> str:
    return stamp


async def _read(
    console: Console, known: Outline, most: int | None, sources: Sequence[str] | None = None
) -> tuple[bool, Mapping[str, Any]]:
    """Return whether the daemon answers, and the status: from the daemon, else from the store. Of thousands
    of sources it has the `most` that stand worst, so that it costs the daemon little.

    The status is that of `Control.status`, with what each receiver is owed, and who holds the store.
    """
    try:
        status = await call_daemon(known.store, lambda control: control.status(sources, most))
        answers = True
    except (NoDaemon, StoreLocked):
        answers = False
    now = wall_clock()
    queues: Mapping[str, Queue] = {}
    dead: Mapping[str, int] = {}
    died: Mapping[str, int] = {}
    try:
        async with reading(known.store) as store:
            queues, dead = await store.queues(now), await store.dead()
            died = await store.dead(since=now - LATELY)
            if not answers:
                from watcher.daemon.offline import OfflineControl  # where no daemon answers alone

                loaded = known.whole or load(console)
                status = await OfflineControl(loaded, store).status(sources, most)
    except StoreError:
        if not answers:
            raise  # else the daemon's status says what is wrong with the store
    receivers = []
    for one in status["receivers"]:
        name = one["receiver"]
        queue = queues.get(name) or Queue()
        counts = {"dead": dead.get(name, 0), "died": died.get(name, 0)}
        owed = {"pending": queue.pending, **dataclasses.asdict(queue), **counts}
        receivers.append({**one, **owed})
    holder = known.store.holder()
    owner = f"{holder['owner']}, process {holder['pid']}" if holder else None
    return answers, {**status, "receivers": receivers, "owner": owner, "dead": sum(dead.values())}


def _print_json(
    console: Console,
    address: StoreAddress,
    state: Mapping[str, Any],
    reasons: Sequence[str],
    *,
    running: bool,
) -> None:
    """Print a line about the watcher, then one per source and receiver."""
    console.json(
        {
            "daemon": state["owner"],
            "answers": running,
            "ok": not reasons,
            "reasons": list(reasons),
            **(state["daemon"] or dict.fromkeys(ABOUT)),
            "store": str(address.absolute()),
            "network_failing": state["network_failing"],
            "weak": state["weak"],
            "over_budget": state["over_budget"],
            "store_failing": state["store_failing"],
            "disk": state["disk"],
            "stuck": state["stuck"],
            "dead": state["dead"],
        }
    )
    for parts, health in (
        (state["sources"], source_health),
        (state["receivers"], receiver_health),
    ):
        for one in parts:
            console.json({**one, "state": health(one, _utc, running=running)[0]})


def _print(console: Console, state: Mapping[str, Any], *, running: bool, unshown: int) -> None:
    daemon, owner = state["daemon"], state["owner"]
    if running:
        since = console.time(daemon["configured"])
        console.write(
            f"inbox-watcher {daemon['version']}, process {daemon['process']}, up"
            f" {format_age(daemon['uptime'])}; configuration of {since}"
        )
    elif owner is None:
        console.write("The daemon is not running; showing the last saved state.", "yellow")
    else:
        console.write(f"The store is in use ({owner}); showing the last saved state.", "yellow")
    for trouble in troubles(state, console.time):
        console.write(trouble[0].upper() + trouble[1:], "red")
    shown = state["sources"]
    if unshown:
        parts = ", ".join(f"{count:,} {one}" for one, count in state["standing"].items())
        last = "" if running else "at last "
        console.write(f"{len(shown) + unshown:,} sources: {last}{parts}; the worst first")
    console.table(SOURCES, [_source_row(console, one, running=running) for one in shown])
    if unshown:
        console.write(f"and {unshown:,} more sources (--all shows them, --source NAME one of them)")
    _print_limits(console, shown)
    _print_skews(console, shown)
    if state["receivers"]:
        console.write("")
        rows = [_receiver_row(console, one, running=running) for one in state["receivers"]]
        console.table(RECEIVERS, rows)
    if state["dead"]:
        console.write("")
        what = "1 delivery is" if state["dead"] == 1 else f"{state['dead']} deliveries are"
        console.write(f"{what} dead (`inbox-watcher deliveries --state dead`)", "red")


def _print_limits(console: Console, sources: Sequence[Mapping[str, Any]]) -> None:
    """Print what the servers' versions cannot tell, once for each version."""
    limits: dict[str, Sequence[str]] = {}
    names: dict[str, list[str]] = {}
    for one in sources:
        if one["limits"]:
            version = f"{one['provider']} {one['version']}"
            limits[version] = one["limits"]
            names.setdefault(version, []).append(one["source"])
    for version, lines in limits.items():
        console.write("")
        console.write(f"What {version} ({listing(names[version])}) cannot tell:")
        for line in lines:
            console.write(f"  {line}")


def _print_skews(console: Console, sources: Sequence[Mapping[str, Any]]) -> None:
    """Print whose clock is off, and what that means."""
    for one in sources:
        if one["skew"] and (words := skew_words(Skew(**one["skew"]))):
            console.write("")
            console.write(f"{one['source']}: {words}", "yellow")


def _source_row(
    console: Console, source: Mapping[str, Any], *, running: bool
) -> tuple[str | Cell, ...]:
    state, why = source_health(source, console.time, running=running)
    style = state_style(state)
    return (
        source["source"],
        Cell(state, style),
        console.time(source["last_look"]),
        format_age(source["lag"]),
        str(source["conversations"]),
        " ".join(filter(None, (source["provider"], source["version"]))),
        Cell(why, style),
    )


def _receiver_row(
    console: Console, receiver: Mapping[str, Any], *, running: bool
) -> tuple[str | Cell, ...]:
    state, why = receiver_health(receiver, console.time, running=running)
    style = state_style(state)
    dead = str(receiver["dead"])
    return (
        receiver["receiver"],
        Cell(state, style),
        *(str(receiver[part]) for part in ("due", "waiting", "held")),
        Cell(dead, "red" if receiver["dead"] else ""),
        Cell(why, style),
    )
