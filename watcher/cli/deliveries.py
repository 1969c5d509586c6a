"""`deliveries`: what is owed, what arrived and what was given up; and sending that again.

Law: lists by reading; a retry is asked of the daemon, which wakes its dispatchers.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer

from watcher.cli.options import AsJson, ConfigPaths, Limit
from watcher.cli.reach import ask_daemon, load, owning, reading
from watcher.cli.screen import FAILED, Careful, Screen, told
from watcher.cli.wording import say_time, say_who
from watcher.clock import wall_clock
from watcher.model import Delivery, rfc3339
from watcher.records import DeliveryQuery

__all__ = ["register"]

ALL = 1_000_000_000


class State(StrEnum):
    """Where a delivery stands."""

    pending = "pending"
    dead = "dead"
    delivered = "delivered"
    cancelled = "cancelled"


def register(app: typer.Typer) -> None:
    """Add the command and its sub-command."""
    group = typer.Typer(rich_markup_mode="rich")
    group.callback(
        invoke_without_command=True,
        epilog="Example: inbox-watcher deliveries --state dead --json",
    )(deliveries)
    group.command(
        "retry", cls=Careful, epilog="Example: inbox-watcher deliveries retry --all-dead"
    )(retry)
    app.add_typer(group, name="deliveries")


def deliveries(
    ctx: typer.Context,
    config: ConfigPaths = None,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    receiver: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only those to this receiver.")
    ] = None,
    as_json: AsJson = False,
    limit: Limit = 1000,
) -> None:
    """List deliveries, oldest first; `retry` sends dead ones again."""
    if ctx.invoked_subcommand is not None:
        if config:
            ctx.meta[__name__] = config
        return
    screen: Screen = ctx.obj
    with told(screen):
        loaded = load(screen, config)
        query = DeliveryQuery(state=state.value if state else None, receiver=receiver, limit=limit)

        async def find() -> list[Delivery]:
            async with reading(Path(loaded.store)) as store:
                return list(await store.deliveries(query))

        found = anyio.run(find)
        if as_json:
            for delivery in found:
                screen.json(_plain(delivery))
        elif found:
            screen.table(
                ("state", "when", "receiver", "rule", "type", "contact", "tries", "note", "id"),
                [_row(delivery) for delivery in found],
            )
        else:
            screen.note("no deliveries")


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
    config: ConfigPaths = None,
) -> None:
    """Send dead deliveries again, from the first attempt of their schedule."""
    if bool(ids) == all_dead:
        raise typer.BadParameter("name ids, or --all-dead; not both")
    screen: Screen = ctx.obj
    loaded = load(screen, config or ctx.meta.get(__name__))
    count = anyio.run(_retry, screen, Path(loaded.store), None if all_dead else ids)
    screen.write(f"{count} {'delivery is' if count == 1 else 'deliveries are'} pending again")


async def _retry(screen: Screen, store: Path, ids: list[str] | None) -> int:
    """Make dead deliveries pending; gives how many."""
    async with reading(store) as reader:
        dead = await reader.deliveries(DeliveryQuery(state="dead", limit=ALL))
    wanted = None
    if ids is not None:
        unknown = [each for each in ids if not any(each in _names(one) for one in dead)]
        if unknown:
            screen.complain(
                f"no dead delivery has the id {', '.join(unknown)}",
                "`inbox-watcher deliveries --state dead` lists them",
            )
            raise typer.Exit(FAILED)
        wanted = sorted({one.key for one in dead if _names(one) & set(ids)})
    answer = await ask_daemon(store, "POST", "/retry", {"ids": wanted})
    if answer is not None:
        return int(answer["count"])
    async with owning(store, "deliveries retry") as owner:
        return await owner.retry(wanted, wall_clock())


def _names(delivery: Delivery) -> set[str]:
    """Give all that a person may call a delivery."""
    return {delivery.id, delivery.event.id, delivery.key}


def _plain(delivery: Delivery) -> dict[str, Any]:
    """Give a delivery as plain JSON."""
    return {
        "id": delivery.id,
        "event": delivery.event.id,
        "type": delivery.event.type,
        "source": delivery.event.source,
        "conversation": delivery.event.subject,
        "receiver": delivery.receiver,
        "rule": delivery.rule,
        "state": delivery.state,
        "attempts": delivery.attempt,
        "due": rfc3339(delivery.due),
        "created": rfc3339(delivery.created),
        "settled": rfc3339(delivery.settled) if delivery.settled else None,
        "waits_for": delivery.timer,
        "note": delivery.note,
    }


def _row(delivery: Delivery) -> tuple[str, ...]:
    return (
        delivery.state,
        say_time(delivery.settled or delivery.due),
        delivery.receiver,
        delivery.rule,
        delivery.event.type,
        say_who(delivery.event),
        str(delivery.attempt),
        delivery.note,
        delivery.id,
    )
