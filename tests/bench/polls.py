"""What polls ask of a Chatwoot, by version and by how much happens there: figure `polls`.

The whole daemon runs in virtual time against the simulator; what its polls were answered is counted.
Sweeps are counted apart, for they cost the same however polls look.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from urllib.parse import parse_qsl

import anyio
import structlog
from starlette.types import Message, Receive, Scope, Send

from tests.bench.figures import Figure, Measured, Scale
from tests.scenarios.harness import Harness
from tests.support.virtual_time import JumpLoop
from watcher.daemon import Daemon
from watcher.simulator import Faults, chatwoot
from watcher.simulator.versions import Version

__all__ = ["FIGURES", "PACES", "VERSIONS", "Cost", "Costs", "measure"]

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
    labels = {"provider": "chatwoot", "outcome": "ok"}
    done = daemon.metrics.registry.get_sample_value("inbox_watcher_polls_total", labels)
    return int(done or 0)


def measured(scale: Scale) -> Iterator[Measured]:
    """Measure every version at every pace, sweeps every quarter of an hour not counted."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    seconds, poll_every = (
        60 * scale.number("minutes", 30, 10),
        scale.words("poll_every", ("30s",), ("30s",)),
    )
    run = partial(measure, seconds=seconds, poll_every=poll_every[0])
    for version, number in VERSIONS.items():
        for pace, rate in PACES.items():
            with tempfile.TemporaryDirectory() as folder:
                options = {"loop_factory": JumpLoop}
                costs = anyio.run(run, Path(folder), number, rate, backend_options=options)
            case, polling = f"{version}, {pace}", costs.polling
            for what, value in (
                ("requests", polling.requests), ("rows", polling.rows), ("bytes", polling.bytes),
            ):  # fmt: skip
                yield Measured(case, f"{what} a poll", (value / costs.polls,))
                if costs.changes and what != "requests":
                    yield Measured(case, f"{what} a change", (value / costs.changes,))
            yield Measured(case, "rows of the largest answer", (float(polling.largest),))


FIGURES = (
    Figure(
        "", "polls", "what polls ask of a Chatwoot, in virtual time", measured,
        {"minutes": "of each case", "poll_every": "the interval"},
    ),
)  # fmt: skip
