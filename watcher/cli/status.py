"""`status`: how sources and receivers stand, told by the daemon or remembered by the store.

Law: reads and words; the daemon and the store know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio
import typer

from watcher.cli.console import Console, ReportingCommand
from watcher.cli.daemon_client import ask_daemon, load, reading
from watcher.cli.estimate import estimate_sources
from watcher.cli.format import format_age, format_time
from watcher.cli.options import AsJson, ConfigPaths
from watcher.config import Config
from watcher.errors import StoreError, StoreLocked
from watcher.model import rfc3339
from watcher.poller.request_plan import describe_plan
from watcher.records import ReceiverState, SourceState
from watcher.store import Store

__all__ = ["register"]


@dataclass(frozen=True, slots=True)
class Status:
    """How everything stands, in the daemon's own words (see `Daemon.status`).

    `owner` says who runs, None if nobody does; `asked` is False where the store was read instead.
    """

    owner: str | None
    asked: bool
    sources: Sequence[Mapping[str, Any]]
    receivers: Sequence[Mapping[str, Any]]
    network_failing: bool
    store_failing: Mapping[str, Any] | None = None
    stuck: Sequence[Mapping[str, Any]] = ()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", cls=ReportingCommand, epilog="Example: inbox-watcher status --json")(
        status
    )


def status(ctx: typer.Context, config: ConfigPaths = None, as_json: AsJson = False) -> None:
    """Show sources, their lag and their failures, and what waits for the receivers."""
    console: Console = ctx.obj
    loaded = load(console, config)
    standing = anyio.run(_look, loaded)
    if as_json:
        _print_json(console, loaded, standing)
    else:
        _print(console, standing)
        for what in _unverified(loaded):
            console.write(f"TLS IS NOT VERIFIED for {what} (`tls_verify: false`)", "bold red")


def _unverified(loaded: Config) -> list[str]:
    """Name the sources and receivers whose certificates are not verified."""
    sources = [f"the source `{one.name}`" for one in loaded.sources if not one.tls_verify]
    receivers = [f"the receiver `{one.name}`" for one in loaded.receivers if not one.verified]
    return sources + receivers


async def _look(loaded: Config) -> Status:
    """Ask the daemon; where it cannot be asked, read what the store remembers."""
    try:
        told = await ask_daemon(loaded.store, "GET", "/status")
    except StoreLocked:
        told = None
    holder = loaded.store.holder()
    owner = f"{holder['owner']}, process {holder['pid']}" if holder else None
    try:
        async with reading(loaded.store) as store:
            pending = await store.pending()
            if told is None:
                return await _remembered(store, loaded, owner, pending)
    except StoreError:
        if told is None:
            raise
        pending = {}
    receivers = [{**one, "pending": pending.get(one["receiver"], 0)} for one in told["receivers"]]
    return Status(
        owner,
        True,
        told["sources"],
        receivers,
        told["network_failing"],
        told.get("store_failing"),
        told.get("stuck", ()),
    )


async def _remembered(
    store: Store, loaded: Config, owner: str | None, pending: Mapping[str, int]
) -> Status:
    states = {state.name: state for state in await store.sources()}
    plans = {plan.source: plan.share for plan in await estimate_sources(loaded)}
    sources = []
    for source in loaded.sources:
        state = states.get(source.name) or SourceState(source.name, source.provider, "")
        plain = _plain(state, len(await store.present_ids(source.name)))
        sources.append({**plain, "plan": describe_plan(source.name, plans[source.name])})
    known = await store.receivers()
    receivers = []
    for receiver in loaded.receivers:
        remembered = known.get(receiver.name) or ReceiverState(receiver.name)
        receivers.append({**remembered.to_plain(), "pending": pending.get(receiver.name, 0)})
    network = states.get("")
    failing = network is not None and network.failing is not None
    return Status(owner, False, sources, receivers, failing)


def _plain(state: SourceState, conversations: int) -> dict[str, Any]:
    """Give what the store remembers of a source with the keys of `SourcePoller.status`."""
    looked = max((at for at in (state.polled, state.swept) if at is not None), default=None)
    return {
        "source": state.name,
        "provider": state.provider,
        "conversations": conversations,
        "baselined": rfc3339(state.baselined) if state.baselined else None,
        "last_look": rfc3339(looked) if looked else None,
        "lag": None,
        "sweeping": None,
        "failing": state.failing.to_plain() if state.failing else None,
        "hold": state.hold.to_plain() if state.hold else None,
    }


def _print_json(console: Console, loaded: Config, standing: Status) -> None:
    """Print a line about the watcher, then one per source and receiver; each begins with its kind."""
    console.json(
        {
            "daemon": standing.owner,
            "answers": standing.asked,
            "store": str(loaded.store.absolute()),
            "network_failing": standing.network_failing,
            "tls_not_verified": _unverified(loaded),
            "store_failing": standing.store_failing,
            "stuck": list(standing.stuck),
        }
    )
    for one in (*standing.sources, *standing.receivers):
        console.json(one)


def _print(console: Console, standing: Status) -> None:
    if standing.owner is None:
        console.write("no daemon runs; this is what the store remembers", "yellow")
    elif not standing.asked:
        console.write(
            f"the store is in use ({standing.owner}); this is what it remembers", "yellow"
        )
    if standing.store_failing:
        console.write(f"everything waits for the store {_why(standing.store_failing)}", "red")
    for one in standing.stuck:
        said = f"{one['what']} has not moved for {format_age(one['seconds'])}"
        console.write(f"stuck: {said} (restart the daemon, and report {one['where']})", "red")
    if standing.network_failing:
        console.write("no source can be reached: the network of this machine fails", "red")
    console.table(
        ("source", "provider", "conversations", "last look", "lag", "state"),
        [_source_row(one, running=standing.asked) for one in standing.sources],
    )
    if standing.receivers:
        console.write("")
        console.table(
            ("receiver", "pending", "state"),
            [
                (str(one["receiver"]), str(one["pending"]), _receiver_state(one))
                for one in standing.receivers
            ],
        )


def _source_row(source: Mapping[str, Any], *, running: bool) -> tuple[str, ...]:
    return (
        str(source["source"]),
        str(source["provider"]),
        str(source["conversations"]),
        _format_stamp(source["last_look"]),
        format_age(source["lag"]),
        _source_state(source, running=running),
    )


def _source_state(source: Mapping[str, Any], *, running: bool) -> str:
    """Say in words how a source stands: what a person should do something about comes first."""
    said = []
    if source["failing"]:
        said.append(f"failing {_why(source['failing'])}")
    if source["hold"]:
        said.append(f"held {_why(source['hold'])}")
    if source["baselined"] is None:
        sweeping = source["sweeping"]
        if sweeping:
            of = f" of {sweeping['of']}" if sweeping["of"] is not None else ""
            said.append(f"reading the baseline: {sweeping['seen']}{of}")
        else:
            said.append("no baseline yet")
    elif running and source["stale"] and not source["failing"]:
        said.append("stale" if source["last_look"] else "starting")
    if source["plan"] and not source["plan"]["fits"]:
        said.append("asks for more than its provider allows (see `inbox-watcher check`)")
    return "; ".join(said) or "ok"


def _receiver_state(receiver: Mapping[str, Any]) -> str:
    said = []
    if receiver["off"]:
        turn_on = f"inbox-watcher send-test {receiver['receiver']}"
        said.append(f"off: {receiver['off']} (`{turn_on}` turns it on when it works)")
    if receiver["failing"]:
        said.append(f"failing {_why(receiver['failing'])}")
    if receiver.get("paused_until"):
        said.append(f"paused until {_format_stamp(receiver['paused_until'])}, then probed")
    return "; ".join(said) or "ok"


def _why(trouble: Mapping[str, Any]) -> str:
    remedy = f" ({trouble['remedy']})" if trouble["remedy"] else ""
    return f"since {_format_stamp(trouble['since'])}: {trouble['reason']}{remedy}"


def _format_stamp(stamp: str | None) -> str:
    if stamp is None:
        return ""
    return format_time(datetime.fromisoformat(stamp.replace("Z", "+00:00")))
