"""(c) A sweep of 100,000 conversations, and (g) what a million cost: memory, disk, and a start.

The lists are one after the other account's, a hundred accounts on ten addresses, or one account's
(`accounts=1`). Beside a sweep, bare clients ask for the same pages in the same rhythm. All the while one
more account, on an address of its own, is polled every second, and another agent takes its conversations
over: what a huge sweep makes others wait shows there.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack

from tests.bench.figures import Figure, Measured, Scale
from tests.bench.growth import quantile
from tests.bench.processes import (
    CLIENTS,
    Bare,
    Gone,
    Service,
    Watcher,
    cpu_of,
    installed,
    memory_of,
    peak_of,
)

PAGE = 500
"""Rows of a page, as an operator can set them: what counts here are rows."""


class _Large:
    """A watcher of many conversations, and of one small account beside them."""

    def __init__(self, stack: ExitStack, accounts: int, each: int, sweep_every: str) -> None:
        self.accounts, self.each = accounts, each
        self.service = stack.enter_context(
            Service(
                accounts=accounts, conversations=each, page=PAGE, note=True, host=10,
                hosts=min(10, accounts),
            )
        )  # fmt: skip
        self.small = stack.enter_context(Service(accounts=1))
        hosts = self.service.hosts
        watched = {f"loc-{n}": (hosts[n % len(hosts)], n) for n in range(1, accounts + 1)}
        self.watcher = Watcher(
            {**watched, "small": (self.small.base, 1)}, f"{self.small.base}/hook",
            poll_every="1s" if accounts == 1 else "10s", sweep_every=sweep_every,
        )  # fmt: skip
        stack.enter_context(self.watcher)

    def swept(self, seconds: float) -> list[tuple[str, str | None]]:
        """Wait for a whole sweep that begins from now on; return what it asked. Raise Gone."""
        began, asked = time.monotonic(), list[tuple[str, str | None]]()
        last = -(-self.each // PAGE)
        while time.monotonic() - began < seconds:
            self.watcher.check()
            questions = self.service.read(clear=True)["questions"]
            pages = [(target, etag) for target, etag in questions if "created_at_asc" in target]
            if not asked:  # from a first page on
                first = next(
                    (n for n, (one, _) in enumerate(pages) if one.endswith("page=1")), len(pages)
                )
                pages = pages[first:]
            asked += pages
            if len(asked) >= last * self.accounts:
                return asked
            time.sleep(0.2)
        raise Gone(f"no whole sweep in {seconds:.0f} s: {len(asked)} pages")


def sweep(scale: Scale) -> Iterator[Measured]:
    """Measure the sweeps of one account of 100,000 conversations."""
    count = scale.number("conversations", 100_000, 20_000)
    case = f"{count:,} conversations"
    with ExitStack() as stack:
        large = _Large(stack, 1, count, "20s")
        ready = large.watcher.ready(600)
        yield Measured(case, "baseline", (ready,), "s", clock=True)
        first = cpu_of(large.watcher.pid)
        yield Measured(case, "CPU of the baseline for 1,000", (1000 * first / count,), "s")
        bare = {name: stack.enter_context(Bare(name)) for name in CLIENTS if installed(name)}
        large.swept(300)
        found = []
        for _ in range(scale.number("rounds", 3, 1)):
            large.small.read(clear=True)
            cpu, began = cpu_of(large.watcher.pid), time.monotonic()
            asked = large.swept(300)
            used, took = cpu_of(large.watcher.pid) - cpu, time.monotonic() - began
            ends = []
            for client in bare.values():
                client.begin(base=large.service.base, hook="", questions=asked, posts=[], over=took)
            ends = {name: client.end()["cpu"] for name, client in bare.items()}
            found.append((used, took, ends))
        for name in bare:
            ratio = tuple(used / ends[name] for used, _, ends in found)
            yield Measured(case, f"CPU of a sweep, in bare requests of {name}", ratio, "×")
        each = tuple(1000 * used / count for used, _, _ in found)
        yield Measured(case, "CPU of a sweep for 1,000", each, "s")
        yield Measured(case, "a sweep", tuple(took for _, took, _ in found), "s", clock=True)
        yield from _others(large, case)
        yield Measured(case, "memory at most", (peak_of(large.watcher.pid),), "MiB")


def _others(large: _Large, case: str) -> Iterator[Measured]:
    """Yield how long another source's changes take meanwhile; it is polled every second."""
    large.small.read(clear=True)
    changed = dict[str, float]()
    for _ in range(20):
        told = large.small.change("agent", 1)
        changed |= dict.fromkeys(told["changed"], told["at"])
        time.sleep(1.0)
    time.sleep(3)
    heard = [
        at - changed[event["subject"]]
        for at, body in large.small.read()["posts"]
        if (event := json.loads(body))["subject"] in changed
        and event["type"] == "conversation.reassigned"
    ]
    yield Measured(
        case, "another account meanwhile, p99", (quantile(heard, 0.99),), "s", clock=True
    )


def million(scale: Scale) -> Iterator[Measured]:
    """Measure what so many conversations take, and a start with them."""
    count = scale.number("conversations", 1_000_000, 50_000)
    accounts = scale.number("accounts", 100, 10)
    case = f"{count:,} conversations in {accounts:,} accounts"
    with ExitStack() as stack:
        large = _Large(stack, accounts, count // accounts, "12h")
        watcher = large.watcher
        empty = memory_of(watcher.pid)
        yield Measured(
            case, "baseline", (watcher.ready(scale.number("seconds", 1800)),), "s", clock=True
        )
        yield Measured(
            case, "CPU of the baseline for 1,000", (1000 * cpu_of(watcher.pid) / count,), "s"
        )
        time.sleep(15)
        yield Measured(case, "memory", (memory_of(watcher.pid),), "MiB", 300)
        yield Measured(case, "memory at most", (peak_of(watcher.pid),), "MiB", 300)
        grown = (memory_of(watcher.pid) - empty) * 2**20 / count
        yield Measured(case, "memory a conversation, about", (max(0.0, grown),), "bytes")
        yield Measured(case, "SIGTERM", (watcher.stop(),), "s", clock=True)
        yield Measured(case, "disk, a conversation", (watcher.store / count,), "bytes", 1024)
        for name, size in _tables(watcher):
            yield Measured(case, f"disk, {name}", (size / count,), "bytes")
        watcher.start()
        yield Measured(
            case, "start: answers", (watcher.ready(120, strict=False),), "s", 5, clock=True
        )
        yield Measured(case, "start: CPU until then", (cpu_of(watcher.pid),), "s", 5)
        time.sleep(20)
        yield Measured(case, "memory after a start", (memory_of(watcher.pid),), "MiB", 300)


def _tables(watcher: Watcher) -> Iterator[tuple[str, int]]:
    """Yield the larger tables and indexes with their bytes, where SQLite can tell."""
    with sqlite3.connect(watcher.folder / "watcher.db") as connection:
        try:
            found = connection.execute(
                "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 8"
            ).fetchall()
        except sqlite3.OperationalError:
            return
    yield from ((name, int(size)) for name, size in found)


FIGURES = (
    Figure(
        "c", "sweep", "a sweep of 100,000 conversations", sweep,
        {"conversations": "of the account", "rounds": "sweeps"},
    ),
    Figure(
        "g", "million", "memory, disk and start at a million conversations", million,
        {"conversations": "of all", "accounts": "that have them", "seconds": "for the baseline"},
    ),
)  # fmt: skip
