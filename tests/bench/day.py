"""A day of ten thousand sources in virtual time: figure `day`.

The whole daemon with its SQLite store watches simulated Chatwoots, a hundred accounts on each. Somebody
writes in one account after the other, twice a minute. Prints how late the latest look and the latest message
were, and what the daemon needs in memory. Virtual time does not pass while the machine works, so this says
nothing about speed (`readiness` does), but everything about what waits for what: limits, pauses,
turns.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import anyio
import structlog

from tests.bench.figures import Figure, Measured, Scale
from tests.bench.processes import IN_A_FILE
from tests.scenarios.harness import Inbox
from tests.simulation.quick import quick
from tests.support.virtual_time import JumpLoop, VirtualClock
from watcher.config.load import load
from watcher.daemon import Daemon
from watcher.settings.durations import parse_duration
from watcher.simulator import Account, World, chatwoot
from watcher.store.sqlite import SqliteStore
from watcher.transport import Transport

ON_A_HOST = 100
"""Accounts of one installation."""

LOOK_EVERY, WRITE_EVERY = 120.0, 30.0
"""Seconds between two looks at how late sources are, and between two messages that somebody writes."""


@dataclass(frozen=True, slots=True)
class Day:
    """What a day came to."""

    sources: int
    polls: int
    requests: int
    latest: float
    """Seconds since its last look of the source that was read longest ago, at worst."""

    written: int
    told: int
    slowest: float
    """Seconds from a message to the receiver's having it, at worst."""

    baseline: float
    """Seconds until every source was read once."""

    memory: float
    """MiB that the daemon took at most, beside the simulated world."""

    cpu: float
    """Seconds of CPU, those of the simulated world included."""


def _write(folder: Path, accounts: list[Account], poll_every: str, sweep_every: str) -> None:
    (folder / "a.yaml").write_text(
        f"store: {folder}/watcher.db\nserver: false\nreceivers:\n"
        "  crm: {type: webhook, url: 'http://crm.example/hook', insecure: true}\n"
        "rules:\n- {name: all, when: '*', notify: [crm]}\n"
    )
    for first in range(0, len(accounts), IN_A_FILE):
        blocks = (
            f"  loc-{number}:\n    provider: chatwoot\n    account_id: {account.id}\n"
            f"    base_url: http://chat-{number // ON_A_HOST}.example\n    insecure: true\n"
            f"    token: {account.token}\n    poll_every: {poll_every}\n    sweep_every: {sweep_every}\n"
            for number, account in enumerate(accounts[first : first + IN_A_FILE], first)
        )
        (folder / f"sources-{first:06}.yaml").write_text("sources:\n" + "".join(blocks))


async def measure(
    folder: Path, sources: int, hours: float, poll_every: str, sweep_every: str
) -> Day:
    """Run the daemon for so long on so many accounts; return what it came to."""
    clock = VirtualClock()
    crm = Inbox(clock)
    world = World(clock, 1)
    accounts = [
        world.open_account("chatwoot", str(number + 1), conversations=3)
        for number in range(sources)
    ]
    mounted: dict[str, Any] = {"http://crm.example": crm}
    for host, first in enumerate(range(0, sources, ON_A_HOST)):
        served = chatwoot.app(world, accounts=accounts[first : first + ON_A_HOST])
        mounted[f"http://chat-{host}.example"] = served
    _write(folder, accounts, poll_every, sweep_every)
    before, began = _memory("VmRSS"), time.process_time()
    config = load([folder], environ={})
    store = await SqliteStore.open(folder / "watcher.db", durable=False)
    interval = parse_duration(poll_every).total_seconds()
    try:
        async with Transport(clock, mount=mounted) as transport:
            daemon = Daemon(config, store=store, transport=transport, clock=clock)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(daemon.run)
                while any(not one.attempted for one in daemon.freshness()):  # noqa: ASYNC110 - virtual
                    await anyio.sleep(1)
                baseline = anyio.current_time()
                posted, latest = await _live(daemon, world, accounts, hours)
                await anyio.sleep(interval + LOOK_EVERY)
                polls, requests = (
                    int(_sum(daemon, f"inbox_watcher_{name}_total"))
                    for name in ("polls", "requests")
                )
                tasks.cancel_scope.cancel()
    finally:
        await store.close()
    late = [
        (at - posted[text]).total_seconds()
        for body, at in zip(crm.bodies, crm.times, strict=True)
        if body["type"] == "conversation.message"
        and (text := body["data"]["conversation"]["last_message"]["text"]) in posted
    ]
    return Day(
        sources=sources, polls=polls, requests=requests, latest=latest, written=len(posted),
        told=len(late), slowest=max(late, default=0.0), baseline=baseline,
        memory=_memory("VmHWM") - before, cpu=time.process_time() - began,
    )  # fmt: skip


async def _live(
    daemon: Daemon, world: World, accounts: list[Account], hours: float
) -> tuple[dict[str, datetime], float]:
    """Have somebody write now and then; return what was written when, and how late the latest look was."""
    random, latest, posted = Random(3), 0.0, dict[str, datetime]()
    ends = anyio.current_time() + 3600 * hours
    while anyio.current_time() < ends:
        for _ in range(int(LOOK_EVERY / WRITE_EVERY)):
            chosen = random.choice(accounts[len(posted) % len(accounts)].living())
            posted[text := f"words {len(posted)}"] = world.now()
            world.message(chosen, text)
            await anyio.sleep(WRITE_EVERY)
        latest = max(latest, max(one.lag for one in daemon.freshness()))
    return posted, latest


def _sum(daemon: Daemon, name: str) -> float:
    """Return the sum of a counter over its labels, polls that failed left out."""
    metrics = daemon.metrics.registry.collect()
    return sum(
        one.value
        for metric in metrics
        for one in metric.samples
        if one.name == name and one.labels["outcome"] != "failed"
    )


def _memory(what: str) -> float:
    """Return this process' memory in MiB: `VmRSS` now, `VmHWM` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{what}:"))


def measured(scale: Scale) -> Iterator[Measured]:
    """Measure a day."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    many = (scale.number("sources", 10_000, 500), scale.number("hours", 24, 6))
    paces = (scale.words(name, usual, usual)[0] for name, usual in PACES.items())
    with tempfile.TemporaryDirectory() as folder, quick(threads=False):
        options = {"loop_factory": JumpLoop}
        day = anyio.run(partial(measure, Path(folder), *many, *paces), backend_options=options)
    for name, value in asdict(day).items():
        yield Measured(
            f"{many[0]:,} sources, {many[1]} hours", name, (float(value),), UNITS.get(name, "")
        )


PACES = {"poll_every": ("1h",), "sweep_every": ("12h",)}
UNITS = dict.fromkeys(("latest", "slowest", "baseline", "cpu"), "s") | {"memory": "MiB"}
FIGURES = (
    Figure(
        "", "day", "a day of many sources in virtual time: how late anything was", measured,
        {"sources": "how many", "hours": "how long", "poll_every": "1h", "sweep_every": "12h"},
    ),
)  # fmt: skip
