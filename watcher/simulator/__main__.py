"""Serves one fake service on a port: `python -m watcher.simulator chatwoot --port 8901`.

Rules: reads the command line and the wall clock; everything else is in the package.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import Server

from watcher.clock import wall_clock
from watcher.simulator import Dated, World, chatwoot, leadconnector, leadping
from watcher.simulator.state import Kind
from watcher.simulator.steering import Steered, fault_of
from watcher.simulator.versions import NEWEST, Version, read_version, written


@dataclass(frozen=True, slots=True)
class Service:
    """What is served for a provider."""

    kind: Kind
    """What it is in the world."""

    app: Callable[[World, Any], Starlette]
    """Returns its API."""

    options: Callable[..., Any]
    """Returns how it behaves."""

    setting: str
    """The provider's setting that names an account."""

    account: str
    """The name of the account unless another is asked for."""


SERVICES: dict[str, Service] = {
    "chatwoot": Service("chatwoot", chatwoot.app, chatwoot.Options, "account_id", "3"),
    "highlevel": Service(
        "highlevel", leadconnector.app, leadconnector.Options, "location_id", "loc-sales"
    ),
    "leadway": Service(
        "highlevel", leadconnector.app, leadconnector.Options, "location_id", "loc-sales"
    ),
    "leadping": Service("leadping", leadping.app, leadping.Options, "organization", "org-leads"),
}
"""By provider."""

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(text: str) -> float:
    """Read a length of time such as `2s` or `500ms`."""
    found = re.fullmatch(r"([0-9.]+)(ms|s|m|h|d)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text} is not a time such as 2s or 500ms")
    return float(found[1]) * UNITS[found[2]]


def offset(text: str) -> float:
    """Read by how much a clock is ahead (`10m`) or behind (`-1d`)."""
    sign = -1.0 if text.startswith("-") else 1.0
    return sign * seconds(text.removeprefix("-"))


def version(text: str) -> Version:
    """Read a version such as `3.16`."""
    try:
        return read_version(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    asked = argparse.ArgumentParser("python -m watcher.simulator", description=__doc__)
    asked.add_argument("service", choices=SERVICES)
    asked.add_argument(
        "--host", default="127.0.0.1", help="the control endpoint asks for no password"
    )
    asked.add_argument("--port", type=int, default=8901, help="0 takes any free one")
    asked.add_argument("--seed", type=int, default=1, help="the same seed gives the same world")
    asked.add_argument("--conversations", type=int, default=40)
    asked.add_argument("--account", help="the account's id")
    asked.add_argument("--token", help="the token that is accepted")
    asked.add_argument("--events-every", type=seconds, help="let something happen as often, as 2s")
    asked.add_argument(
        "--chatwoot-version",
        type=version,
        default=NEWEST,
        help="what the Chatwoot runs, as 2.16 or 3.16",
    )
    asked.add_argument("--install", type=version, help="another version that is installed later")
    asked.add_argument(
        "--install-after", type=seconds, default=60.0, help="when --install happens, as 5m"
    )
    asked.add_argument(
        "--rendering",
        type=seconds,
        default=0.0,
        help="how long an answer is put together, row by row, as 1s: what changes meanwhile tears it",
    )
    asked.add_argument(
        "--commit-lag",
        type=seconds,
        default=0.0,
        help="how much later than its stamp a change may be seen, as 5s",
    )
    asked.add_argument(
        "--clock-off",
        type=offset,
        default=0.0,
        help="how far the server's clock is ahead, as 10m, or behind, as --clock-off=-1d",
    )
    asked.add_argument(
        "--date",
        choices=("none", "server", "proxy"),
        help="the Date header: none (Chatwoot's way), the server's clock (the others' way), or the right one",
    )
    asked.add_argument("--status", type=int, help="answer with this status")
    asked.add_argument("--slow", type=seconds, help="answer so much later, as 500ms")
    asked.add_argument("--after", type=int, default=0, help="requests before --status or --slow")
    return asked.parse_args(arguments)


def open_service(asked: argparse.Namespace, clock: Callable[[], datetime] = wall_clock) -> Steered:
    """Open the world and its one account, with the faults asked for."""
    service = SERVICES[asked.service]
    world = World(clock, asked.seed)
    account = world.open_account(
        service.kind,
        asked.account or service.account,
        conversations=asked.conversations,
        token=asked.token,
        version=asked.chatwoot_version,
        clock_off=asked.clock_off,
    )
    options = service.options(rendering=asked.rendering, commit_lag=asked.commit_lag)
    steered = Steered(world, account, service.app(world, options))
    for key in ("status", "slow"):
        if (value := getattr(asked, key)) is not None:
            steered.faults.plan(fault_of({key: value}), lambda seen: seen.number > asked.after)
    return steered


def dated(asked: argparse.Namespace, steered: Steered) -> ASGIApp:
    """Return what is served, with the `Date` header that was asked for."""
    match asked.date or ("none" if asked.service == "chatwoot" else "server"):
        case "none":
            return steered
        case "proxy":
            return Dated(steered, steered.world.now)
    return Dated(steered, lambda: steered.world.time_at(steered.account))


async def serve(asked: argparse.Namespace) -> None:
    """Serve until a signal ends it."""
    steered = open_service(asked)
    listener = socket.create_server((asked.host, asked.port))
    config = Config(
        dated(asked, steered),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        date_header=False,
    )
    server = Server(config)
    announce(asked, steered, listener.getsockname()[1])

    async def live() -> None:
        while asked.events_every:
            await anyio.sleep(asked.events_every)
            say(steered.script.step())

    async def install() -> None:
        if asked.install is not None:
            await anyio.sleep(asked.install_after)
            steered.world.install(steered.account, asked.install)
            say(f"# version {written(asked.install)} is installed")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(live)
        tasks.start_soon(install)
        await server.serve(sockets=[listener])
        tasks.cancel_scope.cancel()


def announce(asked: argparse.Namespace, steered: Steered, port: int) -> None:
    """Print the source for a configuration, and where to steer."""
    say(
        f"# {len(steered.account.living())} conversations; steer at"
        f" http://{asked.host}:{port}/_simulator\n"
        "sources:\n"
        f"  simulated:\n"
        f"    provider: {asked.service}\n"
        f"    base_url: http://{asked.host}:{port}\n"
        f"    {SERVICES[asked.service].setting}: {steered.account.id}\n"
        f"    token: {steered.account.token}"
    )


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        anyio.run(serve, read_arguments())
