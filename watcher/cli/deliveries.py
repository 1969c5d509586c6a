"""`deliveries`: list deliveries, show one in full, send again.

Rules: listing only reads; the daemon carries out a retry, because it must wake its dispatchers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import anyio
import typer

from watcher.cli.actor import actor
from watcher.cli.commands import ListGroup, StoreCommand
from watcher.cli.completion import complete_deliveries
from watcher.cli.console import Console, NotOne
from watcher.cli.daemon_client import load, look, perform, reading
from watcher.cli.deliveries_show import show
from watcher.cli.filters import (
    ByRule,
    Filters,
    FromSource,
    OfConversation,
    OfType,
    ToReceiver,
)
from watcher.cli.ids import find_deliveries
from watcher.cli.options import AsJson, Limit
from watcher.cli.paging import LINES, in_pages
from watcher.cli.tables import Cell, Column, state_style
from watcher.cli.times import Since, Until
from watcher.clock import wall_clock
from watcher.config.outline import Outline
from watcher.control import Control
from watcher.explain.deliveries import plain_delivery
from watcher.explain.values import format_times, format_who, short_key
from watcher.explain.waits import Wait, what_it_waits_for
from watcher.model import Delivery, DeliveryState, Standing
from watcher.stories import what_decides

__all__ = ["register"]

ALL = 1_000_000_000

PART = 1000
"""How many keys go to the daemon in one request."""

COLUMNS = (
    Column("id"),
    Column("state"),
    Column("when"),
    Column("type", shed=1),
    Column("conversation", shed=5),
    Column("rule", shortest=12, shed=4),
    Column("contact", shortest=12, shed=3),
    Column("tries", right=True, shed=6),
    Column("note", shortest=16, shed=2),
)


class State(StrEnum):
    """Where a delivery stands; `pending` is `due`, `waiting` and `held`."""

    pending = "pending"
    due = "due"
    waiting = "waiting"
    held = "held"
    dead = "dead"
    delivered = "delivered"
    cancelled = "cancelled"


class Again(StrEnum):
    """States from which a delivery can be sent again."""

    dead = "dead"
    pending = "pending"


QUEUED: Mapping[State, Standing] = {
    State.due: "due", State.waiting: "waiting", State.held: "held",
}  # fmt: skip
STORED: Mapping[State, DeliveryState] = {
    State.pending: "pending", State.dead: "dead", State.delivered: "delivered",
    State.cancelled: "cancelled",
}  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command and its sub-commands."""
    group = typer.Typer(
        cls=ListGroup,
        help="List deliveries (without a verb, too), show one in full, send again.",
        epilog="Example: inbox-watcher deliveries --state dead",
    )
    group.command(
        "list",
        cls=StoreCommand,
        epilog="Example: inbox-watcher deliveries list --state dead --json",
    )(list_)
    group.command(
        "show",
        cls=StoreCommand,
        epilog="Example: inbox-watcher deliveries show 3f2a9c41d5e6b708",
    )(show)
    group.command(
        "retry",
        cls=StoreCommand,
        epilog="Examples: inbox-watcher deliveries retry --all-dead\n"
        "          inbox-watcher deliveries retry --receiver crm --since 2h",
    )(retry)
    app.add_typer(group, name="deliveries")


def list_(
    ctx: typer.Context,
    state: Annotated[
        State | None,
        typer.Option(
            help="Only those in this state. Of the pending ones, `due` are owed (or tried again),"
            " `waiting` wait for a timer or a digest, `held` for the hours of their rule."
        ),
    ] = None,
    receiver: ToReceiver = None,
    rule: ByRule = None,
    type_: OfType = None,
    source: FromSource = None,
    conversation: OfConversation = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    limit: Limit = 1000,
) -> None:
    """List deliveries, oldest first."""
    console: Console = ctx.obj
    loaded = load(console)  # its rules say what a delivery waits for
    filters = Filters(type_, source, conversation, receiver, rule, since, until)
    filters.span(console.zone)  # wrong usage is said first, whatever the store is like
    now = wall_clock()

    async def tell() -> None:
        async with reading(loaded.store) as store:
            query = await filters.deliveries(store, Outline.of(loaded), console.zone)
            if state is not None and state in QUEUED:
                query = replace(query, state="pending", stands=(QUEUED[state], now))
            elif state is not None:
                query = replace(query, state=STORED[state])
            known = await what_decides(store, loaded.rules, loaded.silences, loaded.timezone)
            found = store.each_delivery(replace(query, limit=limit))
            if as_json:
                async for delivery in found:
                    wait = what_it_waits_for(delivery, known, now)
                    console.json(plain_delivery(delivery, now, wait))
                return
            head = True
            rows = (
                _row(console, delivery, what_it_waits_for(delivery, known, now), now)
                async for delivery in found
            )
            async for some in in_pages(rows, LINES):
                console.table(COLUMNS, some, head=head)
                head = False
            if head:
                console.note("no deliveries")

    anyio.run(tell)


def retry(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID",
            show_default=False,
            autocompletion=complete_deliveries,
            help="Ids of deliveries or of their events; the beginning is enough.",
        ),
    ] = None,
    all_dead: Annotated[
        bool, typer.Option("--all-dead", help="Send every dead delivery again.")
    ] = False,
    state: Annotated[
        Again | None,
        typer.Option(
            help="dead (without ids the default): given up; pending: failed and waiting for the next"
            " attempt."
        ),
    ] = None,
    receiver: ToReceiver = None,
    rule: ByRule = None,
    type_: OfType = None,
    source: FromSource = None,
    conversation: OfConversation = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Send again: dead deliveries from the first attempt of their schedule, failed ones at once.

    Name ids, filters, or both, all of which must fit; or --all-dead.
    """
    filters = Filters(type_, source, conversation, receiver, rule, since, until)
    narrowed = bool(ids or state or filters)
    if narrowed == all_dead:
        raise typer.BadParameter("name ids, filters or both; or --all-dead")
    console: Console = ctx.obj
    known = look(console)
    filters.span(console.zone)
    wanted = anyio.run(_chosen, console, known, ids or [], filters, state) if narrowed else None

    async def again(control: Control) -> int:
        if wanted is None:
            return await control.retry(None, actor())
        parts = range(0, len(wanted), PART)
        return sum([await control.retry(wanted[start : start + PART], actor()) for start in parts])

    count = 0
    if wanted is None or wanted:
        count = anyio.run(perform, console, known, "deliveries retry", again)
    due = max(0, len(wanted or ()) - count)  # being sent, or waiting for a pause to end
    if count:
        console.write(f"{_deliveries(count)} to be sent again")
    if due:
        console.write(f"{_deliveries(due)} due already")
    if not count and not due:
        console.note("nothing to send again")


def _deliveries(count: int) -> str:
    return "1 delivery is" if count == 1 else f"{count} deliveries are"


async def _chosen(
    console: Console, known: Outline, ids: list[str], filters: Filters, state: Again | None
) -> list[str]:
    """Return the keys of what can be sent again of the deliveries that are named, or that fit."""
    async with reading(known.store) as store:
        query = await filters.deliveries(store, known, console.zone)
        if state is not None or not ids:
            query = replace(query, state=(state or Again.dead).value)
        if not ids:
            # What failed and waits for its next attempt, or was given up: `_again` says the same.
            tried = replace(query, tried=query.state == "pending", limit=ALL)
            return [key async for key in store.each_key(tried)]
        named = {text: await find_deliveries(store, text, query) for text in ids}
    chosen = {text: {one.key for one in found if _again(one)} for text, found in named.items()}
    if missing := [text for text, keys in chosen.items() if not keys]:
        raise NotOne(
            f"no dead delivery has the id {', '.join(missing)}"
            f"{' and fits the filters' if filters or state else ''}, and none that has failed and"
            " waits for its next attempt",
            "`inbox-watcher deliveries --state dead` lists what was given up",
        )
    return sorted(set().union(*chosen.values()))


def _again(delivery: Delivery) -> bool:
    """Return whether it can be sent again: dead, or failed and waiting for the next attempt."""
    return delivery.state == "dead" or (delivery.state == "pending" and delivery.attempt > 0)


def _row(
    console: Console, delivery: Delivery, wait: Wait | None, now: datetime
) -> tuple[str | Cell, ...]:
    stands = delivery.stands(now)
    return (
        short_key(delivery),
        Cell(stands, state_style(stands)),
        console.time(delivery.settled or delivery.due),
        delivery.event.type,
        delivery.event.subject or "",
        delivery.rule,
        format_who(delivery.event),
        str(delivery.attempt),
        format_times(delivery.note if wait is None else wait.text, console.zone),
    )
