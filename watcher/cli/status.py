"""`status`: the state of sources and receivers, from the running daemon or as last saved.

Rules: reads and formats; the daemon and the store know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import typer

from watcher.cli.commands import StoreCommand
from watcher.cli.console import Console
from watcher.cli.daemon_client import NoDaemon, call_daemon, load, reading
from watcher.cli.format import format_age
from watcher.cli.options import AsJson
from watcher.config import Config
from watcher.daemon.offline import OfflineControl
from watcher.errors import StoreError, StoreLocked

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", cls=StoreCommand, epilog="Example: inbox-watcher status --json")(status)


def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show sources with their lag and failures, and what is pending for each receiver."""
    console: Console = ctx.obj
    loaded = load(console)
    answers, state = anyio.run(_read, loaded)
    holder = loaded.store.holder()
    owner = f"{holder['owner']}, process {holder['pid']}" if holder else None
    if as_json:
        _print_json(console, loaded, owner, answers, state)
        return
    if owner is None:
        console.write("The daemon is not running; showing the last saved state.", "yellow")
    elif not answers:
        console.write(f"The store is in use ({owner}); showing the last saved state.", "yellow")
    _print(console, state, running=answers)
    for what in _unverified(loaded):
        console.write(f"TLS IS NOT VERIFIED for {what} (`tls_verify: false`)", "bold red")


def _unverified(loaded: Config) -> list[str]:
    """Return the sources and receivers whose certificates are not verified."""
    sources = [f"the source `{one.name}`" for one in loaded.sources if not one.tls_verify]
    receivers = [f"the receiver `{one.name}`" for one in loaded.receivers if not one.verified]
    return sources + receivers


async def _read(loaded: Config) -> tuple[bool, Mapping[str, Any]]:
    """Return whether the daemon answers, and the status: from the daemon, else from the store.

    The status is that of `Daemon.status`, with the number of pending deliveries of each receiver.
    """
    try:
        status = await call_daemon(loaded.store, lambda control: control.status())
        answers = True
    except (NoDaemon, StoreLocked):
        answers = False
    try:
        async with reading(loaded.store) as store:
            pending = await store.pending()
            if not answers:
                status = await OfflineControl(loaded, store).status()
    except StoreError:
        if not answers:
            raise
        pending = {}  # the daemon's status says what is wrong with the store
    receivers = [{**one, "pending": pending.get(one["receiver"], 0)} for one in status["receivers"]]
    return answers, {**status, "receivers": receivers}


def _print_json(
    console: Console, loaded: Config, owner: str | None, answers: bool, state: Mapping[str, Any]
) -> None:
    """Print a line about the watcher, then one per source and receiver."""
    console.json(
        {
            "daemon": owner,
            "answers": answers,
            "store": str(loaded.store.absolute()),
            "network_failing": state["network_failing"],
            "tls_not_verified": _unverified(loaded),
            "store_failing": state["store_failing"],
            "stuck": state["stuck"],
        }
    )
    for one in (*state["sources"], *state["receivers"]):
        console.json(one)


def _print(console: Console, state: Mapping[str, Any], *, running: bool) -> None:
    if state["store_failing"]:
        console.write(
            f"Everything waits for the store {_why(console, state['store_failing'])}", "red"
        )
    for one in state["stuck"]:
        console.write(
            f"Stuck: {one['what']} has not moved for {format_age(one['seconds'])}"
            f" (restart the daemon, and report {one['where']})",
            "red",
        )
    if state["network_failing"]:
        console.write("No source can be reached: this machine's network is down.", "red")
    console.table(
        ("source", "provider", "conversations", "last look", "lag", "state"),
        [_source_row(console, one, running=running) for one in state["sources"]],
    )
    if state["receivers"]:
        console.write("")
        console.table(
            ("receiver", "pending", "state"),
            [
                (str(one["receiver"]), str(one["pending"]), _receiver_state(console, one))
                for one in state["receivers"]
            ],
        )


def _source_row(console: Console, source: Mapping[str, Any], *, running: bool) -> tuple[str, ...]:
    return (
        str(source["source"]),
        str(source["provider"]),
        str(source["conversations"]),
        console.time(source["last_look"]),
        format_age(source["lag"]),
        _source_state(console, source, running=running),
    )


def _source_state(console: Console, source: Mapping[str, Any], *, running: bool) -> str:
    """Format the state of a source; what needs action comes first."""
    parts = []
    if source["failing"]:
        parts.append(f"failing {_why(console, source['failing'])}")
    if source["hold"]:
        parts.append(f"held {_why(console, source['hold'])}")
    if source["baselined"] is None:
        if sweeping := source["sweeping"]:
            total = f" of {sweeping['of']}" if sweeping["of"] is not None else ""
            parts.append(f"reading the baseline: {sweeping['seen']}{total}")
        else:
            parts.append("no baseline yet")
    elif running and source["stale"] and not source["failing"]:
        parts.append("stale" if source["last_look"] else "starting")
    if source["plan"] and not source["plan"]["fits"]:
        parts.append("needs more requests than its provider allows (see `inbox-watcher check`)")
    return "; ".join(parts) or "ok"


def _receiver_state(console: Console, receiver: Mapping[str, Any]) -> str:
    parts = []
    if receiver["off"]:
        turn_on = f"inbox-watcher send-test {receiver['receiver']}"
        parts.append(f"off: {receiver['off']} (`{turn_on}` turns it on again if it works)")
    if receiver["failing"]:
        parts.append(f"failing {_why(console, receiver['failing'])}")
    if receiver.get("paused_until"):
        parts.append(f"paused until {console.time(receiver['paused_until'])}, then probed")
    return "; ".join(parts) or "ok"


def _why(console: Console, trouble: Mapping[str, Any]) -> str:
    remedy = f" ({trouble['remedy']})" if trouble["remedy"] else ""
    return f"since {console.time(trouble['since'])}: {trouble['reason']}{remedy}"
