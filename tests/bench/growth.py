"""(f) How many accounts a machine watches: CPU, lag and memory at a poll every thirty seconds.

Accounts are spread over loopback addresses, a Chatwoot each, since a limit holds for an address. Now and
then another agent takes a conversation over. A perfect poller hears of it half an interval later in the
median, and a whole one at most; what comes on top is lag. Half a minute passes before anything counts: a
start has its own figure (`readiness`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from random import Random

from tests.bench.figures import Figure, Measured, Scale
from tests.bench.processes import Gone, Service, Watcher, cpu_of, memory_of, peak_of

INTERVAL = 30.0
ON_A_HOST = 200
SERVICES = 2
CHANGE_EVERY = 0.25

GOALS = {10_000: (0.6, 1.0, 400.0)}
"""Shares of all cores, seconds of lag and MiB, by accounts."""


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that so many of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


class Installations:
    """So many accounts, on addresses of several services."""

    def __init__(self, stack: ExitStack, accounts: int) -> None:
        hosts = -(-accounts // (ON_A_HOST * SERVICES))
        self.services = [
            stack.enter_context(Service(accounts=accounts, hosts=hosts, host=10 + number * hosts))
            for number in range(SERVICES)
        ]
        self._hosts = [base for service in self.services for base in service.hosts]
        self.accounts = {
            f"loc-{n}": (self._hosts[n % len(self._hosts)], n) for n in range(1, accounts + 1)
        }

    def of(self, account: int) -> Service:
        """Return the service of an account."""
        return self.services[account % len(self._hosts) // len(self.services[0].hosts)]

    def requests(self) -> int:
        """Return how many requests there were since this was last asked."""
        return sum(int(one.read(clear=True, brief=True)["requests"]) for one in self.services)


def measure(scale: Scale) -> Iterator[Measured]:
    """Watch so many accounts for a while, for each number."""
    seconds = scale.number("seconds", 120, 45)
    for accounts in scale.numbers("accounts", (100, 1000, 10_000), (100, 1000)):
        with ExitStack() as stack:
            there = Installations(stack, accounts)
            sink = stack.enter_context(Service(accounts=1))
            watcher = stack.enter_context(
                Watcher(
                    there.accounts, f"{sink.base}/hook", poll_every=f"{INTERVAL:.0f}s",
                    rule={"when": "conversation.reassigned"},
                )
            )  # fmt: skip
            yield from _watched(watcher, there, sink, accounts, seconds)


def _watched(
    watcher: Watcher, there: Installations, sink: Service, accounts: int, seconds: float
) -> Iterator[Measured]:
    case = f"{accounts:,} accounts"
    ready = watcher.ready(60 + accounts / 25)
    yield Measured(case, "ready after", (ready,), "s", clock=True)
    yield Measured(case, "CPU until then", (cpu_of(watcher.pid),), "s")
    time.sleep(INTERVAL)
    there.requests()
    sink.read(clear=True)
    random, changed = Random(7), dict[str, float]()
    cpu, began = cpu_of(watcher.pid), time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        account = random.randrange(1, accounts + 1)
        told = there.of(account).change("agent", account)
        for conversation in told["changed"]:
            changed.setdefault(conversation, told["at"])
        time.sleep(max(0.0, now + CHANGE_EVERY - time.monotonic()))
    used, took, requests = cpu_of(watcher.pid) - cpu, time.monotonic() - began, there.requests()
    time.sleep(INTERVAL + 10)
    watcher.check()
    heard = dict[str, float]()
    for at, body in sink.read()["posts"]:
        event = json.loads(body)
        if event["type"] == "conversation.reassigned" and event["subject"] in changed:
            heard.setdefault(event["subject"], at - changed[event["subject"]])
    if len(heard) < len(changed):
        raise Gone(f"{len(changed) - len(heard)} of {len(changed)} changes were not told")
    share, lag, memory = GOALS.get(accounts, (None, None, None))
    yield Measured(case, "share of all cores", (used / took / (os.cpu_count() or 1),), "", share)
    yield Measured(case, "CPU a request", (1000 * used / max(1, requests),), "ms")
    yield Measured(case, "requests a second", (requests / took,))
    waits = list(heard.values())
    yield Measured(case, "from change to webhook, p50", (quantile(waits, 0.5),), "s", clock=True)
    late = quantile(waits, 0.99) - INTERVAL
    yield Measured(case, "p99 above the interval", (max(0.0, late),), "s", lag, clock=True)
    yield Measured(case, "memory", (memory_of(watcher.pid),), "MiB", memory)
    yield Measured(case, "memory at most", (peak_of(watcher.pid),), "MiB")
    yield Measured(case, "store, an account", (watcher.store / 1024 / accounts,), "KiB")


FIGURES = (
    Figure(
        "f", "growth", "how many accounts a machine watches", measure,
        {"accounts": "numbers", "seconds": "of each"},
    ),
)  # fmt: skip
