"""What polls ask of a Chatwoot, by version and by how much happens there.

The whole daemon runs in virtual time against the simulator; what its polls were answered is counted.
Sweeps are counted apart, for they cost the same however polls look.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import parse_qsl

import anyio
from starlette.types import Message, Receive, Scope, Send

from tests.scenarios.harness import Harness
from watcher.daemon import Daemon
from watcher.simulator import Faults, chatwoot
from watcher.simulator.versions import Version

__all__ = ["PACES", "VERSIONS", "Cost", "Costs", "measure"]

VERSIONS: Mapping[str, Version] = {"v2.16": (2, 16, 0), "v3.16": (3, 16, 0), "v4.15": (4, 15, 1)}
PACES: Mapping[str, float] = {"quiet": 0.0, "a change in 10 s": 0.1, "2 changes a second": 2.0}
"""Changes a second."""

CONVERSATIONS = 300


@dataclass(slots=True)
class Cost:
    """What some requests were answered."""

    requests: int = 0
    rows: int = 0
    largest: int = 0
    """Rows of the largest answer."""

    bytes: int = 0

    def add(self, body: bytes) -> None:
        """Count one answer."""
        plain = json.loads(body) if body else {}  # "what you have is still right" (304) has none
        rows = len(plain["data"]["payload"]) if "data" in plain else 0
        self.requests += 1
        self.rows += rows
        self.largest = max(self.largest, rows)
        self.bytes += len(body)


@dataclass(slots=True)
class Costs:
    """What one run came to."""

    polls: int
    changes: int
    polling: Cost
    sweeping: Cost


class _Counted:
    """Counts what an application answers to polls and to everything else."""

    def __init__(self, app: Faults) -> None:
        self._app = app
        self.polling, self.sweeping = Cost(), Cost()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        params = dict(parse_qsl(scope["query_string"].decode()))
        windowed, newest = (
            "updated_within" in params,
            params.get("sort_by") == "last_activity_at_desc",
        )
        cost = self.polling if windowed or newest else self.sweeping

        async def count(message: Message) -> None:
            if message["type"] == "http.response.body":
                cost.add(message["body"])
            await send(message)

        await self._app(scope, receive, count)


async def measure(
    folder: Path, version: Version, pace: float, *, seconds: int, poll_every: str = "30s"
) -> Costs:
    """Run the daemon for so long on an account in which `pace` messages a second are written."""
    harness = Harness(folder)
    harness.poll_every, harness.sweep_every = poll_every, "15m"
    account = harness.watch("chatwoot", "sales", "1", conversations=CONVERSATIONS)
    harness.world.install(account, version)
    harness.faults["chatwoot"] = faults = Faults(chatwoot.app(harness.world), harness.clock)
    counted = _Counted(faults)
    harness.faults["chatwoot"] = counted  # type: ignore[assignment]
    random, changes = Random(7), 0
    async with harness.running() as daemon:
        await harness.baseline()
        await anyio.sleep(120)
        counted.polling, counted.sweeping = Cost(), Cost()
        before = _polls(daemon)
        for _ in range(seconds):
            due = random.random() < pace % 1
            for _ in range(int(pace) + due):
                chosen = random.choice(account.living())
                harness.world.message(chosen, f"words {changes}", "outbound")
                changes += 1
            await anyio.sleep(1)
        return Costs(_polls(daemon) - before, changes, counted.polling, counted.sweeping)


def _polls(daemon: Daemon) -> int:
    labels = {"source": "sales"}
    done = daemon.metrics.registry.get_sample_value("watcher_polls_total", labels)
    return int(done or 0)
