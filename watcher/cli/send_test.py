"""`send-test`: send a sample event through a receiver's own notifier, and print the answer.

Rules: the running daemon sends, because it has the secrets; without one, those of this receiver are
enough.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Annotated, Any

import anyio
import typer

from watcher.cli.actor import actor
from watcher.cli.commands import StoreCommand
from watcher.cli.completion import complete_receivers
from watcher.cli.console import FAILED, Console
from watcher.cli.daemon_client import NoDaemon, call_daemon, look, perform, reading
from watcher.cli.options import choose
from watcher.clock import wall_clock
from watcher.config.load import Inspection, inspect_files
from watcher.config.outline import Outline
from watcher.daemon.plans import plan_receivers
from watcher.daemon.sample import send_sample
from watcher.errors import ConfigError, Problem, StoreError, StoreLocked
from watcher.transport import Transport, prepare_loop

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("send-test", cls=StoreCommand, epilog="Example: inbox-watcher send-test team")(
        send_test
    )


def send_test(
    ctx: typer.Context,
    receiver: Annotated[
        str,
        typer.Argument(
            metavar="RECEIVER",
            show_default=False,
            autocompletion=complete_receivers,
            help="Its name in the configuration.",
        ),
    ],
) -> None:
    """Send a sample event and show the answer; if it works, turn on a receiver that was off."""
    console: Console = ctx.obj
    known = look(console)
    result = anyio.run(_ask, known, receiver)
    if result is None:
        result = anyio.run(_send, console, known, receiver)
    answer = f": {result['note']}" if result["note"] else ""
    by = "by the daemon, " if result["daemon"] else ""
    console.write(f"{receiver}: {result['outcome']} {by}after {result['seconds']:.1f} s{answer}")
    if result["excerpt"]:
        console.write("\n".join(f"    {line}" for line in result["excerpt"].splitlines()))
    if result["outcome"] != "ok":
        raise typer.Exit(FAILED)
    if result["turned_on"]:
        console.write(f"{receiver} was off and is turned on again")


async def _ask(known: Outline, receiver: str) -> Mapping[str, Any] | None:
    """Have the daemon send; return None where none runs, or it does not have this receiver while the
    configuration does.
    """
    try:
        status = await call_daemon(known.store, lambda control: control.status(most=0))
    except (NoDaemon, StoreLocked):
        if known.complete:  # else whatever is wrong may hide it
            choose("receiver", receiver, known.receivers)
        return None
    running = [one["receiver"] for one in status["receivers"]]
    if receiver not in running:
        choose("receiver", receiver, [*running, *known.receivers])
        return None
    answer = await call_daemon(known.store, lambda control: control.send_test(receiver))
    return {**answer, "daemon": True}


async def _send(console: Console, known: Outline, receiver: str) -> Mapping[str, Any]:
    """Send from here; raise ConfigError if this receiver is not right or lacks a secret."""
    prepare_loop()
    inspection = inspect_files(console.asked.config, environ=os.environ)
    console.redactor = inspection.redactor
    configured = [one for one in inspection.receivers if one.name == receiver]
    if not configured:
        raise ConfigError(_about(receiver, inspection))
    addresses = inspection.config.network.addresses
    async with Transport(wall_clock, addresses=addresses) as transport:
        (plan,) = plan_receivers(configured, transport, inspection.redactor.scrub)
        try:
            answer = await send_sample(plan, inspection.config, wall_clock)
        finally:
            await plan.notifier.close()
    turned_on = answer["outcome"] == "ok" and await _turn_on(console, known, receiver)
    return {**answer, "turned_on": turned_on, "daemon": False}


def _about(receiver: str, inspection: Inspection) -> tuple[Problem, ...]:
    """Return the problems of one receiver, or all where none is placed in it."""
    places = inspection.places
    own = tuple(one for one in inspection.problems if places.holds(receiver, one))
    return own or inspection.problems


async def _turn_on(console: Console, known: Outline, receiver: str) -> bool:
    """Turn a receiver on that once answered 410; return False if it was not off."""
    with contextlib.suppress(StoreError):  # without a store, no receiver was turned off
        async with reading(known.store) as store:
            state = (await store.receivers()).get(receiver)
        if state is not None and state.off:
            await perform(
                console, known, "send-test", lambda control: control.turn_on(receiver, actor())
            )
            return True
    return False
