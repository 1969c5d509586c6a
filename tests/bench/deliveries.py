"""(d) How long it takes from a change that was seen to its webhook, and (e) how fast a backlog leaves.

For (e) the store owes a receiver many webhooks, of so many conversations in turn. The receiver holds back its
answers until the watcher has started, then it lets go; in the same round bare clients post the same bodies,
eight at a time, as fast as they go.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from tests.bench.backlog import BODY
from tests.bench.figures import Figure, Measured, Scale
from tests.bench.processes import CLIENTS, Bare, Gone, Service, Watcher, cpu_of, installed
from tests.support.backlog import make_backlog
from watcher.store.sqlite import SqliteStore

POLL = 1
"""Seconds between two polls."""

APART = 0.25
"""Seconds between two changes."""


def seen(scale: Scale) -> Iterator[Measured]:
    """Measure the time from a detected change to the arrival of its webhook."""
    with ExitStack() as stack:
        service = stack.enter_context(Service(accounts=1, conversations=100))
        accounts = {"a1": (service.base, 1)}
        hook = f"{service.base}/hook"
        watcher = stack.enter_context(Watcher(accounts, hook, poll_every=f"{POLL}s"))
        watcher.ready(60)
        time.sleep(3 * POLL)
        median, worst = list[float](), list[float]()
        for _ in range(scale.number("rounds", 5, 2)):
            service.read(clear=True)
            for _ in range(scale.number("changes", 100, 40)):
                service.change("message", 1)
                time.sleep(APART)
            time.sleep(2 * POLL)
            watcher.check()
            late = sorted(
                1000 * (at - datetime.fromisoformat(json.loads(body)["time"]).timestamp())
                for at, body in service.read(clear=True)["posts"]
            )
            if not late:
                raise Gone("no webhook came")
            median.append(statistics.median(late))
            worst.append(late[min(len(late) - 1, len(late) * 99 // 100)])
    yield Measured("alone", "change seen → webhook, median", tuple(median), "ms", clock=True)
    yield Measured("alone", "change seen → webhook, p99", tuple(worst), "ms", 100, clock=True)


def owed(scale: Scale) -> Iterator[Measured]:
    """Measure how fast webhooks leave that are owed."""
    number = scale.number("owed", 5000)
    about = scale.number("conversations", 2000)
    clients = [name for name in CLIENTS if installed(name)]
    rate, spent = list[float](), list[float]()
    bare: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}
    for _ in range(scale.number("rounds", 5, 2)):
        with ExitStack() as stack:
            service = stack.enter_context(Service(accounts=1, conversations=1))
            took, cpu, bodies = _owed(service, number, about)
            rate.append(number / took)
            spent.append(1000 * cpu / number)
            for name in clients:
                client = stack.enter_context(Bare(name))
                client.begin(
                    base=service.base,
                    hook=f"{service.base}/hook",
                    questions=[],
                    posts=bodies,
                    over=0,
                )
                told = client.end()
                bare[name].append((number / told["wall"], 1000 * told["cpu"] / number))
    case = f"{number:,} of {about:,} conversations"
    yield Measured(case, "webhooks a second", tuple(rate), least=2000, clock=True)
    yield Measured(case, "CPU a webhook", tuple(spent), "ms")
    for name, found in bare.items():
        rates, costs = zip(*found, strict=True)
        yield Measured(case, f"bare posts of {name} a second", rates, clock=True)
        ratios = tuple(ours / theirs for ours, theirs in zip(spent, costs, strict=True))
        yield Measured(case, f"CPU, in bare posts of {name}", ratios, "×")


def _owed(service: Service, number: int, conversations: int) -> tuple[float, float, list[str]]:
    """Have a watcher send what a store owes; return its seconds by the clock and of CPU, and the bodies."""
    watcher = Watcher({"a1": (service.base, 1)}, f"{service.base}/hook", poll_every="30s")
    _fill(watcher.folder / "watcher.db", number, conversations)
    service.gate(opened=False)
    with watcher:
        watcher.ready(60)
        time.sleep(1.0)
        cpu, began = cpu_of(watcher.pid), time.time()  # noqa: TID251 - as the service says when it was
        service.gate(opened=True)
        while (told := service.read(brief=True))["posts"] < number:
            watcher.check()
            if time.time() - began > 120:  # noqa: TID251
                raise Gone(f"{told['posts']} of {number} webhooks came")
            time.sleep(0.1)
        posts = service.read(clear=True)["posts"]
        used = cpu_of(watcher.pid) - cpu
    return max(at for at, _ in posts) - began, used, [body for _, body in posts[:number]]


def _fill(path: Path, number: int, conversations: int) -> None:
    backlog = make_backlog(path)
    backlog.add("crm", number, conversations, body=json.dumps(BODY))
    backlog.close()
    path.chmod(0o600)

    async def bring_up_to_date() -> None:
        await (await SqliteStore.open(path)).close()

    asyncio.run(bring_up_to_date())


_ROUNDS = {"rounds": "how often"}
FIGURES = (
    Figure(
        "d", "seen", "change seen → webhook received, alone", seen,
        {**_ROUNDS, "changes": "in a round"},
    ),
    Figure(
        "e", "owed", "webhooks a second from a backlog", owed,
        {**_ROUNDS, "owed": "webhooks", "conversations": "that they are about"},
    ),
)  # fmt: skip
