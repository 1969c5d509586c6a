"""`deliveries`: list deliveries, show one in full, send again.

Rules: listing only reads; the daemon carries out a retry, because it must wake its dispatchers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import anyio
import typer

from watcher.cli.commands import CommandGroup, StoreCommand
from watcher.cli.console import FAILED, Console, reporting_errors
from watcher.cli.daemon_client import load, perform, reading
from watcher.cli.deliveries_show import plain_delivery, show
from watcher.cli.format import format_who
from watcher.cli.options import AsJson, Limit
from watcher.cli.times import Since, Until, read_span
from watcher.clock import wall_clock
from watcher.config import Config
from watcher.model import Delivery
from watcher.records import DeliveryQuery
from watcher.store.address import StoreAddress

__all__ = ["register"]

ALL = 1_000_000_000


class State(StrEnum):
    """Where a delivery stands."""

    pending = "pending"
    dead = "dead"
    delivered = "delivered"
    cancelled = "cancelled"


class Again(StrEnum):
    """States from which a delivery can be sent again."""

    dead = "dead"
    pending = "pending"


ToReceiver = Annotated[
    str | None, typer.Option("--receiver", metavar="NAME", help="Only those to this receiver.")
]
ByRule = Annotated[
    str | None, typer.Option("--rule", metavar="NAME", help="Only those that this rule sends.")
]
OfType = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="GLOB", help="Only of these events, such as conversation.*."),
]


def register(app: typer.Typer) -> None:
    """Add the command and its sub-commands."""
    group = typer.Typer(cls=CommandGroup, rich_markup_mode="rich")
    group.callback(
        invoke_without_command=True,
        epilog="Example: inbox-watcher deliveries --state dead --json",
    )(deliveries)
    group.command(
        "show",
        cls=StoreCommand,
        epilog="Example: inbox-watcher deliveries show 3f2a9c41d5e6b708",
    )(show)
    group.command(
        "retry",
        cls=StoreCommand,
        epilog="Examples: inbox-watcher deliveries retry --all-dead;"
        " inbox-watcher deliveries retry --receiver crm --since 2h",
    )(retry)
    app.add_typer(group, name="deliveries")


def deliveries(
    ctx: typer.Context,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    receiver: ToReceiver = None,
    rule: ByRule = None,
    type_: OfType = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    limit: Limit = 1000,
) -> None:
    """List deliveries, oldest first; `show` prints one in full, `retry` sends again."""
    if ctx.invoked_subcommand is not None:
        return
    console: Console = ctx.obj
    with reporting_errors(console):
        loaded = load(console)
        span = read_span(since, until, zone=console.zone, now=wall_clock())
        query = _query(state, receiver, rule, type_, span, limit=limit)
        found = anyio.run(_find, loaded.store, [query])
        if as_json:
            for delivery in found:
                console.json(plain_delivery(delivery))
        elif found:
            console.table(
                ("state", "when", "receiver", "rule", "type", "contact", "tries", "note", "id"),
                [_row(console, delivery) for delivery in found],
            )
        else:
            console.note("no deliveries")


def retry(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]...", show_default=False, help="Ids of deliveries or of their events."
        ),
    ] = None,
    all_dead: Annotated[
        bool, typer.Option("--all-dead", help="Send every dead delivery again.")
    ] = False,
    state: Annotated[
        Again | None,
        typer.Option(
            help="dead (the default): given up; pending: failed and waiting for the next attempt."
        ),
    ] = None,
    receiver: ToReceiver = None,
    rule: ByRule = None,
    type_: OfType = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Send again: dead deliveries from the first attempt of their schedule, failed ones at once.

    Name ids, or --all-dead, or filters, all of which must fit.
    """
    filtered = any((state, receiver, rule, type_, since, until))
    if [bool(ids), all_dead, filtered].count(True) != 1:
        raise typer.BadParameter("name ids, or --all-dead, or filters; one of the three")
    console: Console = ctx.obj
    loaded = load(console)
    query = None
    if filtered:
        span = read_span(since, until, zone=console.zone, now=wall_clock())
        query = _query(state or Again.dead, receiver, rule, type_, span, limit=ALL)
    count, due = anyio.run(_retry, console, loaded, ids, query)
    if count:
        console.write(f"{_deliveries(count)} to be sent again")
    if due:
        console.write(f"{_deliveries(due)} due already")
    if not count and not due:
        console.note("nothing to send again")


def _deliveries(count: int) -> str:
    return "1 delivery is" if count == 1 else f"{count} deliveries are"


def _query(
    state: State | Again | None,
    receiver: str | None,
    rule: str | None,
    type_: list[str] | None,
    span: tuple[datetime | None, datetime | None],
    *,
    limit: int,
) -> DeliveryQuery:
    standing = State(state) if state else None
    return DeliveryQuery(
        state=standing.value if standing else None,
        receiver=receiver,
        rule=rule,
        types=tuple(type_ or ()),
        since=span[0],
        until=span[1],
        limit=limit,
    )


async def _find(address: StoreAddress, queries: Sequence[DeliveryQuery]) -> list[Delivery]:
    async with reading(address) as reader:
        return [one for query in queries for one in await reader.deliveries(query)]


async def _retry(
    console: Console, loaded: Config, ids: list[str] | None, query: DeliveryQuery | None
) -> tuple[int, int]:
    """Make deliveries due now: those named, those a query finds, or all dead ones; gives how many,
    and how many others were due before: they are being sent, or wait for a pause to end.
    """
    wanted: list[str] | None = None
    if query is not None:
        wanted = sorted(one.key for one in await _find(loaded.store, [query]) if _again(one))
        if not wanted:
            return 0, 0
    elif ids is not None:
        states = [DeliveryQuery(state=one.value, limit=ALL) for one in Again]
        found = [one for one in await _find(loaded.store, states) if _again(one)]
        unknown = [each for each in ids if not any(each in _names(one) for one in found)]
        if unknown:
            console.error(
                f"no dead delivery has the id {', '.join(unknown)}, and none that has failed and"
                " waits for its next attempt",
                "`inbox-watcher deliveries --state dead` lists what was given up",
            )
            raise typer.Exit(FAILED)
        wanted = sorted({one.key for one in found if _names(one) & set(ids)})
    count = await perform(loaded, "deliveries retry", lambda control: control.retry(wanted))
    return count, max(0, len(wanted or ()) - count)


def _again(delivery: Delivery) -> bool:
    """Return whether it can be sent again: dead, or failed and waiting for the next attempt."""
    return delivery.state == "dead" or (delivery.state == "pending" and delivery.attempt > 0)


def _names(delivery: Delivery) -> set[str]:
    """Return every id by which a delivery can be named."""
    return {delivery.id, delivery.event.id, delivery.key, delivery.message} - {""}


def _row(console: Console, delivery: Delivery) -> tuple[str, ...]:
    return (
        delivery.state,
        console.time(delivery.settled or delivery.due),
        delivery.receiver,
        delivery.rule,
        delivery.event.type,
        format_who(delivery.event),
        str(delivery.attempt),
        delivery.note,
        delivery.id,
    )
