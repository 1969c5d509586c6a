"""What a service that never answers costs: sends many messages to one, and counts what it leaves.

python tests/support/hanging.py [CALLS [WORKERS [DEADLINE]]]     # 1000 calls by default

Run with the folders of the project and of its tests in PYTHONPATH. It prints one line of JSON: how
the calls ended, the most worker processes at once, memory and open files before and after, worker
processes that are left, and how long the program took to end once told to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from support.loopback import Served, serving
from watcher.model import Event
from watcher.notify import Notice
from watcher.notify.apprise import AppriseNotifier

PROC = Path("/proc/self")


async def hang(_served: Served, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def children() -> int:
    """Count the processes that this one has started and not yet collected."""
    count = 0
    for task in (PROC / "task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            count += len((task / "children").read_text().split())
    return count


def memory() -> float:
    """Give this process's resident memory in MB."""
    return int((PROC / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors() -> int:
    return len(list((PROC / "fd").iterdir()))


async def measure(calls: int, workers: int, deadline: float) -> dict[str, Any]:
    """Send `calls` messages, `workers` at a time."""
    at = datetime(2026, 11, 20, 10, tzinfo=UTC)
    notice = Notice(Event("e1", "conversation.unread", "sales", "c1", at, {}), "Title", "Body", at)
    outcomes: Counter[str] = Counter()
    most = 0
    waiting = anyio.CapacityLimiter(workers)

    async with serving(hang) as served:
        url = served.url.replace("http:", "json:")
        team = AppriseNotifier(
            lambda: [url], "team", anyio.CapacityLimiter(workers), deadline=deadline
        )

        async def send() -> None:
            nonlocal most
            async with waiting:
                outcomes[(await team.send(notice)).outcome] += 1
                most = max(most, children())

        before = memory(), descriptors()
        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for _ in range(calls):
                group.start_soon(send)
        took = time.monotonic() - began
        arrived = len(served.requests)
    # The server's own ends of the connections are closed now.
    return {
        "calls": calls,
        "outcomes": dict(outcomes),
        "arrived": arrived,
        "seconds": round(took, 1),
        "most_processes": most,
        "processes_left": children(),
        "memory_before": round(before[0], 1),
        "memory_after": round(memory(), 1),
        "files_before": before[1],
        "files_after": descriptors(),
    }


if __name__ == "__main__":
    given = [float(one) for one in sys.argv[1:]]
    calls_, workers_, deadline_ = (*given, *(1000, 8, 5.0)[len(given) :])
    print(json.dumps(anyio.run(measure, int(calls_), int(workers_), deadline_)))  # noqa: T201
