"""What a service that never answers costs: sends many messages to one, and counts what it leaves.

python -m tests.support.hanging [CALLS [WORKERS [DEADLINE]]]     # 1000 calls by default

It prints one line of JSON: how
the calls ended, the most worker processes at once, worker processes that are left, memory (MB) and
open files before and after; and, for as many calls again as there are workers, which are called off
while all of them hang, the seconds until they have ended and no worker process is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from watcher.model import Event
from watcher.notify import Notice
from watcher.notify.apprise import AppriseNotifier

PROC = Path("/proc/self")


class Silent:
    """A server's side that takes requests and never answers.

    Nothing of a request is kept, nor of a connection that its caller has ended: what grows is the
    notifier's.
    """

    def __init__(self) -> None:
        self.url = ""
        self.arrived = 0
        self.open = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.arrived += 1
            while await reader.read(65536):
                pass  # until the caller's end is closed
        except (asyncio.IncompleteReadError, OSError):
            pass  # cut off
        finally:
            self.open -= 1
            writer.close()


@contextlib.asynccontextmanager
async def silence() -> AsyncIterator[Silent]:
    """Serve on an unused port, and see at the end that nobody is connected any more."""
    silent = Silent()
    async with await asyncio.start_server(silent.take, "127.0.0.1", 0) as server:
        silent.url = f"json://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield silent
        await until(lambda: not silent.open)


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Look again and again until something has come about; raises TimeoutError."""
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - other processes tell nobody
            await anyio.sleep(0.005)


def children() -> int:
    """Count the processes that this one has started and not yet collected."""
    count = 0
    for task in (PROC / "task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            count += len((task / "children").read_text().split())
    return count


def memory() -> float:
    """Return this process's resident memory in MB."""
    return int((PROC / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors() -> int:
    return len(list((PROC / "fd").iterdir()))


NOTICE = Notice(
    Event(
        "e1", "conversation.unread", "sales", "c1", datetime(2026, 11, 20, 10, tzinfo=UTC), {}
    ),
    "Title", "Body", datetime(2026, 11, 20, 10, tzinfo=UTC),
)  # fmt: skip


async def measure(calls: int, workers: int, deadline: float) -> dict[str, Any]:
    """Send `calls` messages, `workers` at a time, each cut off after `deadline` seconds."""
    outcomes: Counter[str] = Counter()
    most = 0
    numbers = iter(range(calls))

    async with silence() as silent:
        team = notifier(silent, workers, deadline)

        async def send() -> None:
            nonlocal most
            for _ in numbers:
                outcomes[(await team.send(NOTICE)).outcome] += 1
                most = max(most, children())

        before = memory(), descriptors()
        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for _ in range(workers):
                group.start_soon(send)
        took, left = time.monotonic() - began, children()
        await until(lambda: not silent.open)
        return {
            "calls": calls,
            "outcomes": dict(outcomes),
            "arrived": silent.arrived,
            "seconds": round(took, 1),
            "most_processes": most,
            "processes_left": left,
            "memory_before": round(before[0], 1),
            "memory_after": round(memory(), 1),
            "files_before": before[1],
            "files_after": descriptors(),
            "seconds_to_end": round(await seconds_to_end(silent, workers), 2),
        }


async def seconds_to_end(silent: Silent, workers: int) -> float:
    """Call off `workers` calls while all of them hang; give the seconds until nothing is left."""
    team = notifier(silent, workers, 60.0)
    wanted = silent.arrived + workers
    async with anyio.create_task_group() as group:
        for _ in range(workers):
            group.start_soon(team.send, NOTICE)
        await until(lambda: silent.arrived == wanted)
        began = time.monotonic()
        group.cancel_scope.cancel()
    await until(lambda: not children())
    return time.monotonic() - began


def notifier(silent: Silent, workers: int, deadline: float) -> AppriseNotifier:
    return AppriseNotifier(
        lambda: [silent.url], "team", anyio.CapacityLimiter(workers), deadline=deadline
    )


if __name__ == "__main__":
    # As in the daemon: that a worker's end was seen twice is no news.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    given = [float(one) for one in sys.argv[1:]]
    calls_, workers_, deadline_ = (*given, *(1000, 8, 5.0)[len(given) :])
    print(json.dumps(anyio.run(measure, int(calls_), int(workers_), deadline_)))  # noqa: T201
